/**
 * The panels of the laboratory: each makes elements from what the server says, and calls `act`.
 *
 * A control has a `data-key`, by which it gets the focus back after the page was drawn anew.
 * All that comes from the server is set as text.
 */
(function (pv) {
  'use strict';

  const HEARTBEATS = new Set(['Heartbeat', 'HeartbeatAck']);
  const play = (pv.play = {});
  const el = pv.el;

  /** What each action of a script does, for who points at its button. */
  const MEANINGS = {
    campaign: 'Phase 1 in a new ballot, without asking first and without waiting for a time-out',
    propose: 'Have the leader propose it for the next slot',
    crash: 'What its disk has not finished is lost',
    restart: 'Start from what is on its disk',
    hold: 'Writes begin and do not end, until sync',
    sync: 'The disk finishes what it was given, and later writes at once',
    tick: 'Time goes on for this node alone',
    deliver: 'It arrives',
    drop: 'It is lost',
    copy: 'It will arrive once more',
    cut: 'What is on the cable is lost, and so is what is sent over it',
    heal: 'The cable carries messages again',
    stabilize: 'Deliver everything, and what follows from it, until nothing is on its way',
  };

  /** A button with a key, and a name for those who listen that says what it is about. */
  function button(key, text, label, act, attributes) {
    return pv.button(text, act, { 'data-key': key, 'aria-label': label, ...attributes });
  }

  function words(count, one, many) {
    return `${count} ${count === 1 ? one : many}`;
  }

  // Nodes

  /** What a button's action does, or why the puzzle refuses it: then it cannot be pressed. */
  function meaning(verb, refusal) {
    return { title: refusal ? sentence(refusal) : MEANINGS[verb], disabled: Boolean(refusal) };
  }

  function sentence(text) {
    return text[0].toUpperCase() + text.slice(1);
  }

  /** One node, with what can be done to it. */
  play.node = function (node, { act, drafts, puzzle, forbidden }) {
    const id = node.id;
    const on = (verb, text) => button(`${verb}:${id}`, text, `${text}: node ${id}`,
      () => act(`${verb} ${id}`), meaning(verb, forbidden[`${verb} ${id}`]));
    const tools = el('div', { class: 'row' });
    if (!node.up) {
      tools.append(on('restart', 'Restart'));
    } else {
      tools.append(on('campaign', 'Campaign'), on('crash', 'Crash'),
        node.holding ? on('sync', 'Sync the disk') : on('hold', 'Hold the disk'));
      if (!puzzle) tools.append(tick(id, drafts, act));
    }
    const card = el('article', { class: `node ${node.up ? '' : 'down'}`, 'aria-labelledby': `n${id}` },
      el('h3', { id: `n${id}` }, `Node ${id}`, el('span', { class: 'role' }, roleOf(node))),
      facts(node), tools);
    if (node.up && node.leads) card.append(proposal(id, drafts, act, forbidden[`propose ${id}`]));
    return card;
  };

  function roleOf(node) {
    if (node.stopped) return 'stopped itself';
    if (!node.up) return 'down';
    if (node.leads) return `leads in ${node.ballot}`;
    if (node.role === 'candidate') return 'asks for promises';
    return node.leader && node.leader !== node.id ? `follows ${node.leader}` : 'knows no leader';
  }

  function facts(node) {
    const list = el('dl', { class: 'facts' });
    const add = (name, value) => list.append(el('dt', {}, name), el('dd', {}, value));
    if (node.stopped) add('Why', node.stopped);
    if (node.contradiction) add('Its disk', node.contradiction);
    if (node.promised === undefined) return list;
    const at = node.up ? '' : ' on disk';
    add(`Promised${at}`, node.promised === '-' ? 'nothing' : node.promised);
    if (node.votes.length || !node.up) {
      const votes = node.votes.map((v) => `slot ${v.slot}: ${v.value} in ${v.ballot}`).join('; ');
      add(`Voted${at}`, votes || 'nothing');
    }
    add(`Log${at}`, node.log.length ? node.log.map((e) => `${e.slot}: ${e.value}`).join(', ') : 'empty');
    if (node.holding) add('Not on disk', node.held.join('; ') || 'nothing yet: it is held');
    return list;
  }

  function tick(id, drafts, act) {
    const name = `ticks:${id}`;
    const input = el('input', { type: 'number', min: 1, max: 60, value: drafts.get(name) ?? 15,
      'data-key': name, 'aria-label': `Ticks for node ${id}` });
    input.addEventListener('input', () => drafts.set(name, input.value));
    return el('span', { class: 'joined' }, input, button(`tick:${id}`, 'Tick',
      `Tick: node ${id}`, () => act(`tick ${id} ${Number(input.value) || 1}`), { title: MEANINGS.tick }));
  }

  function proposal(id, drafts, act, refusal) {
    const name = `command:${id}`;
    const usual = ['blue', 'green', 'red', 'amber', 'violet'][(id - 1) % 5];
    const input = el('input', { type: 'text', maxlength: 24, value: drafts.get(name) ?? usual,
      'data-key': name, 'aria-label': `Command for node ${id} to propose`, autocomplete: 'off',
      disabled: Boolean(refusal) });
    input.addEventListener('input', () => drafts.set(name, input.value));
    const form = el('form', { class: 'row joined' }, input, el('button', { 'data-key': `propose:${id}`,
      'aria-label': `Propose: node ${id}`, ...meaning('propose', refusal) }, 'Propose'));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      act(`propose ${id} ${input.value}`);
    });
    return form;
  }

  // The network

  /** The messages on their way, a card each. */
  play.frames = function (view, { act, puzzle, hide, setHide }) {
    const parts = [];
    const beats = view.frames.filter((frame) => HEARTBEATS.has(frame.kind)).length;
    const shown = hide ? view.frames.filter((frame) => !HEARTBEATS.has(frame.kind)) : view.frames;
    const tools = el('div', { class: 'row' });
    if (!puzzle && view.frames.length) {
      tools.append(button('stabilize', 'Stabilize', 'Stabilize: deliver all until it is quiet',
        () => act('stabilize'), { title: MEANINGS.stabilize }));
    }
    const box = el('input', { type: 'checkbox', 'data-key': 'hide', checked: hide });
    box.addEventListener('change', () => setHide(box.checked));
    tools.append(el('label', { class: 'check' }, box,
      `Hide heartbeats${beats ? ` (${beats} on their way)` : ''}`));
    parts.push(tools);
    if (!shown.length) parts.push(el('p', { class: 'soft' }, nothing(beats, hide)));
    parts.push(el('ul', { class: 'frames' }, ...shown.map((frame, at) => card(frame, at, view, act))));
    return parts;
  };

  function nothing(beats, hide) {
    if (hide && beats) return 'Only heartbeats are on their way.';
    return 'Nothing is on its way. Let a node campaign, or propose something.';
  }

  function card(frame, at, view, act) {
    const what = `${frame.kind} from ${frame.from} to ${frame.to}`;
    const deaf = view.nodes.some((node) => node.id === frame.to && !node.up);
    const tool = (verb, text) =>
      button(`${verb}@${at}`, text, `${text}: ${what}`, () => act(`${verb} ${frame.pick}`),
        { title: MEANINGS[verb] });
    return el('li', { class: 'frame' },
      el('p', { class: 'way' }, el('span', { class: 'ends' }, `${frame.from} \u2192 ${frame.to}`), ' ',
        frame.text, deaf ? el('span', { class: 'soft' }, ` (node ${frame.to} is down)`) : null),
      el('div', { class: 'row' }, tool('deliver', 'Deliver'), tool('drop', 'Drop'),
        tool('copy', 'Copy')));
  }

  /** The cables, which can be cut and healed. */
  play.cables = function (view, { act }) {
    return view.cables.map(({ ends: [a, b], cut }) => {
      const state = cut ? 'is cut' : 'is whole';
      const text = cut ? 'Heal' : 'Cut';
      const verb = cut ? 'heal' : 'cut';
      const tool = button(`cable:${a}-${b}`, text, `${text}: the cable between ${a} and ${b}`,
        () => act(`${verb} ${a} ${b}`), meaning(verb, view.forbidden[verb]));
      return el('li', { class: cut ? 'cable cut' : 'cable' }, `${a}\u2013${b} ${state} `, tool);
    });
  };

  // The lights

  /** One invariant: a sign, a word, its name, and how it broke. */
  play.light = function (light, goTo) {
    const broken = light.sentence !== null;
    const item = el('li', { class: broken ? 'light broken' : 'light' },
      el('span', { class: 'sign', 'aria-hidden': 'true' }, broken ? '\u2715' : '\u2713'),
      el('span', { class: 'name' }, light.name),
      el('strong', { class: 'word' }, broken ? 'broken' : 'holds'));
    if (broken) {
      item.append(el('p', {}, light.sentence, ' ', button(`light:${light.name}`, `action ${light.action}`,
        `To action ${light.action}, in which it broke`, () => goTo(light.action))));
    } else {
      item.append(el('p', { class: 'soft' }, light.means));
    }
    return item;
  };

  // The run

  /** The actions, each with what the cluster did. */
  play.actions = function (view, { goTo }) {
    const done = view.actions.map((action, at) => entry(at + 1, action.line, action.said,
      at + 1 === view.actions.length ? 'now' : '', at < view.given, goTo));
    const undone = view.undone.map((line, at) =>
      entry(view.actions.length + at + 1, line, null, 'undone', false, goTo));
    const start = el('li', { value: 0, class: view.actions.length ? '' : 'now' },
      view.given ? el('code', {}, view.setup.line)
        : button('go:0', view.setup.line, `Back to the beginning: ${view.setup.line}`, () => goTo(0)));
    return [start, ...done, ...undone];
  };

  function entry(number, line, said, state, given, goTo) {
    const name = given ? el('span', { class: 'soft' }, el('code', {}, line), ' given')
      : button(`go:${number}`, line, `To action ${number}: ${line}`, () => goTo(number));
    const item = el('li', { value: number, class: state, 'aria-current': state === 'now' ? 'step' : null },
      name);
    if (state === 'undone') item.append(el('span', { class: 'soft' }, ' taken back'));
    if (said?.length) {
      item.append(el('details', { open: state === 'now' },
        el('summary', { 'data-key': `said:${number}` }, words(said.length, 'thing happened', 'things happened')),
        el('ul', { class: 'said' }, ...said.map((text) => el('li', {}, text)))));
    }
    return item;
  }

  /** The runs that there are. */
  play.runs = function (view, { select, close }) {
    return view.branches.map((branch) => {
      const here = branch.number === view.branch;
      const from = branch.parent === null ? '' : `, a branch of ${branch.parent}`;
      const title = `${branch.number}: ${branch.puzzle ?? branch.line}${from}`;
      const text = `${title}, ${words(branch.actions, 'action', 'actions')}`;
      return el('li', { 'aria-current': here ? 'true' : null, class: here ? 'here' : '' },
        here ? el('strong', {}, text)
          : button(`run:${branch.number}`, text, `Go on with run ${text}`, () => select(branch.number)),
        view.branches.length > 1
          ? button(`close:${branch.number}`, 'Close', `Close run ${title}`, () => close(branch.number)) : null);
    });
  };

  // Puzzles

  /** The puzzles that there are. */
  play.puzzles = function (puzzles, begin) {
    return puzzles.map((puzzle) => el('li', {},
      button(`puzzle:${puzzle.name}`, puzzle.title, `Begin the puzzle: ${puzzle.title}`,
        () => begin(puzzle.name)),
      el('span', { class: 'soft' }, ` without ${puzzle.without.join(', ')}; par ${puzzle.par}`)));
  };

  /** The puzzle on the table. */
  play.puzzle = function (view, { hints, hint, prove, again }) {
    const puzzle = view.puzzle;
    const won = puzzle.solved !== null;
    const parts = [
      el('h2', { id: 'puzzle-title', tabindex: -1 }, `Puzzle: ${puzzle.title}`),
      el('p', {}, puzzle.story),
      el('p', {}, el('strong', {}, 'Goal: '), `turn the light \u201c${puzzle.goal}\u201d red. `,
        el('strong', {}, 'Actions so far: '), String(puzzle.actions), '. ',
        el('strong', {}, 'Par: '), String(puzzle.par), '.'),
      el('p', {}, el('strong', {}, 'Allowed: '), `${puzzle.allowance}.`),
    ];
    if (won) parts.push(el('p', { class: 'won' }, verdict(puzzle)));
    parts.push(...hints.map((text) => el('p', { class: 'hint' }, `Hint: ${text}`)));
    const tools = el('div', { class: 'row' }, button('again', 'Begin it again', 'Begin the puzzle again', again));
    if (hints.length < puzzle.hints) {
      tools.append(button('hint', 'A hint', `A hint, ${puzzle.hints - hints.length} are left`, hint));
    }
    tools.append(button('prove', '', null, prove));
    parts.push(tools, el('p', { class: 'report', role: 'status' }));
    return parts;
  };

  /** How far the search is, in the panel that is there: a button that is pressed must stay. */
  play.search = function (panel, { report, proving }) {
    panel.querySelector('[data-key="prove"]').textContent =
      proving ? 'Stop the proof' : 'Prove it cannot be done with the rule on';
    panel.querySelector('.report').textContent = report ? told(report) : '';
  };

  function verdict(puzzle) {
    const actions = words(puzzle.solved, 'action', 'actions');
    if (puzzle.solved > puzzle.par) return `Solved in ${actions}. It can be done in ${puzzle.par}.`;
    return `Solved in ${actions}, and fewer will not do.`;
  }

  function told(report) {
    const states = report.states.toLocaleString('en');
    const bounds = `Within what the puzzle allows: ${report.allowance}. Messages arrive in any order, any number of times or never; no time passes, and each proposal has a value of its own.`;
    if (report.found) return `With the rule on it can be done too: ${report.found.join('; ')}. That is a defect of the core.`;
    if (report.complete) {
      return `Proved, within these bounds: with the rule on, no run turns \u201c${report.goal}\u201d red. `
        + `Every run was seen to its end: ${states} states, and there are no others. ${bounds}`;
    }
    if (report.ended) return `Not proved: the search ends at its bound of ${states} states, and there are more. The light is red in none of them.`;
    const all = report.states_in_all.toLocaleString('en');
    return `${states} of about ${all} states seen, and every run of up to ${report.depth} steps. The light is red in none so far.`;
  }
})((globalThis.PaxosViewer ??= {}));
