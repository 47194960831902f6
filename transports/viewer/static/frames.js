/**
 * The bytes of a message, and the field that each belongs to, as fields.py found them.
 *
 * A packed frame is `[hex, length, shape, values]`: many frames share one shape, which says where
 * fields lie and what they mean. `length` is the whole frame's; `hex` may be shorter.
 *
 * @typedef {Object} FrameField
 * @property {number} start    the first byte
 * @property {number} end      behind the last
 * @property {number} depth    0: of the frame; 1 and up: inside a body
 * @property {string} name
 * @property {string} value
 * @property {string} meaning
 */
(function (pv) {
  'use strict';

  /**
   * @param {[string, number, number, string[]]} packed
   * @param {[number, number, number, string, string][][]} shapes
   * @returns {{hex: string, length: number, fields: FrameField[]}}
   */
  pv.unpackFrame = function ([hex, length, shape, values], shapes) {
    const fields = (shapes[shape] ?? []).map(([start, end, depth, name, meaning], at) => ({
      start, end, depth, name, meaning, value: values[at] ?? '',
    }));
    return { hex, length, fields };
  };
})((globalThis.PaxosViewer ??= {}));
