/**
 * A run, and the state that its nodes were in after any step. Knows nothing of the page.
 *
 * The edge:
 *
 *   const model = new pv.Model(header);      // {nodes: [1, 2, 3], quorums: {phase1, phase2}, unit}
 *   model.append({events, frames, shapes, rules});  // what `Packer.pack` in pack.py makes; as often as need be
 *   model.truncate(12);                      // the first 12 events stay (undo)
 *   model.length                             // events; a step is an index into them
 *   model.event(step), model.life(id), model.frame(message), model.search(text)
 *   model.stateAt(step) -> Map<node, NodeState>
 *   model.slotVotes(slot, step), model.promises(step), model.slotsAt(step), model.onDisk(...)
 *   model.onChange(() => ...)                // after append and truncate
 *
 * Cost: one step forward applies one event. A jump applies at most `CHECKPOINT_STEPS` events to
 * the nearest checkpoint. What the network and the disks do is not state but intervals of steps
 * (`deliveries`, `downs`, `writes`, `cuts`), see spans.js; `stateAt` is valid until its next call.
 *
 * @typedef {Object} NodeState
 * @property {'unknown'|'up'|'paused'|'down'|'off'|'stopped'|'ended'} status
 *   down: it crashed; off, ended: its trace breaks off, and goes on later, or does not
 * @property {string|null} role
 * @property {number|null} leader     0: none is known
 * @property {string|null} ballot     the leader's
 * @property {string|null} promised
 * @property {string|null} watermark
 * @property {string|null} firstSlot
 * @property {Map<string, {ballot: string, value: string}>} votes   by slot
 * @property {Map<string, string>} chosen                            by slot
 *
 * @typedef {Object} Life   what became of one message
 * @property {Message} message
 * @property {number|null} sent       the step; null if it was sent outside this trace
 * @property {number[]} received      steps, more than one where the network copied it
 * @property {number[]} lost
 * @property {number[]} copied
 */
