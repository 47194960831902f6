/**
 * The log as a grid, slots by nodes: each node's vote, and what it knows as chosen.
 *
 *   const panel = new pv.SlotsPanel(element, model, colour);   // colour: of a Diagram's look
 *   panel.show(step);
 *
 * The last column has what only an onlooker sees: how many have voted on stable storage, and so
 * whether the value is chosen, whoever knows it. A window of slots follows the run.
 */
(function (pv) {
  'use strict';

  const SLOTS_SHOWN = 8;
  const BALLOTS_MAX = 3;
  const VALUE_LENGTH = 24;

  pv.SlotsPanel = class {
    constructor(element, model, colour) {
      this.model = model;
      this.colour = colour;
      this.first = 0;
      this.step = 0;
      this.table = pv.el('table');
      this.older = pv.button('\u25b2 earlier slots', () => this._page(-SLOTS_SHOWN));
      this.newer = pv.button('later slots \u25bc', () => this._page(SLOTS_SHOWN));
      this.range = pv.el('span', { class: 'pv-soft' });
      element.classList.add('pv-slots');
      element.classList.toggle('pv-many', model.nodes.length > 4);
      this.scroll = pv.el('div', { class: 'pv-scroll', tabindex: 0, role: 'region',
        'aria-label': 'Slots by nodes' }, this.table);
      this.pager = pv.el('div', { class: 'pv-pager' }, this.older, this.range, this.newer);
      element.append(this.scroll, this.pager);
    }

    show(step) {
      const jumped = Math.abs(step - this.step) > 1;
      this.step = step;
      this.slots = this.model.slotsAt(step);
      const event = this.model.event(step);
      const touched = event ? this.model.slotsOf(event) : [];
      // After a jump the newest slots are what matters, as long as the step names no others.
      if (jumped) this.first = this.slots.length;
      this._follow(touched);
      this._draw(new Set(touched));
    }

    /** Moves the window so that the slots of this step are in it. */
    _follow(touched) {
      const last = this.slots.length - SLOTS_SHOWN;
      this.first = Math.max(0, Math.min(this.first, last));
      const places = touched.map((slot) => this.slots.indexOf(slot)).filter((at) => at >= 0);
      if (places.length === 0) return;
      const low = Math.min(...places);
      const high = Math.min(Math.max(...places), low + SLOTS_SHOWN - 1);
      if (low < this.first) this.first = low;
      if (high >= this.first + SLOTS_SHOWN) this.first = high - SLOTS_SHOWN + 1;
    }

    _page(by) {
      this.first = Math.max(0, Math.min(this.first + by, this.slots.length - SLOTS_SHOWN));
      this._draw(new Set());
    }

    _draw(touched) {
      const { model, slots, first, step } = this;
      const shown = slots.slice(first, first + SLOTS_SHOWN);
      const state = model.stateAt(step);
      const heads = ['Slot', 'Value', ...model.nodes.map(String), 'Quorum'];
      const rows = shown.map((slot) => this._row(slot, state, touched.has(slot)));
      this.table.replaceChildren(
        pv.el('caption', {}, 'The log, slot by slot: votes, and \u2713 known as chosen'),
        pv.el('thead', {}, pv.el('tr', {}, ...heads.map((text) => pv.el('th', { scope: 'col' },
          /^\d+$/.test(text) ? pv.el('span', { class: 'pv-unseen' }, 'node ') : null, text)))),
        pv.el('tbody', {}, ...(rows.length ? rows : [this._empty(heads.length)])));
      this.pager.hidden = slots.length <= SLOTS_SHOWN;
      this.older.disabled = first === 0;
      this.newer.disabled = first + SLOTS_SHOWN >= slots.length;
      this.range.textContent = `${first + 1} to ${first + shown.length} of ${slots.length}`;
    }

    _empty(columns) {
      return pv.el('tr', {}, pv.el('td', { colspan: columns, class: 'pv-soft' },
        'Nobody has voted for anything yet.'));
    }

    _row(slot, state, touched) {
      const { model } = this;
      const votes = model.slotVotes(slot, this.step);
      const value = this._value(slot, state, votes);
      const cells = model.nodes.map((node) => this._cell(slot, node, state.get(node), value));
      const tallies = votes.slice(0, BALLOTS_MAX).map((entry) => pv.el('div', { class: 'pv-tally' },
        this._chip(entry.ballot),
        pv.dots(model.nodes, entry.nodes, model.quorums.phase2,
          `have voted for ${entry.value} in ${entry.ballot}`, 'chosen')));
      return pv.el('tr', { class: touched ? 'pv-here' : null, 'data-slot': slot },
        pv.el('th', { scope: 'row' }, slot),
        pv.el('td', { title: value }, pv.cut(value, VALUE_LENGTH)), ...cells, pv.el('td', {}, ...tallies));
    }

    /** What the slot is about: its chosen value, else that of the highest ballot. */
    _value(slot, state, votes) {
      const chosen = votes.find((entry) => entry.chosen);
      if (chosen) return chosen.value;
      const nodes = [...state.values()];
      const known = nodes.find((node) => node.chosen.has(slot));
      if (known) return known.chosen.get(slot);
      const cast = nodes.map((node) => node.votes.get(slot)).filter(Boolean)
        .sort((a, b) => pv.compareBallots(b.ballot, a.ballot));
      return cast[0]?.value ?? votes[0]?.value ?? '';
    }

    /** A node's vote and what it knows; a value is written out only where it is another. */
    _cell(slot, node, state, value) {
      const down = state.status === 'down';
      const votes = down ? this.model.onDisk(node, state, this.step).votes : state.votes;
      const vote = votes.get(slot);
      const chosen = down ? undefined : state.chosen.get(slot);
      const parts = [];
      if (chosen !== undefined) {
        parts.push(pv.el('span', { class: 'pv-chosen', title: `knows that ${chosen} is chosen` },
          '\u2713', this._other(chosen, value)));
      }
      if (vote) {
        parts.push(pv.el('span', { class: 'pv-vote', title: `voted for ${vote.value} in ${vote.ballot}` },
          this._chip(vote.ballot), vote.value === chosen ? '' : this._other(vote.value, value)));
      }
      if (parts.length === 0 && state.firstSlot !== null && pv.compareSlots(slot, state.firstSlot) < 0) {
        parts.push(pv.el('span', { class: 'pv-soft', title: 'in the snapshot' }, '\u2713 snapshot'));
      }
      return pv.el('td', { 'data-node': node, class: state.status in pv.GONE ? 'pv-down' : null,
        title: pv.isLastKnown(state.status) ? 'as last known' : null },
        ...parts.flatMap((part, at) => (at ? [' ', part] : [part])));
    }

    /** Heard by who listens always, seen only where it differs from the row's value. */
    _other(text, value) {
      return pv.el('span', { class: text === value ? 'pv-unseen' : null }, ` ${pv.cut(text, VALUE_LENGTH)}`);
    }

    _chip(ballot) {
      const colour = this.colour(ballot);
      return pv.el('span', { class: `pv-chip ${colour === null ? 'pv-plain' : `pv-ballot-${colour}`}` }, ballot);
    }
  };
})((globalThis.PaxosViewer ??= {}));
