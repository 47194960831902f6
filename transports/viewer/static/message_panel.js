/**
 * One message: its way, its fields, its bytes. A field shows its bytes, and a byte its field.
 *
 *   const panel = new pv.MessagePanel(element, model, {onStep: (step) => ...});
 *   panel.show(message);    // or null
 */
(function (pv) {
  'use strict';

  const LINE_BYTES = 16;
  const LINE_BYTES_NARROW = 8;
  const NARROW = 430;
  const BYTES_SHOWN = 512;

  pv.MessagePanel = class {
    constructor(element, model, options = {}) {
      this.element = element;
      this.model = model;
      this.options = options;
      element.classList.add('pv-message');
      this.show(null);
    }

    show(message) {
      this.message = message;
      this.element.replaceChildren(...(message ? this._parts(message) : [
        pv.el('p', { class: 'pv-soft' },
          'Choose an arrow, or a message of the step, to see its fields and its bytes.'),
      ]));
    }

    _parts(message) {
      const frame = this.model.frame(message);
      const parts = [
        pv.el('h3', {}, message.text || message.kind),
        this._way(message),
      ];
      if (!frame) {
        return [...parts, this._plain(message),
          pv.el('p', { class: 'pv-soft' }, 'This trace has no bytes for it.')];
      }
      const cut = frame.hex.length / 2 < frame.length
        ? `, of which the trace has the first ${(frame.hex.length / 2).toLocaleString('en')}` : '';
      const { box, more } = this._bytes(frame);
      return [...parts,
        pv.el('p', { class: 'pv-soft' }, `A frame of ${pv.count(frame.length, 'byte')}${cut}: `), box,
        ...(more ? [more] : []), this._fields(frame)];
    }

    /** From where to where, with the steps as links. */
    _way(message) {
      const life = this.model.life(message.id);
      const line = pv.el('p', { class: 'pv-way' }, `From node ${message.from} `);
      line.append(life?.sent === null || !life ? '(outside this trace)' : this._link('step', life.sent));
      line.append(` to node ${message.to}`);
      const said = [['received', life?.received], ['doubled', life?.copied], ['lost', life?.lost]];
      for (const [word, steps] of said) {
        for (const step of steps ?? []) line.append(`, ${word} at `, this._link('step', step));
      }
      if (!life?.received.length && !life?.lost.length) line.append(', still on its way');
      return line;
    }

    _link(word, step) {
      return pv.button(`${word} ${step}`, () => this.options.onStep?.(step), { class: 'pv-link' });
    }

    /** The fields as the trace names them, where there are no bytes. */
    _plain(message) {
      const rows = Object.entries(message.fields ?? {}).flatMap(([name, value]) => [
        pv.el('dt', {}, name), pv.el('dd', {}, String(value)),
      ]);
      return pv.el('dl', { class: 'pv-lines' }, ...rows);
    }

    _fields(frame) {
      const rows = frame.fields.map((field, at) => {
        const name = pv.button(field.name, () => this._point(at), { class: 'pv-link' });
        const row = pv.el('tr', { 'data-field': at },
          pv.el('td', { class: 'pv-offset' }, range(field)),
          pv.el('th', { scope: 'row', class: `pv-depth-${Math.min(field.depth, 4)}` }, name),
          pv.el('td', {}, pv.el('span', { class: 'pv-value' }, field.value),
            field.meaning ? pv.el('span', { class: 'pv-meaning' }, field.meaning) : null));
        row.addEventListener('mouseenter', () => this._point(at));
        name.addEventListener('focus', () => this._point(at));
        return row;
      });
      const heads = ['Bytes', 'Field', 'Value'].map((text) => pv.el('th', { scope: 'col' }, text));
      return pv.el('div', { class: 'pv-scroll', tabindex: 0, role: 'region', 'aria-label': 'Fields' },
        pv.el('table', {}, pv.el('caption', {}, 'Field by field, as the wire format has them'),
          pv.el('thead', {}, pv.el('tr', {}, ...heads)), pv.el('tbody', {}, ...rows)));
    }

    _bytes(frame) {
      const owners = owner(frame);
      const whole = frame.hex.length / 2;
      const shown = Math.min(whole, BYTES_SHOWN);
      const box = pv.el('div', { class: 'pv-bytes', tabindex: 0, role: 'region', 'aria-label': 'Bytes' });
      const fill = (count) => {
        const lines = [];
        const size = this.element.clientWidth < NARROW ? LINE_BYTES_NARROW : LINE_BYTES;
        for (let at = 0; at < count; at += size) {
          lines.push(this._line(frame, owners, at, Math.min(at + size, count)));
        }
        box.replaceChildren(...lines);
      };
      fill(shown);
      if (whole <= shown) return { box, more: null };
      const more = pv.button(`All ${whole.toLocaleString('en')} bytes`, () => {
        fill(whole);
        more.remove();
      });
      return { box, more };
    }

    /** One line of the dump: neighbours of one field are one element. */
    _line(frame, owners, from, to) {
      const line = pv.el('div', {}, pv.el('span', { class: 'pv-offset' }, String(from).padStart(4, '\u2007')));
      for (let at = from; at < to;) {
        let end = at + 1;
        while (end < to && owners[end] === owners[at]) end++;
        const hex = frame.hex.slice(at * 2, end * 2).replace(/../g, '$& ').trim();
        const field = owners[at];
        const piece = pv.el('span', { class: field % 2 ? 'pv-odd' : null, 'data-owner': field }, hex);
        piece.addEventListener('mouseenter', () => this._point(field));
        line.append(piece, ' ');
        at = end;
      }
      return line;
    }

    /** Marks one field, and its bytes. */
    _point(field) {
      const wanted = this._inside(field);
      for (const row of this.element.querySelectorAll('[data-field]')) {
        row.classList.toggle('pv-pointed', Number(row.getAttribute('data-field')) === field);
      }
      for (const piece of this.element.querySelectorAll('[data-owner]')) {
        piece.classList.toggle('pv-pointed', wanted.has(Number(piece.getAttribute('data-owner'))));
      }
    }

    /** The field itself, and those inside it. */
    _inside(field) {
      const { fields } = this.model.frame(this.message);
      const { start, end } = fields[field] ?? { start: 0, end: 0 };
      const found = new Set([field]);
      fields.forEach((other, at) => {
        if (other.start >= start && other.end <= end) found.add(at);
      });
      return found;
    }
  };

  function range({ start, end }) {
    return end - start <= 1 ? String(start) : `${start}\u2013${end - 1}`;
  }

  /** For every byte, the innermost field that holds it. */
  function owner({ hex, fields }) {
    const owners = new Array(hex.length / 2).fill(-1);
    fields.forEach(({ start, end }, at) => {
      for (let byte = start; byte < end && byte < owners.length; byte++) owners[byte] = at;
    });
    return owners;
  }
})((globalThis.PaxosViewer ??= {}));
