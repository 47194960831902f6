/**
 * For each node after the current step: its role, what it promised, accepted and knows as chosen.
 *
 *   const panel = new pv.NodesPanel(element, model);
 *   panel.show(step);
 *
 * Below it: who has promised which ballot, with dots for the phase 1 quorum.
 */
(function (pv) {
  'use strict';

  const COLUMNS = ['Node', 'Role', 'Promised', 'Accepted', 'Chosen', 'Disk'];
  const BALLOTS_MAX = 3;
  const FORGOTTEN = 'forgotten below';

  pv.NodesPanel = class {
    constructor(element, model) {
      this.model = model;
      this.body = pv.el('tbody');
      this.quorums = pv.el('div', { class: 'pv-quorums' });
      const heads = COLUMNS.map((name) => pv.el('th', { scope: 'col' }, name));
      element.classList.add('pv-nodes');
      element.append(pv.el('div', { class: 'pv-scroll', tabindex: 0, role: 'region', 'aria-label': 'Nodes' },
        pv.el('table', {},
          pv.el('caption', {}, 'Each node, after this step'),
          pv.el('thead', {}, pv.el('tr', {}, ...heads)), this.body)),
        this.quorums);
    }

    show(step) {
      const { model } = this;
      const state = model.stateAt(step);
      const event = model.event(step) ?? {};
      const rows = model.nodes.map((node) => this._row(node, state.get(node), event, step));
      this.body.replaceChildren(...rows);
      const promises = model.promises(step).slice(0, BALLOTS_MAX);
      const needed = model.quorums.phase1;
      this.quorums.replaceChildren(...promises.map((entry) => pv.el('p', {},
        pv.el('span', { class: 'pv-soft' }, 'Promised '), pv.el('strong', {}, entry.ballot), ' ',
        pv.dots(model.nodes, entry.nodes, needed, `have promised ${entry.ballot}`, 'a quorum'))));
    }

    _row(node, memory, event, step) {
      const down = memory.status === 'down';
      const state = down ? { ...memory, ...this.model.onDisk(node, memory, step) } : memory;
      const here = event.node === node;
      const delta = here ? event.state ?? {} : {};
      const cells = [
        ['role', this._role(state), 'role' in delta || ['start', 'crash', 'stop', 'end'].includes(event.kind) && here],
        ['promised', state.promised ?? '-', 'promised' in delta],
        ['accepted', accepted(state, down).join(''), Boolean(delta.votes), accepted(state, down)],
        ['chosen', down ? '-' : chosen(state), 'watermark' in delta || Boolean(delta.chosen)],
        ['disk', this._disk(node, step), false],
      ];
      return pv.el('tr', { class: `${here ? 'pv-here' : ''}${memory.status in pv.GONE ? ' pv-down' : ''}`, 'data-node': node },
        pv.el('th', { scope: 'row' }, String(node)),
        ...cells.map(([name, text, changed, [before, value, behind] = [text]]) => pv.el('td',
          { 'data-cell': name, class: changed ? 'pv-changed' : null, title: title(text, changed) },
          before, value ? pv.el('span', { class: 'pv-short' }, value) : null, behind)));
    }

    _role(state) {
      if (pv.isLastKnown(state.status)) return `${pv.GONE[state.status]}, as last known`;
      if (state.status === 'down') return 'down';
      if (state.status === 'paused') return 'paused';
      if (state.role === 'leader' && pv.isBallot(state.ballot)) return `leader ${state.ballot}`;
      if (state.role === 'follower' && state.leader) return `follows ${state.leader}`;
      return state.role ?? '-';
    }

    _disk(node, step) {
      const waiting = this.model.writes.at(step)
        .filter((span) => span.node === node && span.end > step)
        .reduce((sum, span) => sum + span.records.length, 0);
      return waiting ? `${waiting} waiting` : '-';
    }
  };

  function title(text, changed) {
    const why = text.startsWith(FORGOTTEN) ? ': all there is chosen, so that no vote is needed any more' : '';
    return `${text}${why}${changed ? ': changed at this step' : ''}`;
  }

  /** The last vote in three parts, of which the middle one, its value, may be shown cut. */
  function accepted(state, down) {
    const slots = [...state.votes.keys()].sort(pv.compareSlots);
    if (slots.length === 0) {
      const known = !down && state.watermark !== null && String(state.watermark) !== '0';
      return [known ? `${FORGOTTEN} ${state.watermark}` : '-'];
    }
    const last = slots[slots.length - 1];
    const vote = state.votes.get(last);
    const more = slots.length > 1 ? ` +${slots.length - 1}` : '';
    return [`${last}: `, pv.cut(vote.value, 40), ` (${vote.ballot})${more}`];
  }

  function chosen(state) {
    if (state.watermark === null) return '-';
    return String(state.watermark) === '0' ? 'none' : `below ${state.watermark}`;
  }

  /**
   * Dots for a quorum: filled ones for nodes that did, and how many are needed, or that it is
   * `word`.
   * @returns {HTMLElement}
   */
  pv.dots = function (nodes, did, needed, what, word) {
    const enough = did.length >= needed;
    const said = `${pv.listNodes(did)} of ${nodes.length} ${what}; ${needed} are enough`;
    const dots = nodes.map((node) => pv.el('span', {
      class: did.includes(node) ? 'pv-dot pv-dot-full' : 'pv-dot' }, String(node)));
    return pv.el('span', { class: 'pv-dots', title: said },
      pv.el('span', { 'aria-hidden': 'true', class: 'pv-dotrow' }, ...dots),
      pv.el('span', { class: 'pv-unseen' }, said),
      pv.el('span', { class: enough ? 'pv-enough' : 'pv-soft', 'aria-hidden': 'true' },
        enough ? `\u2713 ${word}` : `${did.length} of ${needed}`));
  };
})((globalThis.PaxosViewer ??= {}));
