/**
 * The diagram as an SVG file of its own: light colours, its styles inside, no script.
 *
 *   const text = pv.exportSVG(diagram);
 *   pv.save('run.svg', 'image/svg+xml', text);
 */
(function (pv) {
  'use strict';

  const ROWS_MAX = 400;

  /** The whole run, or `ROWS_MAX` rows around the current one. */
  pv.exportSVG = function (diagram) {
    const { layout, model, look } = diagram;
    const count = layout.steps.length;
    const row = layout.rows[look.step] ?? 0;
    const from = Math.max(0, Math.min(row - ROWS_MAX / 2, count - ROWS_MAX));
    const to = Math.min(count, from + ROWS_MAX);
    const height = (to - from + 1) * pv.ROW + pv.HEAD;
    // All of the run is in full ink: there is no current step on paper.
    const plain = { ...look, step: Infinity, selected: null, found: new Set() };
    const heads = layout.nodes.map((node) => pv.laneHead(layout.x(node), node, undefined, plain));
    const body = pv.svg('g', { transform: `translate(0 ${pv.HEAD - from * pv.ROW})` });
    body.append(pv.paint(layout, plain, from, to));
    const root = pv.svg('svg', { xmlns: 'http://www.w3.org/2000/svg', class: 'pv-drawing', role: 'img',
      width: layout.width, height, viewBox: `0 0 ${layout.width} ${height}` },
      pv.svg('title', {}, `Steps ${layout.steps[from] ?? 0} to ${layout.steps[to - 1] ?? 0} of ${model.length - 1}`),
      pv.svg('style', {}, styles()),
      pv.svg('rect', { class: 'pv-paper', width: layout.width, height }), ...heads, body);
    return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(root)}\n`;
  };

  /** The light colours, which are the first rule of the theme, and the diagram's own styles. */
  function styles() {
    const light = rulesOf('pv-theme').slice(0, 1);
    return [...light, ...rulesOf('pv-diagram-style')].join('\n');
  }

  function rulesOf(id) {
    const element = /** @type {HTMLStyleElement|null} */ (document.getElementById(id));
    return [...(element?.sheet?.cssRules ?? [])].map((rule) => rule.cssText);
  }

  /** Hands a text to the user as a file. */
  pv.save = function (name, type, text) {
    const address = URL.createObjectURL(new Blob([text], { type }));
    const link = pv.el('a', { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };
})((globalThis.PaxosViewer ??= {}));
