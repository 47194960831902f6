/**
 * Draws some rows of a layout as SVG elements: bands, lanes, disks, arrows, marks, text.
 *
 * Nothing here keeps state: `pv.paint` is asked for a window of rows, by the diagram whenever it
 * scrolls or the step changes, and by the export for many rows at once.
 *
 * @typedef {Object} Look
 * @property {number} step                       the current one; later ones are drawn pale
 * @property {string|null} selected              a message's id
 * @property {Set<number>} found                 steps that a search found
 * @property {(ballot: string|null) => (number|null)} colour
 */
(function (pv) {
  'use strict';

  /** Arrows that neither begin nor end in the window; a thousand lines say nothing. */
  const PASSING_MAX = 200;
  const FADING_STROKES = 6;

  /**
   * @param {pv.Layout} layout
   * @param {Look} look
   * @param {number} fromRow
   * @param {number} toRow       behind the last
   * @returns {DocumentFragment}
   */
  pv.paint = function (layout, look, fromRow, toRow) {
    const steps = layout.steps.slice(fromRow, toRow);
    const first = steps[0] ?? 0;
    // Hidden steps up to the next row belong to the last one.
    const last = (layout.steps[toRow] ?? layout.model.length) - 1;
    const window_ = { layout, look, steps, first, last, model: layout.model };
    const top = fromRow * pv.ROW;
    const bottom = Math.min(toRow, layout.steps.length) * pv.ROW;
    const fragment = document.createDocumentFragment();
    fragment.append(
      bands(window_), lanes(window_, top, bottom), cuts(window_, top, bottom),
      disks(window_), ...arrows(window_), rows(window_),
    );
    return fragment;
  };

  const group = (name, children) => pv.svg('g', { class: name }, ...children.filter(Boolean));

  function tone(look, ballot) {
    const colour = look.colour(ballot);
    return colour === null ? 'pv-plain' : `pv-ballot-${colour}`;
  }

  function bands({ layout, look, steps }) {
    return group('pv-bands', steps.map((step) => {
      const names = ['pv-band'];
      if (step === look.step) names.push('pv-now');
      if (look.found.has(step)) names.push('pv-found');
      return pv.svg('rect', { class: names.join(' '), 'data-step': step, x: 0,
        y: layout.y(step) - pv.ROW / 2, width: layout.width, height: pv.ROW });
    }));
  }

  function lanes({ layout, first, last, model }, top, bottom) {
    const lines = [];
    for (const node of layout.nodes) {
      const x = layout.x(node);
      lines.push(pv.svg('line', { class: 'pv-lane', x1: x, x2: x, y1: top, y2: bottom }));
    }
    for (const span of model.downs.query(first, last)) {
      const x = layout.x(span.node);
      if (x === null) continue;
      const y1 = Math.max(top, layout.y(span.start));
      const y2 = Math.min(bottom, layout.y(span.end));
      lines.push(pv.svg('line', { class: 'pv-gone', x1: x, x2: x, y1, y2 }));
      if (span.kind === 'end') lines.push(...fading(layout.y(span.start), x, y1, y2));
      else lines.push(pv.svg('line', { class: `pv-still pv-still-${span.kind}`, x1: x, x2: x, y1, y2 }));
    }
    return group('pv-lanes', lines);
  }

  /** A lane whose trace ends: some strokes, each paler, and then nothing. */
  function fading(begin, x, top, bottom) {
    const strokes = [];
    for (let at = 0; at < FADING_STROKES; at++) {
      const y1 = begin + 14 + at * 12;
      if (y1 < top || y1 + 7 > bottom) continue;
      strokes.push(pv.svg('line', { class: 'pv-still pv-still-end', x1: x, x2: x, y1, y2: y1 + 7,
        opacity: (1 - at / FADING_STROKES).toFixed(2) }));
    }
    return strokes;
  }

  function cuts({ layout, first, last, model }, top, bottom) {
    const spans = model.cuts.query(first, last);
    return group('pv-cuts', spans.map((span) => {
      const back = spans.find((other) => other.way === `${span.to}-${span.from}` && other.start === span.start);
      // Both ways are one bar.
      if (back && back.end === span.end && span.from > span.to) return null;
      const x = layout.cutX(span.pair);
      const y1 = Math.max(top, layout.y(span.start));
      const y2 = Math.min(bottom, layout.y(span.end));
      const name = back ? `${span.from}|${span.to}` : `${span.from}\u2192${span.to}`;
      const title = back ? `nothing passes between ${span.from} and ${span.to}`
        : `nothing passes from ${span.from} to ${span.to}`;
      return pv.svg('g', { class: 'pv-cutspan' }, pv.svg('title', {}, title),
        pv.svg('line', { x1: x, x2: x, y1, y2 }),
        pv.svg('text', { class: 'pv-tiny', x, y: Math.max(top, layout.y(span.start)) + 22 }, name));
    }));
  }

  function disks({ layout, look, first, last, model }) {
    const bars = [];
    const passing = new Set();
    for (const span of model.writes.query(first, last)) {
      const lane = layout.x(span.node);
      if (lane === null || span.end === span.start) continue;
      // Bars from end to end of the window lie on one another: one of a node is enough.
      if (span.start < first && span.end > last) {
        if (passing.has(span.node)) continue;
        passing.add(span.node);
      }
      const x = lane + 11;
      const y1 = layout.y(span.start);
      const y2 = layout.y(span.end);
      const future = span.start > look.step ? ' pv-future' : '';
      const texts = span.records.map((record) => record.text).join('; ');
      const said = { written: 'on its way to the disk', gone: 'never reached the disk', open: 'on its way to the disk',
        unknown: 'the trace does not say whether the disk got it' };
      bars.push(pv.svg('g', { class: `pv-disk pv-disk-${span.outcome}${future}` },
        pv.svg('title', {}, `${said[span.outcome]}: ${pv.cut(texts, 300)}`),
        pv.svg('rect', { x: x - 2.5, y: y1, width: 5, height: Math.max(2, y2 - y1), rx: 2 }),
        span.outcome === 'gone'
          ? pv.svg('path', { class: 'pv-bold', d: `M${x - 4} ${y2 - 12} l8 8 m0 -8 l-8 8` }) : null));
    }
    return group('pv-disks', bars);
  }

  function arrows(window_) {
    const { layout, look, steps, first, last, model } = window_;
    // Labels come last: no line crosses one.
    const drawn = [];
    const labels = [];
    let passing = 0;
    for (const span of model.deliveries.query(first, last)) {
      if (span.start < first && span.end > last && ++passing > PASSING_MAX) continue;
      if (!layout.showsMessage(span.life.message)) continue;
      const way = wayOf(layout, span);
      if (!way) continue;
      drawn.push(arrow(window_, span, way));
      labels.push(label(window_, span, way));
    }
    for (const step of steps) {
      for (const message of model.event(step).sent ?? []) {
        const life = model.life(message.id);
        if (!life || life.received.length || life.lost.length) continue;
        if (layout.showsMessage(message)) drawn.push(stub(window_, life, step, look));
      }
    }
    return [group('pv-arrows', drawn), group('pv-labels', labels)];
  }

  /** Where one message's arrow begins and ends; null where one of its lanes is not there. */
  function wayOf(layout, span) {
    const { life, outcome } = span;
    const from = layout.x(life.message.from);
    const to = layout.x(life.message.to);
    if (from === null || to === null || from === to) return null;
    const side = Math.sign(to - from);
    const half = outcome === 'lost' || outcome === 'copied';
    const turn = layout.between(from, to);
    const start = { x: outcome === 'again' ? turn : from, y: layout.y(span.start) };
    const end = { x: half ? turn : to - side * 8, y: layout.y(span.end) };
    if (life.sent === null) start.x = end.x - side * Math.min(40, layout.gap * (half ? 0.3 : 0.6));
    return { start, end, side, half };
  }

  function namesOf({ look }, span, first) {
    const { message } = span.life;
    const names = [first, `pv-${span.outcome}`, tone(look, pv.messageBallot(message))];
    if (look.selected === message.id) names.push('pv-selected');
    if (span.start > look.step) names.push('pv-future');
    else if (span.end > look.step) names.push('pv-flying');
    return names.join(' ');
  }

  /** One message on its way, from its sending to what became of it. */
  function arrow(window_, span, { start, end, half }) {
    const { life, outcome } = span;
    return pv.svg('g', { class: namesOf(window_, span, 'pv-arrow'), 'data-message': life.message.id },
      pv.svg('title', {}, title(life, outcome)),
      pv.svg('line', { class: 'pv-hit', x1: start.x, y1: start.y, x2: end.x, y2: end.y }),
      pv.svg('line', { class: 'pv-shaft', x1: start.x, y1: start.y, x2: end.x, y2: end.y }),
      half ? ending(outcome, end) : head(start, end));
  }

  function title(life, outcome) {
    const { message } = life;
    const said = { lost: ', lost', copied: ', doubled', again: ', once more' };
    return `${message.from} \u2192 ${message.to}: ${message.text || message.kind}${said[outcome] ?? ''}`;
  }

  function head(start, end) {
    const angle = (Math.atan2(end.y - start.y, end.x - start.x) * 180) / Math.PI;
    return pv.svg('path', { class: 'pv-head', d: 'M1 0 L-7 -4 L-7 4 Z',
      transform: `translate(${end.x} ${end.y}) rotate(${angle.toFixed(1)})` });
  }

  function ending(outcome, { x, y }) {
    return outcome === 'lost'
      ? pv.svg('path', { class: 'pv-end', d: `M${x - 5} ${y - 5} l10 10 m0 -10 l-10 10` })
      : pv.svg('circle', { class: 'pv-end', cx: x, cy: y, r: 4 });
  }

  /** What stands above an arrow's end: on its own row, so that no two meet. */
  function label(window_, span, { end, side, half }) {
    const { layout } = window_;
    if (span.outcome === 'copied') return null;
    const { message } = span.life;
    const x = end.x - (half ? 0 : side * 9);
    const text = pv.arrowLabel(message, layout.labelLength(x, half ? 0 : side));
    return pv.svg('text', { class: namesOf(window_, span, 'pv-label'), 'data-message': message.id,
      x, y: end.y - 7,
      'text-anchor': half ? 'middle' : side > 0 ? 'end' : 'start' }, text);
  }

  /** A message that nothing became of in this trace: it leaves, and is on its way. */
  function stub({ layout }, life, step, look) {
    const { message } = life;
    const from = layout.x(message.from);
    const to = layout.x(message.to);
    if (from === null || to === null || from === to) return null;
    const side = Math.sign(to - from);
    const y = layout.y(step);
    const end = { x: from + side * Math.min(34, layout.gap * 0.4), y: y + 11 };
    const names = ['pv-arrow', 'pv-stub', tone(look, pv.messageBallot(message))];
    if (look.selected === message.id) names.push('pv-selected');
    if (step > look.step) names.push('pv-future');
    return pv.svg('g', { class: names.join(' '), 'data-message': message.id },
      pv.svg('title', {}, `${title(life, '')}, still on its way`),
      pv.svg('line', { class: 'pv-hit', x1: from, y1: y, x2: end.x, y2: end.y }),
      pv.svg('line', { class: 'pv-shaft', x1: from, y1: y, x2: end.x, y2: end.y }),
      pv.svg('circle', { class: 'pv-end', cx: end.x, cy: end.y, r: 3 }));
  }

  function rows({ layout, look, steps, model }) {
    return group('pv-rows', steps.map((step) => {
      const event = model.event(step);
      const y = layout.y(step);
      const x = event.node === undefined ? layout.networkX : layout.x(event.node) ?? layout.networkX;
      const names = [step > look.step ? 'pv-future' : '', step === look.step ? 'pv-current' : ''];
      const mark = pv.mark(event.kind, x, y);
      mark.classList.add(tone(look, pv.ballotOf(model, step)));
      return pv.svg('g', { class: names.join(' ').trim() || null },
        pv.svg('text', { class: 'pv-number', x: 38, y: y + 4 }, String(step)), mark,
        layout.textLength ? pv.svg('text', { class: 'pv-text', x: layout.textX, y: y + 4.5 },
          pv.cut(said(model, step), layout.textLength)) : null);
    }));
  }

  function said(model, step) {
    const event = model.event(step);
    const who = event.node === undefined ? '' : `${event.node} `;
    // What everybody says of the log each time is left to the step's panel.
    const text = pv.headline(model, step);
    return who + (pv.quotesMessages(model, step) ? text.replace(/,? \(?chosen below \d+\)?/g, '') : text);
  }
})((globalThis.PaxosViewer ??= {}));