(function (pv) {
  'use strict';

  const CHECKPOINT_STEPS = 256;
  const NAMES_SLOTS = Object.assign(Object.create(null),
    { Accept: ['slot'], Accepted: ['first_slot', 'last_slot'], Chosen: ['slot'] });
  // Other records name the slot that all of them are below.
  const OF_ONE_SLOT = new Set(['Voted', 'ChosenValue']);
  const STATUS = Object.assign(Object.create(null),
    { crash: 'down', pause: 'paused', stop: 'stopped', end: 'ended' });
  const ENDS = new Set(['crash', 'stop', 'end']);
  const PLAIN = { role: 'role', leader: 'leader', ballot: 'ballot', promised: 'promised',
    watermark: 'watermark', first_slot: 'firstSlot' };

  /** @returns {NodeState} */
  function blank(status) {
    return { status, role: null, leader: null, ballot: null, promised: null, watermark: null,
      firstSlot: null, votes: new Map(), chosen: new Map() };
  }

  function copyNode(node) {
    return { ...node, votes: new Map(node.votes), chosen: new Map(node.chosen) };
  }

  function copyState(state) {
    return new Map([...state].map(([id, node]) => [id, copyNode(node)]));
  }

  /** Adds what an event says of one node's state to it. */
  function change(node, delta) {
    for (const [key, name] of Object.entries(PLAIN)) {
      if (key in delta) node[name] = delta[key];
    }
    for (const [slot, vote] of Object.entries(delta.votes ?? {})) {
      if (vote === null) node.votes.delete(slot);
      else node.votes.set(slot, vote);
    }
    for (const [slot, value] of Object.entries(delta.chosen ?? {})) {
      if (value === null) node.chosen.delete(slot);
      else node.chosen.set(slot, value);
    }
    if ('first_slot' in delta && delta.first_slot !== null) {
      for (const slot of node.chosen.keys()) {
        if (pv.compareSlots(slot, delta.first_slot) < 0) node.chosen.delete(slot);
      }
    }
  }

  /** The state after one more event. */
  function apply(state, event) {
    const node = state.get(event.node);
    if (!node) return;
    if (event.kind === 'start') {
      const fresh = blank('up');
      change(fresh, event.state ?? {});
      state.set(event.node, fresh);
      return;
    }
    node.status = event.kind === 'end' && event.down ? 'off' : STATUS[event.kind] ?? 'up';
    if (event.state) change(node, event.state);
  }

  pv.Model = class {
    /** @param {{nodes: number[], quorums?: {phase1: number, phase2: number}, unit?: string}} header */
    constructor(header) {
      this.header = header;
      /** @type {number[]} */
      this.nodes = header.nodes;
      const majority = Math.floor(header.nodes.length / 2) + 1;
      this.quorums = header.quorums ?? { phase1: majority, phase2: majority };
      /** @type {TraceEvent[]} */
      this.events = [];
      this.frames = [];
      this.shapes = [];
      /**  {Object<string, {source: string, text: string}>} what rules say, by name */
      this.rules = {};
      this.listeners = [];
      this._reset();
    }

    get length() {
      return this.events.length;
    }

    /** @param {() => void} listener  called after every append and truncate */
    onChange(listener) {
      this.listeners.push(listener);
    }

    /** @param {{events: TraceEvent[], frames?: Array, shapes?: Array}} chunk */
    append(chunk) {
      this.shapes.push(...(chunk.shapes ?? []));
      for (const frame of chunk.frames ?? []) this.frames.push(frame);
      Object.assign(this.rules, chunk.rules ?? {});
      for (const event of chunk.events) this._take(event);
      for (const listener of this.listeners) listener();
    }

    /** Forgets all events but the first `count`. */
    truncate(count) {
      const kept = this.events.slice(0, count);
      this._reset();
      this.events = [];
      for (const event of kept) this._take(event);
      for (const listener of this.listeners) listener();
    }

    /** @returns {TraceEvent|undefined} */
    event(step) {
      return this.events[step];
    }

    /** @returns {Life|undefined} what became of the message with this id */
    life(id) {
      return this.lives.get(id);
    }

    /** The message of a receipt, a loss or a copy, whole; null where the trace has none. */
    messageOf(event) {
      if (!event.message) return null;
      const known = this.lives.get(event.message.id)?.message ?? event.message;
      return known.kind === undefined ? null : known;
    }

    /** A message's bytes and their fields: see frames.js. Null where the trace has none. */
    frame(message) {
      const packed = this.frames[message.frame ?? -1];
      return packed ? pv.unpackFrame(packed, this.shapes) : null;
    }

    /** @returns {Map<number, NodeState>} after `step`; -1 is before all. Read it, never write. */
    stateAt(step) {
      const wanted = Math.min(step, this.length - 1);
      const base = Math.floor((wanted + 1) / CHECKPOINT_STEPS);
      if (this._at > wanted || this._at < base * CHECKPOINT_STEPS - 1) {
        this._state = copyState(this.checkpoints[base]);
        this._at = base * CHECKPOINT_STEPS - 1;
      }
      while (this._at < wanted) apply(this._state, this.events[++this._at]);
      return this._state;
    }

    /**
     * Who has voted for what in one slot, as far as it is on stable storage after `step`.
     * Forgotten votes stay here: what was chosen once is chosen for ever.
     * @returns {{ballot: string, value: string, nodes: number[], chosen: boolean}[]}
     *   the highest ballot first
     */
    slotVotes(slot, step) {
      const byBallot = new Map();
      for (const vote of this.votes.get(slot) ?? []) {
        if (vote.step > step) break;
        const entry = byBallot.get(vote.ballot) ?? { value: vote.value, nodes: new Set() };
        byBallot.set(vote.ballot, entry);
        entry.nodes.add(vote.node);
      }
      return this._tally(byBallot, this.quorums.phase2);
    }

    /**
     * Who has promised which ballot, as far as it is on stable storage after `step`.
     * @returns {{ballot: string, nodes: number[], chosen: boolean}[]} the highest first
     */
    promises(step) {
      const byBallot = new Map();
      for (const promise of this.promised) {
        if (promise.step > step) break;
        const entry = byBallot.get(promise.ballot) ?? { nodes: new Set() };
        byBallot.set(promise.ballot, entry);
        entry.nodes.add(promise.node);
      }
      return this._tally(byBallot, this.quorums.phase1);
    }

    /**
     * What is left of a node's state while it is down: what its disk has.
     * @returns {{promised: string|null, votes: Map<string, {ballot: string, value: string}>}}
     */
    onDisk(node, state, step) {
      let promised = null;
      for (const entry of this.promised) {
        if (entry.step > step) break;
        if (entry.node === node && pv.compareBallots(entry.ballot, promised) > 0) promised = entry.ballot;
      }
      const votes = [...state.votes].filter(([slot, vote]) => this.slotVotes(slot, step)
        .some((tally) => tally.ballot === vote.ballot && tally.nodes.includes(node)));
      return { promised, votes: new Map(votes) };
    }

    /** Every slot that a vote or a decision was heard of until `step`, in order. */
    slotsAt(step) {
      const found = [];
      for (const [slot, first] of this.slots) if (first <= step) found.push(slot);
      return found.sort(pv.compareSlots);
    }

    /** The slots that this one event is about. */
    slotsOf(event) {
      const state = event.state ?? {};
      const slots = [
        ...Object.keys(state.votes ?? {}), ...Object.keys(state.chosen ?? {}),
        ...(event.decided ?? []).map((entry) => String(entry.slot)),
        ...(event.records ?? []).filter((record) => OF_ONE_SLOT.has(record.kind))
          .map((record) => String(record.slot)),
      ];
      const message = this.messageOf(event);
      for (const name of NAMES_SLOTS[message?.kind] ?? []) {
        if (name in (message.fields ?? {})) slots.push(String(message.fields[name]));
      }
      return [...new Set(slots)].filter((slot) => /^\d+$/.test(slot)).sort(pv.compareSlots);
    }

    /** The steps whose text holds `text`, whatever its case. */
    search(text) {
      const wanted = text.trim().toLowerCase();
      if (!wanted) return [];
      const found = [];
      for (let step = 0; step < this.length; step++) {
        this.texts[step] ??= pv.searchText(this, step).toLowerCase();
        if (this.texts[step].includes(wanted)) found.push(step);
      }
      return found;
    }

    _reset() {
      this.deliveries = new pv.Spans();
      this.downs = new pv.Spans();
      this.writes = new pv.Spans();
      this.cuts = new pv.Spans();
      /** @type {Map<string, Life>} */
      this.lives = new Map();
      this.votes = new Map();
      this.promised = [];
      this.slots = new Map();
      this.texts = [];
      /** Pairs of nodes whose cable is ever cut, in order. */
      this.cutPairs = [];
      this.hasNetwork = false;
      this._still = new Map(this.nodes.map((id) => [id, null]));
      this._growing = new Map(this.nodes.map((id) => [id, blank('unknown')]));
      this.checkpoints = [copyState(this._growing)];
      this._state = copyState(this._growing);
      this._at = -1;
    }

    _tally(byBallot, needed) {
      return [...byBallot]
        .sort(([a], [b]) => pv.compareBallots(b, a))
        .map(([ballot, entry]) => ({ ballot, value: entry.value ?? '',
          nodes: [...entry.nodes].sort((a, b) => a - b), chosen: entry.nodes.size >= needed }));
    }

    _take(event) {
      const step = this.events.length;
      this.events.push(event);
      apply(this._growing, event);
      if (event.node === undefined) this.hasNetwork = true;
      if (this.events.length % CHECKPOINT_STEPS === 0) {
        this.checkpoints.push(copyState(this._growing));
      }
      for (const message of event.sent ?? []) this._send(message, step);
      if (event.message) this._carry(event, step);
      this._disk(event, step);
      this._recover(event, step);
      this._presence(event, step);
      for (const slot of this.slotsOf(event)) if (!this.slots.has(slot)) this.slots.set(slot, step);
    }

    _send(message, step) {
      const known = this.lives.get(message.id);
      if (known) {
        known.sent ??= step;
        return;
      }
      this.lives.set(message.id, { message, sent: step, received: [], lost: [], copied: [] });
    }

    _carry(event, step) {
      const { message, kind } = event;
      let life = this.lives.get(message.id);
      if (!life && message.kind === undefined) return;
      if (!life) {
        life = { message, sent: null, received: [], lost: [], copied: [] };
        this.lives.set(message.id, life);
      }
      const again = kind === 'receive' && life.received.length > 0;
      const start = (again ? life.copied[life.received.length - 1] : undefined) ?? life.sent ?? step;
      const outcome = kind === 'lose' ? 'lost' : kind === 'copy' ? 'copied' : again ? 'again' : 'received';
      if (kind === 'receive') life.received.push(step);
      else if (kind === 'lose') life.lost.push(step);
      else if (kind === 'copy') life.copied.push(step);
      this.deliveries.add({ start: Math.min(start, step), end: step, life, outcome });
    }

    /** Writes begin with records and end with `persisted`, or where their node ends. */
    _disk(event, step) {
      if (event.records?.length) {
        const span = { start: step, end: Infinity, node: event.node, write: event.write ?? null,
          records: event.records, outcome: 'open' };
        this.writes.add(span);
        // Without a number nothing will confirm it: it counts as written at once.
        if (span.write === null) this._written(span, step);
      }
      if (event.kind === 'persisted') {
        // What it confirms is older than what it hands out itself.
        const confirmed = event.confirmed ?? event.write ?? Infinity;
        for (const span of [...this.writes.open]) {
          const older = span.start < step && span.write <= confirmed;
          if (span.node === event.node && older) this._written(span, step);
        }
      }
      if (ENDS.has(event.kind) || event.kind === 'start') {
        for (const span of [...this.writes.open]) {
          if (span.node !== event.node || span.start === step) continue;
          // Where a trace breaks off, nobody knows what the disk had still got.
          span.outcome = event.kind === 'end' || event.kind === 'stop' ? 'unknown' : 'gone';
          this.writes.close(span, step);
        }
      }
    }

    _written(span, step) {
      span.outcome = 'written';
      this.writes.close(span, step);
      for (const record of span.records) {
        if (!record.ballot) continue;
        const entry = { step, node: span.node, ballot: record.ballot, value: record.value ?? '' };
        if (record.slot === undefined) this.promised.push(entry);
        else if (record.kind === 'Voted') this._vote(String(record.slot), entry);
      }
    }

    _vote(slot, entry) {
      if (!this.votes.has(slot)) this.votes.set(slot, []);
      this.votes.get(slot).push(entry);
    }

    /** What a node starts with came from its disk. */
    _recover(event, step) {
      const { node, state } = event;
      if (event.kind !== 'start' || !state || !this._still.has(node)) return;
      if (pv.isBallot(state.promised)) {
        this.promised.push({ step, node, ballot: state.promised, value: '' });
      }
      for (const [slot, vote] of Object.entries(state.votes ?? {})) {
        if (vote) this._vote(slot, { step, node, ...vote });
      }
    }

    _presence(event, step) {
      const { kind, node } = event;
      if (kind === 'cut' || kind === 'heal') this._cables(event, step);
      if (!this._still.has(node)) return;
      const still = this._still.get(node);
      if (ENDS.has(kind) || kind === 'pause') {
        if (still) this.downs.close(still, step);
        this._still.set(node, this.downs.add({ start: step, end: Infinity, node,
          kind: kind === 'end' && event.down ? 'crash' : kind }));
      } else if (still && (still.kind === 'pause' || kind === 'start')) {
        this.downs.close(still, step);
        this._still.set(node, null);
      }
    }

    /** Cables are cut one way or both: a pair is sender and receiver. */
    _cables(event, step) {
      for (const [from, to] of event.nodes ?? []) {
        const way = `${from}-${to}`;
        const open = [...this.cuts.open].find((span) => span.way === way);
        if (event.kind === 'heal' && open) this.cuts.close(open, step);
        if (event.kind !== 'cut' || open) continue;
        const pair = `${Math.min(from, to)}-${Math.max(from, to)}`;
        if (!this.cutPairs.includes(pair)) this.cutPairs.push(pair);
        this.cuts.add({ start: step, end: Infinity, way, pair, from, to });
      }
    }
  };
})((globalThis.PaxosViewer ??= {}));
