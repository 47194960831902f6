/** What happened, as the viewer draws it: the space-time diagram, and each step in words. */
(function (pv) {
  'use strict';

  const $ = (id) => document.getElementById(id);

  /** The diagram of the run on the table. `take` is given what the server says of its trace. */
  pv.play.Story = class {
    constructor() {
      this.epoch = 0;
      this.hide = true;
      this.diagram = null;
      $('diagram').addEventListener('keydown', (event) => this._key(event));
    }

    /** The events that are new; those that the run has no more are forgotten. */
    take(trace, hide) {
      if (!this.diagram || trace.epoch !== this.epoch) {
        this._begin(trace);
      } else if (trace.keep < this.model.length) {
        this.model.truncate(trace.keep);
      }
      this.model.append(trace);
      this.setHide(hide);
      this.show(this.model.length - 1);
    }

    setHide(hide) {
      if (!this.diagram) return;
      this.diagram.update();
      this.diagram.setFilter({ nodes: new Set(), heartbeats: !hide });
    }

    show(step) {
      if (step < 0) return;
      this.at = step;
      this.diagram.goTo(step);
      this.panel.show(step);
    }

    _begin(trace) {
      this.epoch = trace.epoch;
      this.model = new pv.Model(trace.header);
      $('diagram').replaceChildren();
      $('told').replaceChildren();
      const select = (message) => this.diagram.select(message.id);
      this.panel = new pv.StepPanel($('told'), this.model, { onSelect: select });
      this.diagram = new pv.Diagram($('diagram'), this.model,
        { onStep: (step) => this.show(step), onSelect: select });
      $('diagram-panel').hidden = false;
    }

    _key(event) {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!by || !this.model?.length) return;
      event.preventDefault();
      this.show(this.diagram.move(this.at, by));
    }
  };
})(globalThis.PaxosViewer);
