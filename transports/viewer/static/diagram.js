/**
 * The space-time diagram: nodes are lanes, steps are rows from top to bottom, messages arrows.
 *
 * The edge:
 *
 *   const diagram = new pv.Diagram(element, model, {
 *     onStep: (step) => ...,         // a row was clicked
 *     onSelect: (message) => ...,    // an arrow was clicked
 *   });
 *   diagram.update();                // after model.append or model.truncate
 *   diagram.goTo(step);              // the current step; scrolls it into view
 *   diagram.select(message.id)       // or null
 *   diagram.setFilter({nodes: new Set([3]), heartbeats: false});
 *   diagram.move(step, by)           // the step so many shown rows on
 *   diagram.setFound([4, 7]);        // what a search found
 *   diagram.toSVG()                  // see export.js
 *
 * Only the rows on the screen, and some around them, are in the document. It is an image to
 * those who listen; the same is in the panels and in the table.
 */
(function (pv) {
  'use strict';

  const SPARE_ROWS = 8;
  const PRINT_ROWS_MAX = 400;
  const ROWS_SEEN_MIN = 8;

  pv.Diagram = class {
    /**
     * @param {HTMLElement} element   empty
     * @param {pv.Model} model
     * @param {{onStep?: (step: number) => void, onSelect?: (message: Message) => void}} [options]
     */
    constructor(element, model, options = {}) {
      this.element = element;
      this.model = model;
      this.options = options;
      this.filter = { nodes: new Set(), heartbeats: true };
      /** @type {Look} */
      this.look = { step: 0, selected: null, found: new Set(), colour: pv.ballotColours() };
      this.printing = false;
      this._build();
      this._listen();
      this.update();
    }

    /** Lays out anew: the run grew, or was cut. */
    update() {
      for (let step = this._coloured ?? 0; step < this.model.length; step++) {
        for (const message of this.model.event(step).sent ?? []) {
          this.look.colour(pv.messageBallot(message));
        }
      }
      this._coloured = this.model.length;
      this.look.step = Math.max(0, Math.min(this.look.step, this.model.length - 1));
      this._arrange();
    }

    goTo(step) {
      this.look.step = step;
      this._reveal();
      this._head();
      this._draw(true);
    }

    select(id) {
      this.look.selected = id;
      this._draw(true);
    }

    /** @param {Filter} filter */
    setFilter(filter) {
      this.filter = filter;
      this._arrange();
      this._reveal();
      this._draw(true);
    }

    setFound(steps) {
      this.look.found = new Set(steps);
      this._draw(true);
    }

    move(step, by) {
      return this.layout.move(step, by);
    }

    /** Draws many rows at once, for paper; and back. */
    setPrinting(printing) {
      this.printing = printing;
      this._draw(true);
    }

    toSVG() {
      return pv.exportSVG(this);
    }

    /** The rows that are drawn: from, and behind the last. */
    rowsInView() {
      const count = this.layout.steps.length;
      if (this.printing) {
        const from = Math.max(0, Math.min(this.layout.rows[this.look.step] - PRINT_ROWS_MAX / 2,
          count - PRINT_ROWS_MAX));
        return [from, Math.min(count, from + PRINT_ROWS_MAX)];
      }
      const top = Math.floor((this.element.scrollTop - pv.HEAD) / pv.ROW);
      const rows = Math.ceil(this.element.clientHeight / pv.ROW) + 1;
      return [Math.max(0, top), Math.min(count, Math.max(0, top) + rows + 1)];
    }

    _build() {
      this.element.classList.add('pv-diagram');
      this.head = pv.svg('svg', { class: 'pv-headrow', height: pv.HEAD, 'aria-hidden': 'true' });
      this.drawing = pv.svg('svg', { class: 'pv-drawing', role: 'img' });
      this.sizer = pv.el('div', { class: 'pv-sizer' }, this.drawing);
      this.element.append(this.head, this.sizer);
    }

    _listen() {
      let waiting = false;
      this.element.addEventListener('scroll', () => {
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => {
          waiting = false;
          this._draw(false);
        });
      }, { passive: true });
      this.drawing.addEventListener('click', (event) => this._click(event));
      let width = 0;
      new ResizeObserver(() => {
        if (this.element.clientWidth === width) return this._draw(false);
        width = this.element.clientWidth;
        this._arrange();
      }).observe(this.element);
    }

    _click(event) {
      const target = /** @type {Element} */ (event.target);
      const arrow = target.closest('[data-message]');
      if (arrow) {
        const life = this.model.life(arrow.getAttribute('data-message'));
        if (life) this.options.onSelect?.(life.message);
        return;
      }
      const box = this.drawing.getBoundingClientRect();
      const row = this._top + Math.floor((event.clientY - box.top) / pv.ROW);
      const step = this.layout.steps[row];
      if (step !== undefined) this.options.onStep?.(step);
    }

    _arrange() {
      this.layout = new pv.Layout(this.model, this.filter, this.element.clientWidth || 640);
      const { width, height } = this.layout;
      this.sizer.style.width = `${width}px`;
      this.sizer.style.height = `${height}px`;
      this.head.setAttribute('width', String(width));
      this.head.setAttribute('viewBox', `0 0 ${width} ${pv.HEAD}`);
      this._head();
      this._draw(true);
    }

    /** The current row, with some room around it, comes into view. */
    _reveal() {
      const row = this.layout.rows[this.look.step] ?? 0;
      const { scrollTop } = this.element;
      const clientHeight = this._heightInWindow();
      const y = row * pv.ROW;
      const room = Math.min(3 * pv.ROW, Math.max(0, (clientHeight - pv.HEAD) / 3));
      if (y - room < scrollTop) {
        this.element.scrollTop = Math.max(0, y - room);
      } else if (y + pv.ROW + room > scrollTop + clientHeight - pv.HEAD) {
        this.element.scrollTop = y + pv.ROW + room - clientHeight + pv.HEAD;
      }
      if (clientHeight === this.element.clientHeight) return;
      // The last rows may lie where only the page can scroll.
      const bottom = pv.HEAD + y + pv.ROW - this.element.scrollTop;
      if (bottom > clientHeight) window.scrollBy(0, Math.ceil(bottom - clientHeight) + 2);
    }

    /** Of the diagram's height what is in the window, where enough of it is. */
    _heightInWindow() {
      const { clientHeight } = this.element;
      const room = window.innerHeight - this.element.getBoundingClientRect().top;
      return room > clientHeight || room < pv.HEAD + ROWS_SEEN_MIN * pv.ROW ? clientHeight : room;
    }

    /** Names and roles above the lanes. */
    _head() {
      const { layout, model, look } = this;
      const state = model.length ? model.stateAt(look.step) : new Map();
      const labels = layout.nodes.map((node) => pv.laneHead(layout.x(node), node, state.get(node), look));
      if (model.hasNetwork) {
        labels.push(pv.svg('text', { class: 'pv-soft', x: layout.networkX, y: 18 }, 'net'));
      }
      this.head.replaceChildren(
        pv.svg('line', { class: 'pv-headline', x1: 0, x2: layout.width, y1: pv.HEAD - 0.5, y2: pv.HEAD - 0.5 }),
        ...labels);
    }

    _draw(always) {
      const [from, to] = this.rowsInView();
      if (!always && from >= this._top && to <= this._bottom) return;
      const count = this.layout.steps.length;
      this._top = Math.max(0, from - SPARE_ROWS);
      this._bottom = Math.min(count, to + SPARE_ROWS);
      const height = Math.max(1, (this._bottom - this._top) * pv.ROW);
      const y = this._top * pv.ROW;
      const { width } = this.layout;
      this.drawing.setAttribute('viewBox', `0 ${y} ${width} ${height}`);
      this.drawing.setAttribute('width', String(width));
      this.drawing.setAttribute('height', String(height));
      this.drawing.style.top = `${y}px`;
      this.sizer.style.height = this.printing ? `${height}px` : `${this.layout.height}px`;
      this.drawing.setAttribute('aria-label', this._describe());
      this.drawing.replaceChildren(pv.paint(this.layout, this.look, this._top, this._bottom));
    }

    _describe() {
      const { model, layout } = this;
      return `Space-time diagram of ${pv.count(model.length, 'step')} at ${pv.listNodes(layout.nodes)}; `
        + `step ${this.look.step} is marked. The same is in the table of steps.`;
    }
  };

  /** A node's name, and what it is at the current step. */
  pv.laneHead = function (x, node, state, look) {
    const status = state?.status ?? 'unknown';
    let word = state?.role ?? '';
    if (status in pv.GONE) word = pv.GONE[status];
    else if (status === 'paused') word = 'paused';
    else if (word === 'leader' && pv.isBallot(state.ballot)) word = `leads ${state.ballot}`;
    const leads = word.startsWith('leads');
    const colour = leads ? look.colour(state.ballot) : null;
    return pv.svg('g', { class: colour === null ? 'pv-plain' : `pv-ballot-${colour}` },
      pv.svg('text', { class: 'pv-name', x, y: 18 }, `node ${node}`),
      pv.svg('text', { class: leads ? 'pv-role pv-leads' : 'pv-role', x, y: 35 }, word));
  };
})((globalThis.PaxosViewer ??= {}));
