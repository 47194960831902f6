/**
 * Stepping, playing, searching: the state of the controls, without a look of its own.
 *
 *   const player = new pv.Player(model, diagram, (step) => showEverything(step));
 *   player.goTo(12); player.move(1); player.toggle(); player.setSpeed(4); player.find('blue');
 *
 * A step is always one that is shown: where a link or a search leads to a hidden one, `uncover`
 * shows it.
 */
(function (pv) {
  'use strict';

  pv.SPEEDS = [0.5, 1, 2, 4, 8, 16];

  pv.Player = class {
    /**
     * @param {pv.Model} model
     * @param {pv.Diagram} diagram
     * @param {(step: number) => void} show
     */
    constructor(model, diagram, show) {
      this.model = model;
      this.diagram = diagram;
      this.show = show;
      this.step = 0;
      this.speed = 1;
      this.timer = null;
      this.found = [];
      /** Called when playing begins and ends. */
      this.onPlaying = () => {};
      /** Shows a step that is hidden. @type {(step: number) => void} */
      this.uncover = () => {};
    }

    get playing() {
      return this.timer !== null;
    }

    goTo(step) {
      const last = this.model.length - 1;
      this.step = Math.max(0, Math.min(last, step));
      this.show(this.step);
    }

    /** To this step and no other, hidden or not. */
    seek(step) {
      const wanted = Math.max(0, Math.min(this.model.length - 1, step));
      this.uncover(wanted);
      this.goTo(wanted);
    }

    /** To this step, or where it is hidden to the next one that is shown, or to the last. */
    goToShown(step) {
      this.goTo(this.diagram.move(Math.max(0, Math.min(this.model.length - 1, step)), 0));
    }

    /** So many shown steps on, or back. */
    move(by) {
      this.goTo(this.diagram.move(this.step, by));
    }

    toggle() {
      if (this.playing) return this.pause();
      if (this.diagram.move(this.step, 1) === this.step) this.goTo(this.diagram.move(0, 0));
      this._wait();
      this.onPlaying(true);
      return undefined;
    }

    pause() {
      if (!this.playing) return;
      clearTimeout(this.timer);
      this.timer = null;
      this.onPlaying(false);
    }

    /** @param {number} speed  steps a second */
    setSpeed(speed) {
      this.speed = speed;
      if (!this.playing) return;
      clearTimeout(this.timer);
      this._wait();
    }

    /** @returns {number} how many steps hold the text */
    find(text) {
      this.found = this.model.search(text);
      this.diagram.setFound(this.found);
      return this.found.length;
    }

    /** To the next step that was found, or the one before. */
    findNext(forward) {
      if (this.found.length === 0) return;
      const later = this.found.filter((step) => step > this.step);
      const earlier = this.found.filter((step) => step < this.step);
      const next = forward ? later[0] ?? this.found[0]
        : earlier[earlier.length - 1] ?? this.found[this.found.length - 1];
      this.seek(next);
    }

    _wait() {
      this.timer = setTimeout(() => {
        const next = this.diagram.move(this.step, 1);
        if (next <= this.step) return this.pause();
        this.goTo(next);
        this._wait();
        return undefined;
      }, 1000 / this.speed);
    }
  };
})((globalThis.PaxosViewer ??= {}));
