/**
 * An index of intervals of steps: which of them meet the window that is on the screen?
 *
 * Intervals are kept in blocks of steps, so that a query costs what the window holds and not
 * what the run holds. An interval that is still open is kept apart until it is closed.
 *
 * @typedef {Object} Span
 * @property {number} start   the first step
 * @property {number} end     the last step, Infinity while it is open
 */
(function (pv) {
  'use strict';

  const BLOCK_STEPS = 64;

  pv.Spans = class {
    constructor() {
      /** @type {Map<number, Span[]>} */
      this.blocks = new Map();
      /** @type {Set<Span>} */
      this.open = new Set();
    }

    /**
     * @template {Span} T
     * @param {T} span
     * @returns {T} the same
     */
    add(span) {
      if (span.end === Infinity) {
        this.open.add(span);
      } else {
        this._file(span);
      }
      return span;
    }

    /** Ends an open span at `end`. */
    close(span, end) {
      if (!this.open.delete(span)) return;
      span.end = end;
      this._file(span);
    }

    _file(span) {
      const last = Math.floor(span.end / BLOCK_STEPS);
      for (let at = Math.floor(span.start / BLOCK_STEPS); at <= last; at++) {
        const block = this.blocks.get(at);
        if (block) block.push(span);
        else this.blocks.set(at, [span]);
      }
    }

    /**
     * Every span that meets the steps `from` to `to`, each once, by its start.
     * @param {number} from
     * @param {number} to
     * @returns {Span[]}
     */
    query(from, to) {
      const found = new Set();
      const last = Math.floor(to / BLOCK_STEPS);
      for (let at = Math.floor(Math.max(0, from) / BLOCK_STEPS); at <= last; at++) {
        for (const span of this.blocks.get(at) ?? []) {
          if (span.start <= to && span.end >= from) found.add(span);
        }
      }
      for (const span of this.open) if (span.start <= to) found.add(span);
      return [...found].sort((a, b) => a.start - b.start);
    }

    /** Every span that holds this one step. */
    at(step) {
      return this.query(step, step);
    }
  };
})((globalThis.PaxosViewer ??= {}));
