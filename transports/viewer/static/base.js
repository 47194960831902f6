/**
 * The namespace, and what every other file builds on: elements, text, ballots, slots.
 *
 * Each file of this folder is one function that adds to `PaxosViewer`; they are inlined in the
 * order of `SCRIPTS` in page.py. The edge, for pages that reuse them (the laboratory):
 *
 *   model.js     pv.Model       events -> the state at any step; append, truncate
 *   diagram.js   pv.Diagram     the space-time diagram of a model
 *   *_panel.js   pv.StepPanel, pv.NodesPanel, pv.SlotsPanel, pv.MessagePanel, pv.TablePanel
 *   main.js      pv.mountViewer the whole page of a recorded run
 *
 * Data from a trace reaches the document as text nodes and as attributes that nothing executes.
 * No file here makes elements of text, and a test sees to it.
 *
 * @typedef {Object} Message   as in docs/traces.md, with its frame in the model's table
 * @property {string} id
 * @property {number} from
 * @property {number} to
 * @property {string} kind
 * @property {string} text
 * @property {Object<string, (string|number)>} [fields]
 * @property {number} [frame]  an index for `Model.frame`
 *
 * @typedef {Object} TraceEvent   as in docs/traces.md; what is empty is absent
 * @property {string} kind
 * @property {number} [at]
 * @property {number} [node]
 * @property {Message} [message]
 * @property {Message[]} [sent]
 * @property {number} [write]      the write that `records` are
 * @property {number} [confirmed]  the write that `persisted` confirms
 * @property {{kind: string, text: string, slot?: (number|string), ballot?: string, value?: string}[]} [records]
 * @property {{slot: (number|string), value: string}[]} [decided]
 * @property {Object<string, *>} [state]
 * @property {Object<string, number>} [clock]
 * @property {[number, number][]} [nodes]
 * @property {string} [text]
 * @property {string} [why]
 * @property {string} [rule]
 */
(function (pv) {
  'use strict';

  const SVG = 'http://www.w3.org/2000/svg';

  /** How many colours there are for ballots: `--ballot-0` and up in viewer.css. */
  pv.BALLOT_COLOURS = 7;

  /** Kinds of message that say only "I am here". */
  pv.HEARTBEATS = new Set(['Heartbeat', 'HeartbeatAck']);

  /**
   * An HTML element. `attributes` are set as they are, `children` are nodes or text.
   * @param {string} name
   * @param {Object<string, (string|number|boolean|null|undefined)>} [attributes]
   * @param {...(Node|string|null)} children
   * @returns {HTMLElement}
   */
  pv.el = function (name, attributes, ...children) {
    return fill(document.createElement(name), attributes, children);
  };

  /**
   * An SVG element.
   * @param {string} name
   * @param {Object<string, (string|number|boolean|null|undefined)>} [attributes]
   * @param {...(Node|string|null)} children
   * @returns {SVGElement}
   */
  pv.svg = function (name, attributes, ...children) {
    return fill(document.createElementNS(SVG, name), attributes, children);
  };

  function fill(element, attributes, children) {
    for (const [key, value] of Object.entries(attributes ?? {})) {
      if (value === null || value === undefined || value === false) continue;
      element.setAttribute(key, value === true ? '' : String(value));
    }
    for (const child of children) {
      if (child !== null && child !== undefined) element.append(child);
    }
    return element;
  }

  /**
   * A real button.
   * @param {string} text
   * @param {() => void} act
   * @param {Object<string, (string|number|boolean|null|undefined)>} [attributes]
   * @returns {HTMLButtonElement}
   */
  pv.button = function (text, act, attributes) {
    const button = pv.el('button', { type: 'button', ...attributes }, text);
    button.addEventListener('click', act);
    return /** @type {HTMLButtonElement} */ (button);
  };

  /** At most `length` characters, and a sign that there were more. */
  pv.cut = function (text, length) {
    const whole = String(text);
    if (whole.length <= length) return whole;
    return whole.slice(0, Math.max(1, length - 1)).trimEnd() + '\u2026';
  };

  /** Like a < b: -1, 0, 1. Slots are decimal text of any length. */
  pv.compareSlots = function (one, other) {
    const [a, b] = [String(one), String(other)];
    if (a.length !== b.length) return a.length - b.length;
    return a < b ? -1 : a > b ? 1 : 0;
  };

  /** Ballots are text, round and node; what is no ballot comes first. */
  pv.compareBallots = function (a, b) {
    const [roundA = '', nodeA = ''] = String(a ?? '').split('.');
    const [roundB = '', nodeB = ''] = String(b ?? '').split('.');
    return pv.compareSlots(roundA, roundB) || pv.compareSlots(nodeA, nodeB);
  };

  /** Whether the text names a ballot. */
  pv.isBallot = function (text) {
    return /^\d+\.\d+$/.test(String(text ?? ''));
  };

  /** "node 1", "nodes 1 and 3", "nobody". */
  pv.listNodes = function (nodes) {
    if (nodes.length === 0) return 'nobody';
    if (nodes.length === 1) return `node ${nodes[0]}`;
    return `nodes ${nodes.slice(0, -1).join(', ')} and ${nodes[nodes.length - 1]}`;
  };

  /** "1 vote", "2 votes". */
  pv.count = function (number, word) {
    return `${number.toLocaleString('en')} ${word}${number === 1 ? '' : 's'}`;
  };
})((globalThis.PaxosViewer ??= {}));
