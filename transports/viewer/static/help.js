/**
 * What keys do, and what marks mean: a dialog.
 *
 *   const help = new pv.Help();  help.open();
 *   pv.listenToKeys({key: act, ...});
 */
(function (pv) {
  'use strict';

  const KEYS = [
    ['\u2192 \u2193 j', 'one step on'],
    ['\u2190 \u2191 k', 'one step back'],
    ['Page Down, Page Up', 'ten steps on, ten back'],
    ['Home, End', 'the first step, the last'],
    ['space', 'play, pause'],
    ['+ \u2212', 'faster, slower'],
    ['/', 'search; then Enter and Shift+Enter'],
    ['n N', 'the next step that was found, the one before'],
    ['m', 'the message of this step, then the next one'],
    ['h', 'heartbeats: show, hide'],
    ['s', 'save the diagram as SVG'],
    ['?', 'this help; Escape closes it'],
  ];

  pv.Help = class {
    constructor() {
      const keys = KEYS.flatMap(([key, text]) => [pv.el('dt', {}, pv.el('kbd', {}, key)), pv.el('dd', {}, text)]);
      this.letters = pv.el('input', { type: 'checkbox' });
      this.letters.checked = true;
      const marks = pv.LEGEND.flatMap(([kind, text]) => [
        pv.el('dt', {}, legendMark(kind)), pv.el('dd', {}, text)]);
      this.dialog = /** @type {HTMLDialogElement} */ (pv.el('dialog', { class: 'pv-help', 'aria-labelledby': 'pv-help-title' },
        pv.el('h2', { id: 'pv-help-title' }, 'Keys and marks'),
        pv.el('div', { class: 'pv-columns' },
          pv.el('div', {}, pv.el('h3', {}, 'Keys'), pv.el('dl', {}, ...keys),
            pv.el('label', {}, this.letters, ' keys without a modifier work')),
          pv.el('div', {}, pv.el('h3', {}, 'Marks'), pv.el('dl', {}, ...marks),
            pv.el('p', { class: 'pv-soft' }, 'Time runs downwards. An arrow is a message, labelled with its kind, its '
              + 'ballot and its slot. Each ballot has a colour. Dashed: on its way at this step. A cross ends '
              + 'what is lost. A bar beside a lane is a write that its disk has not confirmed yet.'))),
        pv.button('Close', () => this.dialog.close())));
      document.body.append(this.dialog);
    }

    get usesLetters() {
      return this.letters.checked;
    }

    open() {
      if (!this.dialog.open) this.dialog.showModal();
    }
  };

  function legendMark(kind) {
    return pv.svg('svg', { class: 'pv-drawing pv-legend pv-plain', width: 22, height: 22, viewBox: '-11 -11 22 22',
      'aria-hidden': 'true' }, pv.mark(kind, 0, 0));
  }

  /**
   * Keys for the whole page, except where something is typed or chosen.
   * @param {Object<string, () => void>} acts  by `KeyboardEvent.key`
   * @param {() => boolean} listens            whether keys without a modifier work now
   */
  pv.listenToKeys = function (acts, listens) {
    document.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
      if (document.querySelector('dialog[open]') || !listens()) return;
      const target = /** @type {HTMLElement} */ (event.target);
      if (target.closest('input:not([type=checkbox]), select, textarea')) return;
      // These keys have a meaning of their own on what has the focus.
      if (event.key === ' ' && target.closest('button, summary, input, a')) return;
      const act = Object.hasOwn(acts, event.key) ? acts[event.key] : undefined;
      if (!act) return;
      event.preventDefault();
      act();
    });
  };
})((globalThis.PaxosViewer ??= {}));
