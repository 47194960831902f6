/**
 * The marks of the diagram: one for each kind of event, told apart by shape and not by colour.
 * All are drawn around (0, 0), about 14 pixels wide.
 */
(function (pv) {
  'use strict';

  const path = (d, name) => pv.svg('path', { d, class: name });
  const ring = (r, name) => pv.svg('circle', { r, class: name });

  const TRIANGLE = 'M-2.5 -4 L4 0 L-2.5 4 Z';
  const CROSS = 'M-5 -5 L5 5 M5 -5 L-5 5';

  const MARKS = {
    receive: () => [ring(6, 'pv-solid')],
    start: () => [ring(7, 'pv-hollow'), path(TRIANGLE, 'pv-ink')],
    resume: () => [ring(7, 'pv-hollow'), path(TRIANGLE, 'pv-ink')],
    tick: () => [ring(6.5, 'pv-hollow'), path('M0 -4 L0 0 L3 2', 'pv-stroke')],
    propose: () => [path('M0 -7 L7 0 L0 7 L-7 0 Z', 'pv-solid')],
    persisted: () => [path('M-6 -6 H4 L6 -4 V6 H-6 Z', 'pv-hollow'), path('M-3 -6 V-2 H2 V-6 M-3 6 V2 H3 V6', 'pv-stroke')],
    compact: () => [path('M-6 -6 H6 V6 H-6 Z', 'pv-hollow'), path('M-3 -2 H3 M-3 2 H3', 'pv-stroke')],
    crash: () => [path(CROSS, 'pv-bold')],
    pause: () => [ring(7, 'pv-hollow'), path('M-2 -3 V3 M2 -3 V3', 'pv-stroke')],
    stop: () => [path('M-5 -5 H5 V5 H-5 Z', 'pv-ink')],
    end: () => [path('M-8 -3 H8 M-5 2 H5 M-2 7 H2', 'pv-bold')],
    take: () => [ring(4, 'pv-hollow')],
    lose: () => [path(CROSS, 'pv-bold')],
    copy: () => [ring(7, 'pv-hollow'), pv.svg('text', { class: 'pv-tiny', y: 3.5 }, '2')],
    cut: () => [path('M0 -7 V-2 M0 2 V7 M-5 -2 H5 M-5 2 H5', 'pv-bold')],
    heal: () => [path('M0 -7 V7 M-4 -3 L0 -7 L4 -3 M-4 3 L0 7 L4 3', 'pv-bold')],
    fault: () => [path('M2 -8 L-4 1 H0 L-2 8 L4 -1 H0 Z', 'pv-ink')],
    unknown: () => [path('M-5 -5 H5 V5 H-5 Z', 'pv-hollow')],
  };

  /** What the marks mean, in the order of the legend. */
  pv.LEGEND = [
    ['receive', 'a message arrives; its colour and label are its ballot\u2019s'],
    ['propose', 'a client\u2019s command'],
    ['tick', 'a timer: time passed, and something follows from it'],
    ['persisted', 'a sync has ended: what the bar began is on disk'],
    ['take', 'what several inputs before led to leaves'],
    ['compact', 'a snapshot; the log behind it goes'],
    ['start', 'a node starts from its disk, or goes on'],
    ['pause', 'a node stands still'],
    ['crash', 'a node crashes; or a message is lost'],
    ['stop', 'a node is stopped by whoever runs it'],
    ['end', 'the trace of a node ends without a word of why'],
    ['copy', 'the network doubles a message'],
    ['cut', 'a cable is cut: a bar, until it heals'],
    ['heal', 'it is whole again'],
    ['fault', 'another fault'],
  ];

  /**
   * @param {string} kind
   * @param {number} x
   * @param {number} y
   * @returns {SVGElement}
   */
  pv.mark = function (kind, x, y) {
    const make = Object.hasOwn(MARKS, kind) ? MARKS[kind] : MARKS.unknown;
    return pv.svg('g', { class: `pv-mark pv-${Object.hasOwn(MARKS, kind) ? kind : 'unknown'}`,
      transform: `translate(${x} ${y})` }, ...make());
  };
})((globalThis.PaxosViewer ??= {}));
