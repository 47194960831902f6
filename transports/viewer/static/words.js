/**
 * Events in words: for rows of the diagram, for the step's panel, for the text alternative, and
 * for whoever listens.
 */
(function (pv) {
  'use strict';

  const VERBS = Object.assign(Object.create(null), {
    start: 'starts', tick: 'time passes', propose: 'is given a command',
    persisted: 'the disk has it', compact: 'takes a snapshot', crash: 'crashes', stop: 'is stopped',
    pause: 'stands still', resume: 'goes on', take: 'hands out what followed',
    cut: 'cut', heal: 'healed', fault: 'fault',
  });
  const LOST_FROM_SIGHT = 'gets a message that this trace does not hold';
  const STATE_WORDS = {
    role: 'role', leader: 'leader', ballot: "leader's ballot", promised: 'promised',
    watermark: 'all chosen below', first_slot: 'log begins at',
  };

  /** What a node is called that takes no part, by the status of its state. */
  pv.GONE = Object.assign(Object.create(null), {
    down: 'down', off: 'down', stopped: 'stopped', ended: 'trace ended',
  });

  /** Whether all that is known of a node is what was last known. */
  pv.isLastKnown = (status) => status !== 'down' && status in pv.GONE;

  /** What happened at a step, in one line, without naming the node. */
  pv.headline = function (model, step) {
    const event = model.event(step);
    const message = model.messageOf(event);
    const text = message ? message.text || message.kind : '';
    switch (event.kind) {
      case 'receive': return message ? `gets ${text}, from ${message.from}` : LOST_FROM_SIGHT;
      case 'lose': return `lost: ${route(message)}${text}`;
      case 'copy': return `doubled: ${route(message)}${text}`;
      case 'propose': return event.text ? `is given \u201c${event.text}\u201d` : VERBS.propose;
      case 'persisted': return written(model, event, step);
      case 'cut': case 'heal': case 'fault': return event.text || VERBS[event.kind];
      case 'tick': case 'take': return event.text ? event.text.replace(/^it /, '') : sending(event);
      case 'end': return event.down ? 'writes no more until it starts again' : 'writes no more, its trace ends here';
      default: return (VERBS[event.kind] ?? event.kind) + (event.text ? `: ${event.text}` : '');
    }
  };

  /** Whether the headline of a step has the text of messages in it. */
  pv.quotesMessages = function (model, step) {
    const event = model.event(step);
    if (event.kind === 'tick' || event.kind === 'take') return !event.text && Boolean(event.sent?.length);
    return ['receive', 'lose', 'copy'].includes(event.kind);
  };

  /** What leaves, message by message, where one text goes to several nodes once. */
  function sending(event) {
    const to = new Map();
    for (const message of event.sent ?? []) {
      const text = message.text || message.kind;
      to.set(text, [...(to.get(text) ?? []), message.to]);
    }
    const said = [...to].map(([text, nodes]) => `${text}, to ${nodes.join(' and ')}`);
    const records = (event.records ?? []).map((record) => record.text || record.kind);
    const decided = (event.decided ?? []).map((entry) => `slot ${entry.slot}, ${entry.value}`);
    if (said.length === 0 && records.length) return `records: ${records.join('; ')}`;
    if (said.length === 0 && decided.length) return `delivers ${decided.join('; ')}`;
    if (said.length === 0) return VERBS[event.kind];
    return `${event.kind === 'tick' ? 'time passes; sends' : 'sends'} ${said.join('; ')}`;
  }

  function route(message) {
    return message ? `${message.from} \u2192 ${message.to} ` : '';
  }

  function written(model, event, step) {
    const texts = writtenAt(model, event, step).map((record) => record.text || record.kind);
    return texts.length ? `on disk: ${texts.join('; ')}` : VERBS.persisted;
  }

  /** The records that a `persisted` confirms. */
  function writtenAt(model, event, step) {
    return model.writes.at(step)
      .filter((span) => span.node === event.node && span.end === step && span.outcome === 'written')
      .flatMap((span) => span.records);
  }

  /** "node 3" or "the network". */
  pv.place = function (event) {
    return event.node === undefined ? 'the network' : `node ${event.node}`;
  };

  /** "tick 5" or "0.012 s"; nothing where the trace does not say. */
  pv.time = function (model, event) {
    if (event.at === undefined) return '';
    const { unit } = model.header;
    return unit === 's' ? `${event.at} s` : `${unit || 'time'} ${event.at}`;
  };

  /** What an event changed and led to, one line each. */
  pv.consequences = function (model, step) {
    const event = model.event(step);
    const lines = changes(model, step).map((text) => ({ kind: 'changed', text }));
    for (const record of event.records ?? []) {
      lines.push({ kind: 'to disk', text: record.text || record.kind });
    }
    if (event.checkpoint) lines.push({ kind: 'to disk', text: 'a checkpoint: it restates all' });
    for (const entry of event.decided ?? []) {
      lines.push({ kind: 'decided', text: `slot ${entry.slot}: ${entry.value}` });
    }
    return lines;
  };

  function changes(model, step) {
    const event = model.event(step);
    const delta = event.state;
    if (!delta) return [];
    const node = model.stateAt(step - 1).get(event.node);
    const before = event.kind === 'start' || !node ? null : {
      role: node.role, leader: node.leader, ballot: node.ballot, promised: node.promised,
      watermark: node.watermark, first_slot: node.firstSlot,
    };
    const lines = [];
    for (const [key, word] of Object.entries(STATE_WORDS)) {
      if (!(key in delta)) continue;
      const now = shown(key, delta[key]);
      const was = before ? shown(key, before[key]) : now;
      lines.push(was === now ? `${word}: ${now}` : `${word}: ${was} \u2192 ${now}`);
    }
    lines.push(...slotLines('vote', delta.votes, (vote) => `${vote.value} in ${vote.ballot}`));
    lines.push(...slotLines('chosen', delta.chosen, (value) => value));
    return lines;
  }

  const LINES_MAX = 12;

  function slotLines(word, entries, say) {
    const slots = Object.keys(entries ?? {}).sort(pv.compareSlots);
    const lines = slots.slice(0, LINES_MAX).map((slot) => {
      const entry = entries[slot];
      return `${word} in slot ${slot}: ${entry === null ? 'forgotten' : say(entry)}`;
    });
    if (slots.length > LINES_MAX) lines.push(`and ${slots.length - LINES_MAX} slots more`);
    return lines;
  }

  function shown(key, value) {
    if (value === null || value === undefined || value === '') return '-';
    if (key === 'leader') return Number(value) === 0 ? 'nobody' : String(value);
    return String(value);
  }

  /** A vector clock: how many events of each node came before. */
  pv.clockText = function (clock) {
    return Object.entries(clock).map(([node, count]) => `${node}: ${count}`).join(', ');
  };

  /** All of a step as one text, for the live region. */
  pv.sentence = function (model, step) {
    const event = model.event(step);
    const parts = [`Step ${step}`, pv.place(event)];
    return `${parts.join(', ')}: ${pv.headline(model, step)}. ${event.why ?? ''}`.trim();
  };

  /** Everything that a search looks at. */
  pv.searchText = function (model, step) {
    const event = model.event(step);
    const message = model.messageOf(event);
    const parts = [
      pv.place(event), event.kind, pv.headline(model, step), event.text, event.why, event.rule, message?.kind, message?.text,
      ...(event.sent ?? []).map((sent) => `${sent.kind} ${sent.text}`),
      ...(event.records ?? []).map((record) => `${record.kind} ${record.text}`),
      ...(event.decided ?? []).map((entry) => `slot ${entry.slot}: ${entry.value}`),
    ];
    return parts.filter(Boolean).join('\n');
  };

  /** Whether a step is nothing but heartbeats and the answers to them. */
  pv.isHeartbeat = function (model, step) {
    const event = model.event(step);
    if (event.records || event.decided || event.state) return false;
    const sent = event.sent ?? [];
    if (!sent.every((message) => pv.HEARTBEATS.has(message.kind))) return false;
    const message = model.messageOf(event);
    if (message) return pv.HEARTBEATS.has(message.kind);
    return (event.kind === 'tick' || event.kind === 'take') && sent.length > 0;
  };

  /** The ballot that a step is about: for its colour. */
  pv.ballotOf = function (model, step) {
    const event = model.event(step);
    const message = model.messageOf(event);
    if (message) return pv.messageBallot(message);
    const written = event.kind === 'persisted' ? writtenAt(model, event, step) : [];
    const record = [...written, ...(event.records ?? [])].find((entry) => entry.ballot);
    if (record) return record.ballot;
    if (event.sent?.length) return pv.messageBallot(event.sent[0]);
    return event.state?.promised ?? event.state?.ballot ?? null;
  };

  /** A message's ballot, or null. */
  pv.messageBallot = function (message) {
    const ballot = message.fields?.ballot;
    return pv.isBallot(ballot) ? String(ballot) : null;
  };

  /**
   * What stands beside an arrow: the kind, the ballot, and the slot, as far as there is room.
   * @param {Message} message
   * @param {number} length   in characters
   */
  pv.arrowLabel = function (message, length) {
    const { ballot, slot, first_slot: first, last_slot: last } = message.fields ?? {};
    const parts = [message.kind];
    if (pv.isBallot(ballot)) parts.push(String(ballot));
    if (slot !== undefined) parts.push(`\u00b7 ${slot}`);
    else if (first !== undefined) parts.push(first === last ? `\u00b7 ${first}` : `\u00b7 ${first}\u2013${last}`);
    const tight = parts.join(' ').replace(' \u00b7 ', '\u00b7');
    if (parts.join(' ').length > length && tight.length <= length) return tight;
    while (parts.length > 1 && parts.join(' ').length > length) parts.pop();
    return pv.cut(parts.join(' '), length);
  };

  /**
   * Ballots get colours in the order in which they come up, so that rivals differ.
   * @returns {(ballot: string|null) => number|null} the number of a colour
   */
  pv.ballotColours = function () {
    const known = new Map();
    return (ballot) => {
      if (!pv.isBallot(ballot) || ballot === '0.0') return null;
      if (!known.has(ballot)) known.set(ballot, known.size % pv.BALLOT_COLOURS);
      return known.get(ballot);
    };
  };
})((globalThis.PaxosViewer ??= {}));
