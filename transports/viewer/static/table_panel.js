/**
 * The run as a table, a page at a time: the text alternative of the diagram.
 *
 *   const panel = new pv.TablePanel(element, model, {onStep: (step) => ...});
 *   panel.show(step);     // the page that holds it
 *
 * Nothing is drawn while the element's <details> is closed.
 */
(function (pv) {
  'use strict';

  const ROWS = 50;
  const COLUMNS = ['Step', 'When', 'Where', 'What happened', 'Why', 'Sent, recorded, decided'];

  pv.TablePanel = class {
    constructor(element, model, options = {}) {
      this.model = model;
      this.options = options;
      this.first = 0;
      this.step = 0;
      this.body = pv.el('tbody');
      this.caption = pv.el('caption');
      this.before = pv.button('\u25c0 earlier', () => this._page(-ROWS));
      this.after = pv.button('later \u25b6', () => this._page(ROWS));
      const heads = COLUMNS.map((name) => pv.el('th', { scope: 'col' }, name));
      this.details = pv.el('details', {},
        pv.el('summary', {}, 'Every step as a table'),
        pv.el('div', { class: 'pv-pager' }, this.before, this.after),
        pv.el('div', { class: 'pv-scroll', tabindex: 0, role: 'region', 'aria-label': 'Every step' },
          pv.el('table', { class: 'pv-words' }, this.caption,
            pv.el('thead', {}, pv.el('tr', {}, ...heads)), this.body)));
      element.classList.add('pv-table');
      element.append(this.details);
      this.details.addEventListener('toggle', () => this._draw());
    }

    show(step) {
      this.step = step;
      this.first = Math.max(0, Math.floor(step / ROWS) * ROWS);
      this._draw();
    }

    _page(by) {
      this.first = Math.max(0, Math.min(this.first + by, this.model.length - 1));
      this._draw();
    }

    _draw() {
      if (!this.details.open) return this.body.replaceChildren();
      const end = Math.min(this.model.length, this.first + ROWS);
      const rows = [];
      for (let step = this.first; step < end; step++) rows.push(this._row(step));
      this.body.replaceChildren(...rows);
      this.caption.textContent = `Steps ${this.first} to ${end - 1} of ${this.model.length - 1}`;
      this.before.disabled = this.first === 0;
      this.after.disabled = end >= this.model.length;
    }

    _row(step) {
      const { model } = this;
      const event = model.event(step);
      const now = step === this.step;
      const followed = [
        ...(event.sent ?? []).map((message) => `sent to ${message.to}: ${message.text || message.kind}`),
        ...pv.consequences(model, step).map((line) => `${line.kind}: ${line.text}`),
      ];
      const number = pv.button(String(step), () => this.options.onStep?.(step), { class: 'pv-link' });
      return pv.el('tr', { class: now ? 'pv-here' : null, 'aria-current': now ? 'step' : null },
        pv.el('th', { scope: 'row' }, number), pv.el('td', {}, pv.time(model, event)),
        pv.el('td', {}, pv.place(event)), pv.el('td', {}, pv.headline(model, step)),
        pv.el('td', {}, event.why ?? ''),
        pv.el('td', {}, ...followed.map((text) => pv.el('div', {}, text))));
    }
  };
})((globalThis.PaxosViewer ??= {}));
