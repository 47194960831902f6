/**
 * The page of a recorded run: reads the data that page.py put into it, and joins the parts.
 *
 * The elements that it fills have ids: pv-extras, pv-controls, pv-diagram, pv-step, pv-nodes, pv-slots,
 * pv-details, pv-message, pv-table. The location's hash holds the step: `#step=12`.
 *
 *   const viewer = pv.mountViewer(data);   // {header, events, frames, shapes, name}
 *   viewer.player, viewer.diagram, viewer.model
 */
(function (pv) {
  'use strict';

  const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

  /** The step that the location names; null for none. */
  function stepOfHash() {
    const found = /^#(?:step=)?(\d{1,9})$/.exec(location.hash);
    return found ? Number(found[1]) : null;
  }

  pv.mountViewer = function (data) {
    const model = new pv.Model(data.header);
    model.append(data);
    const viewer = new Viewer(model, data.name || 'run');
    viewer.start();
    return viewer;
  };

  class Viewer {
    constructor(model, name) {
      this.model = model;
      this.name = name;
      const onStep = (step) => {
        this.player.pause();
        this.player.seek(step);
      };
      const onSelect = (message) => this.select(message);
      this.diagram = new pv.Diagram(byId('pv-diagram'), model, { onStep, onSelect });
      this.player = new pv.Player(model, this.diagram, (step) => this._show(step));
      this.help = new pv.Help();
      this.controls = new pv.Controls(byId('pv-controls'), this.player, {
        onFilter: (filter) => {
          this.diagram.setFilter(filter);
          this.player.goToShown(this.player.step);
        },
        onExport: () => this.save(),
        onHelp: () => this.help.open(),
        extras: byId('pv-extras'),
      });
      this.message = new pv.MessagePanel(byId('pv-message'), model, { onStep });
      this.step = new pv.StepPanel(byId('pv-step'), model, { onSelect, details: byId('pv-details'),
        selectTitle: 'Show its fields and bytes', playing: () => this.player.playing });
      this.player.onPlaying = (playing) => {
        this.controls.setPlaying(playing);
        if (!playing) this.step.settle();
      };
      this.panels = [
        this.diagram, this.controls,
        new pv.NodesPanel(byId('pv-nodes'), model),
        new pv.SlotsPanel(byId('pv-slots'), model, this.diagram.look.colour),
        new pv.TablePanel(byId('pv-table'), model, { onStep }),
        this.step,
      ];
    }

    start() {
      if (this.model.length === 0) return;
      this._listen();
      this.player.goTo(stepOfHash() ?? 0);
    }

    /** Shows a message, here and in the diagram. */
    select(message) {
      this.message.show(message);
      this.diagram.select(message.id);
      const details = byId('pv-message').closest('details');
      if (details) details.open = true;
    }

    /** The messages of the current step, one after the other. */
    selectNext() {
      const event = this.model.event(this.player.step);
      const got = this.model.messageOf(event);
      const messages = [...(got ? [got] : []), ...(event.sent ?? [])];
      if (messages.length === 0) return;
      const at = messages.findIndex((message) => message.id === this.diagram.look.selected);
      this.select(messages[(at + 1) % messages.length]);
    }

    save() {
      pv.save(`${this.name}.svg`, 'image/svg+xml', this.diagram.toSVG());
    }

    _show(step) {
      for (const panel of this.panels) {
        if (panel === this.diagram) this.diagram.goTo(step);
        else panel.show(step);
      }
      // The history would fill with steps: the location is replaced, not followed.
      if (stepOfHash() !== step) history.replaceState(null, '', `#step=${step}`);
    }

    _listen() {
      const { player, controls } = this;
      const still = (act) => () => {
        player.pause();
        act();
      };
      const on = still(() => player.move(1));
      const back = still(() => player.move(-1));
      pv.listenToKeys({
        ArrowRight: on, ArrowDown: on, j: on, ArrowLeft: back, ArrowUp: back, k: back,
        PageDown: still(() => player.move(10)), PageUp: still(() => player.move(-10)),
        Home: still(() => player.goToShown(0)), End: still(() => player.goToShown(Infinity)),
        ' ': () => player.toggle(), '+': () => controls.faster(1), '=': () => controls.faster(1),
        '-': () => controls.faster(-1), '/': () => controls.focusSearch(),
        n: still(() => player.findNext(true)), N: still(() => player.findNext(false)),
        m: () => this.selectNext(), h: () => controls.toggleHeartbeats(),
        s: () => this.save(), '?': () => this.help.open(),
      }, () => this.help.usesLetters);
      window.addEventListener('hashchange', () => {
        const step = stepOfHash();
        if (step !== null && step !== player.step) player.seek(step);
      });
      const paper = window.matchMedia('print');
      paper.addEventListener('change', () => this.diagram.setPrinting(paper.matches));
      window.addEventListener('beforeprint', () => this.diagram.setPrinting(true));
      window.addEventListener('afterprint', () => this.diagram.setPrinting(false));
    }
  }

  /**
   * A page that this one stands in as a frame may choose the colours: it posts
   * `{paxosTheme: 'light' | 'dark' | 'auto'}`, which needs no common origin, as files have none.
   */
  function followTheme() {
    if (window.parent === window) return;
    window.addEventListener('message', (event) => {
      const theme = event.source === window.parent ? event.data?.paxosTheme : undefined;
      if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
      else if (theme === 'auto') delete document.documentElement.dataset.theme;
    });
  }

  followTheme();
  const element = document.getElementById('pv-data');
  if (element) {
    try {
      pv.viewer = pv.mountViewer(JSON.parse(element.textContent ?? ''));
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      byId('pv-step').prepend(pv.el('p', { class: 'pv-problems', role: 'alert' },
        `This trace cannot be drawn: ${said}`));
      throw error;
    }
  }
})((globalThis.PaxosViewer ??= {}));
