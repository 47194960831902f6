/**
 * The laboratory page: asks the server, draws what it answers, and keeps the focus where it was.
 *
 * The server has the state; the page has none of its own but what is half typed.
 */
(function (pv) {
  'use strict';

  const play = pv.play;
  const $ = (id) => document.getElementById(id);
  const drafts = new Map();
  let view = null;
  let revision = 0;
  let rules = [];
  let puzzles = [];
  let hints = [];
  let report = null;
  // One proof runs at a time, and the server knows whose it is by these two.
  const pageNumber = crypto.getRandomValues(new Uint32Array(1))[0];
  let proofs = 0;
  /** The search that goes on, if one does. */
  let search = null;
  let hide = true;
  let busy = false;
  const story = new play.Story();

  // Asking

  async function ask(request) {
    let response;
    try {
      response = await fetch('ask', { method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ ...request, epoch: story.epoch }) });
    } catch {
      throw new Error('the server does not answer: is paxos play still running?');
    }
    const answer = await response.json();
    if (answer.view) {
      ({ view, revision } = answer);
      if (answer.trace) story.take(answer.trace, hide);
    }
    if (!response.ok) throw new Error(answer.error);
    return answer;
  }

  /** One thing at a time: ask, and draw what came of it. */
  async function alone(work) {
    if (busy) return;
    busy = true;
    $('main').setAttribute('aria-busy', 'true');
    try {
      await work();
    } catch (error) {
      say(`Not done: ${error.message}`, true);
    }
    busy = false;
    draw();
    $('main').removeAttribute('aria-busy');
  }

  /** Ask for a change, and say what came of it. */
  function change(request, saying) {
    return alone(async () => {
      await ask(request);
      say(saying());
    });
  }

  function say(text, wrong = false) {
    $('status').textContent = text;
    $('status').scrollTop = 0;
    $('status').classList.toggle('wrong', wrong);
  }

  function act(action) {
    const before = brokenNames();
    return change({ do: 'act', action, revision }, () => {
      const { line, said } = view.actions[view.actions.length - 1];
      const fresh = view.lights.filter((light) => light.sentence !== null && !before.has(light.name));
      const alarm = fresh.map((light) => `Broken: ${light.name}. ${light.sentence}. `).join('');
      return `${alarm}${line}: ${said.length ? said.join('; ') : 'nothing follows'}.`;
    });
  }

  function brokenNames() {
    return new Set(view.lights.filter((light) => light.sentence !== null).map((light) => light.name));
  }

  function goTo(count) {
    return change({ do: 'go', count, revision }, () => `Now after action ${view.actions.length}.`);
  }

  async function begin(request) {
    hints = [];
    report = null;
    search = null;
    await change(request, () => (view.puzzle ? `Puzzle: ${view.puzzle.title}.` : `A new run: ${view.setup.line}.`));
  }

  async function save() {
    try {
      const { name, text } = await ask({ do: 'save' });
      const link = pv.el('a', { href: URL.createObjectURL(new Blob([text], { type: 'text/x-python' })), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      say(`Saved as ${name}: run it with pytest ${name}.`);
    } catch (error) {
      say(`Not done: ${error.message}`, true);
    }
  }

  function hint() {
    return alone(async () => {
      hints.push((await ask({ do: 'hint', number: hints.length })).hint);
    });
  }

  /** Begin it, and go to where one plays: the top of the page. */
  async function beginRun(line) {
    const before = view.branch;
    await begin({ do: 'begin', line });
    if (view.branch === before) return;
    $('nodes-title').focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }

  /** Begin it, and go to what it asks for. */
  async function beginPuzzle(name) {
    await begin({ do: 'puzzle', name });
    if (view.puzzle?.name !== name) return;
    $('puzzle').scrollIntoView({ block: 'start' });
    $('puzzle-title').focus({ preventScroll: true });
  }

  /** Slice after slice, so that the page goes on meanwhile; a second press stops it. */
  async function prove() {
    if (search) {
      search = null;
      drawSearch();
      return;
    }
    const mine = (search = {});
    const name = view.puzzle.name;
    const run = ++proofs;
    report = null;
    drawSearch();
    while (search === mine) {
      try {
        const answer = await ask({ do: 'prove', name, page: pageNumber, run });
        // Stopped meanwhile, or another puzzle is on the table: this is nobody's answer.
        if (search !== mine) return void ask({ do: 'stop', page: pageNumber, run }).catch(() => {});
        report = answer.report;
        if (report.ended) search = null;
      } catch (error) {
        if (search !== mine) return;
        search = null;
        say(`Not done: ${error.message}`, true);
      }
      drawSearch();
    }
  }

  // Drawing

  function draw() {
    const key = document.activeElement?.getAttribute?.('data-key');
    const puzzle = view.puzzle !== null;
    const last = view.actions.length + view.undone.length;
    $('tools').replaceChildren(
      tool('undo', 'Take back (u)', () => goTo(view.actions.length - 1), view.actions.length <= view.given),
      tool('redo', 'Do again (r)', () => goTo(view.actions.length + 1), view.actions.length === last),
      tool('fork', 'Branch (b)', () => change({ do: 'fork' }, () => `Run ${view.branch} is a copy of the run.`), false),
      tool('save', 'Save as a test', save, false));
    $('nodes').replaceChildren(...view.nodes.map((node) => play.node(node,
      { act, drafts, puzzle, forbidden: view.forbidden })));
    $('cables').replaceChildren(...play.cables(view, { act }));
    $('frames').replaceChildren(...play.frames(view, { act, puzzle, hide, setHide }));
    $('lights').replaceChildren(...view.lights.map((light) => play.light(light, goTo)));
    $('actions').replaceChildren(...play.actions(view, { goTo }));
    $('runs').replaceChildren(...play.runs(view, {
      select: (number) => begin({ do: 'select', number }),
      close: (number) => change({ do: 'close', number }, () => `Run ${number} is closed.`),
    }));
    drawPuzzle();
    showIn($('actions'), $('actions').querySelector('.now'));
    refocus(key);
  }

  /** Scroll `list`, and nothing else, to where its `item` can be seen. */
  function showIn(list, item) {
    const [outer, inner] = [list.getBoundingClientRect(), item.getBoundingClientRect()];
    if (inner.top < outer.top) list.scrollTop += inner.top - outer.top;
    else if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom;
  }

  function drawPuzzle() {
    const panel = $('puzzle');
    panel.hidden = view.puzzle === null;
    if (panel.hidden) return;
    panel.replaceChildren(...play.puzzle(view, { hints, hint, prove,
      again: () => begin({ do: 'puzzle', name: view.puzzle.name }) }));
    drawSearch();
  }

  function drawSearch() {
    if (view.puzzle !== null) play.search($('puzzle'), { report, proving: search !== null });
  }

  function tool(key, text, act, disabled) {
    return pv.button(text, act, { 'data-key': key, disabled });
  }

  function setHide(value) {
    hide = value;
    story.setHide(hide);
    draw();
  }

  /** To the control that had the focus; where it is gone, to what took its place. */
  function refocus(key) {
    if (!key || document.activeElement?.getAttribute?.('data-key') === key) return;
    const find = (wanted) => [...document.querySelectorAll('[data-key]')]
      .find((one) => one.getAttribute('data-key') === wanted && !one.disabled);
    const [verb, place] = key.split('@');
    for (let at = Number(place); at >= 0; at--) {
      const near = find(`${verb}@${at}`);
      if (near) return near.focus({ preventScroll: true });
    }
    const same = find(key);
    if (same) return same.focus({ preventScroll: true });
    const id = key.split(':')[1];
    (find(`restart:${id}`) ?? find(`campaign:${id}`) ?? $('messages-title')).focus({ preventScroll: true });
  }

  // Beginning

  function drawBegin() {
    const nodes = pv.el('select', { 'data-key': 'nodes' },
      ...[3, 4, 5].map((count) => pv.el('option', { value: count }, `${count} nodes`)));
    const boxes = rules.map((rule) => {
      const box = pv.el('input', { type: 'checkbox', value: rule.name, 'data-key': `rule:${rule.name}`,
        'aria-describedby': `about-${rule.name}` });
      return pv.el('div', { class: 'rule' }, pv.el('label', { class: 'check' }, box, `Leave out: ${rule.title}`),
        pv.el('p', { class: 'soft', id: `about-${rule.name}` }, `${rule.says} Without it: ${rule.without}`));
    });
    const form = $('begin');
    form.replaceChildren(pv.el('label', {}, 'Cluster of ', nodes),
      pv.el('fieldset', {}, pv.el('legend', {}, 'Rules'), ...boxes),
      pv.el('button', { 'data-key': 'begin' }, 'Begin a new run'));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const out = [...form.querySelectorAll('input:checked')].map((box) => box.value);
      beginRun(`cluster ${nodes.value}${out.length ? ` without=${out.join(',')}` : ''}`);
    });
  }

  const SHORTCUTS = { u: 'undo', r: 'redo', b: 'fork' };

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input, select, textarea')) return;
    const wanted = SHORTCUTS[event.key];
    if (wanted) document.querySelector(`[data-key="${wanted}"]`)?.click();
  });

  async function open() {
    try {
      ({ rules, puzzles } = await ask({ do: 'look' }));
    } catch (error) {
      say(`Not done: ${error.message}`, true);
      return;
    }
    drawBegin();
    $('puzzles').replaceChildren(...play.puzzles(puzzles, beginPuzzle));
    draw();
  }

  open();
})(globalThis.PaxosViewer);
