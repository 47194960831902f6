/**
 * Where things stand in the diagram: steps are rows, nodes are lanes.
 *
 * A layout is made anew when the run grows, the width changes, or something is hidden. A hidden
 * step has no row; what belongs to it is drawn at the row of the next step that has one.
 *
 * @typedef {Object} Filter
 * @property {Set<number>} nodes       hidden ones
 * @property {boolean} heartbeats      whether heartbeats are shown
 */
(function (pv) {
  'use strict';

  pv.ROW = 30;
  pv.HEAD = 46;

  const NUMBERS = 48;
  const NETWORK = 30;
  const TRACK = 13;
  const TRACKS_MAX = 8;
  const GAP_MAX = 148;
  const GAP_MIN = 58;
  const GAP_GOOD = 94;
  const TEXT_MIN = 170;
  const TEXT_MIN_WIDTH = 680;
  const TEXT_SHARE = 0.42;
  const CHARACTER = 6.75;
  const LABEL_CHARACTER = 5.6;

  pv.Layout = class {
    /**
     * @param {pv.Model} model
     * @param {Filter} filter
     * @param {number} width   of the room there is, in pixels
     */
    constructor(model, filter, width) {
      this.model = model;
      this.filter = filter;
      this.nodes = model.nodes.filter((node) => !filter.nodes.has(node));
      this._rows();
      this._columns(width);
    }

    _rows() {
      /** @type {number[]} row -> step */
      this.steps = [];
      /** @type {number[]} step -> row, or the next one's */
      this.rows = [];
      for (let step = 0; step < this.model.length; step++) {
        this.rows.push(this.steps.length);
        if (this.isShown(step)) this.steps.push(step);
      }
      this.height = (this.steps.length + 1) * pv.ROW;
    }

    _columns(width) {
      const tracks = Math.min(this.model.cutPairs.length, TRACKS_MAX);
      this.networkX = NUMBERS + NETWORK / 2;
      this.lanesX = NUMBERS + (this.model.hasNetwork ? NETWORK + tracks * TRACK : 0) + 4;
      const room = width - this.lanesX;
      const text = width < TEXT_MIN_WIDTH ? 0 : Math.round(width * TEXT_SHARE);
      const count = Math.max(1, this.nodes.length);
      this.gap = Math.max(GAP_MIN, Math.min(GAP_MAX, (room - text) / count));
      // Labels are worth more than the row's text, as long as some of that is left.
      if (text && this.gap < GAP_GOOD) {
        this.gap = Math.max(this.gap, Math.min(GAP_GOOD, (room - TEXT_MIN) / count));
      }
      this.textX = this.lanesX + this.gap * count + 6;
      this.width = Math.max(width, Math.ceil(this.textX));
      const left = text ? this.width - this.textX - 8 : 0;
      /** So many characters of a row's text fit. */
      this.textLength = left < 90 ? 0 : Math.floor(left / CHARACTER);
    }

    /**
     * So many characters of a label fit that ends at `x` with the arrow (`side` 1), begins there
     * (-1), or has its middle there (0). It may lie over a lane, since its row has no other mark,
     * but not over what is beside the lanes.
     */
    labelLength(x, side) {
      const left = x - this.lanesX + 4;
      const right = this.lanesX + this.gap * Math.max(1, this.nodes.length) - x;
      const room = side === 0 ? 2 * Math.min(left, right) : side > 0 ? left : right;
      return Math.floor(room / LABEL_CHARACTER);
    }

    /** Whether a step has a row of its own; with another filter, would have. */
    isShown(step, filter = this.filter) {
      const event = this.model.event(step);
      if (filter.nodes.has(event.node)) return false;
      if (!this.showsMessage(this.model.messageOf(event), filter)) {
        return event.node !== undefined && !pv.isHeartbeat(this.model, step);
      }
      return filter.heartbeats || !pv.isHeartbeat(this.model, step);
    }

    /** Whether the arrow of a message is drawn; true for no message at all. */
    showsMessage(message, filter = this.filter) {
      if (!message) return true;
      if (!filter.heartbeats && pv.HEARTBEATS.has(message.kind)) return false;
      return !filter.nodes.has(message.from) && !filter.nodes.has(message.to);
    }

    /** The step of the row `by` rows away, or the last one that there is on the way. */
    move(step, by) {
      if (this.steps.length === 0) return step;
      let row = this.rows[step] ?? 0;
      const exact = this.steps[row] === step;
      // From a hidden step the next row is already one step on.
      row += !exact && by > 0 ? by - 1 : by;
      return this.steps[Math.max(0, Math.min(this.steps.length - 1, row))];
    }

    /** The middle of a step's row. */
    y(step) {
      if (step === Infinity) return this.height;
      return (this.rows[step] ?? this.steps.length) * pv.ROW + pv.ROW / 2;
    }

    /** The lane of a node; null for a hidden or unknown one. */
    x(node) {
      const at = this.nodes.indexOf(node);
      return at < 0 ? null : this.lanesX + this.gap * (at + 0.5);
    }

    /**
     * Where an arrow from lane to lane ends if its message does not arrive: about a third of the
     * way, and always half-way between two lanes, since on a lane it would be that node's doing.
     */
    between(from, to) {
      const lanes = Math.round(Math.abs(to - from) / this.gap);
      return from + Math.sign(to - from) * this.gap * (Math.floor(lanes * 0.35) + 0.5);
    }

    /** Where a pair's cut is drawn. */
    cutX(pair) {
      const at = Math.min(this.model.cutPairs.indexOf(pair), TRACKS_MAX - 1);
      return NUMBERS + NETWORK + at * TRACK + TRACK / 2;
    }
  };
})((globalThis.PaxosViewer ??= {}));
