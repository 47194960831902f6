/**
 * The bar of controls: real buttons and labels around a `Player`.
 *
 *   const controls = new pv.Controls(element, player, {onFilter, onExport, onHelp, extras});
 *   controls.show(step);
 *
 * Saving and help go into the element `extras`, where there is one.
 */
(function (pv) {
  'use strict';

  pv.Controls = class {
    constructor(element, player, options) {
      this.player = player;
      this.model = player.model;
      this.options = options;
      this.filter = { nodes: new Set(), heartbeats: true };
      element.classList.add('pv-controls');
      element.append(this._steps(), this._speeds(), this._search(), this._filters());
      (options.extras ?? element).append(this._rest());
      player.uncover = (step) => this._uncover(step);
    }

    show(step) {
      if (step !== this.uncovered) this._note('');
      this.slider.max = String(Math.max(0, this.model.length - 1));
      this.slider.value = String(step);
      this.slider.setAttribute('aria-valuetext', `step ${step} of ${this.model.length - 1}`);
      this.place.textContent = `${step} / ${this.model.length - 1}`;
    }

    focusSearch() {
      this.search.focus();
      this.search.select();
    }

    /** Play becomes pause, and back. */
    setPlaying(playing) {
      this.play.replaceChildren(icon(playing ? 'pause' : 'play'));
      this.play.setAttribute('aria-label', playing ? 'Pause' : 'Play');
      this.play.title = playing ? 'Pause (space)' : 'Play (space)';
    }

    toggleHeartbeats() {
      this.heartbeats.checked = !this.heartbeats.checked;
      this.heartbeats.dispatchEvent(new Event('change'));
    }

    /** One speed up or down. */
    faster(by) {
      const at = pv.SPEEDS.indexOf(Number(this.speed.value)) + by;
      const next = pv.SPEEDS[Math.max(0, Math.min(pv.SPEEDS.length - 1, at))];
      this.speed.value = String(next);
      this.player.setSpeed(next);
    }

    _steps() {
      const { player } = this;
      const act = (how) => () => {
        player.pause();
        how();
      };
      this.play = pv.button('', () => player.toggle(), { class: 'pv-play' });
      this.setPlaying(false);
      this.slider = pv.el('input', { type: 'range', min: 0, max: 0, value: 0, 'aria-label': 'Step' });
      this.slider.addEventListener('input', act(() => player.goToShown(Number(this.slider.value))));
      this.place = pv.el('output', { class: 'pv-place' });
      return pv.el('div', { class: 'pv-bar', role: 'group', 'aria-label': 'Steps' },
        iconButton('first', act(() => player.goToShown(0)), { 'aria-label': 'First step', title: 'First step (Home)' }),
        iconButton('back', act(() => player.move(-1)), { 'aria-label': 'Step back', title: 'Step back (\u2190)' }),
        this.play,
        iconButton('on', act(() => player.move(1)), { 'aria-label': 'Step on', title: 'Step on (\u2192)' }),
        iconButton('last', act(() => player.goToShown(Infinity)), { 'aria-label': 'Last step', title: 'Last step (End)' }),
        this.slider, this.place);
    }

    _speeds() {
      const options = pv.SPEEDS.map((speed) => pv.el('option', { value: speed, selected: speed === 1 }, `${speed}/s`));
      this.speed = pv.el('select', {}, ...options);
      this.speed.addEventListener('change', () => this.player.setSpeed(Number(this.speed.value)));
      return pv.el('label', {}, 'Speed ', this.speed);
    }

    _search() {
      this.search = pv.el('input', { type: 'search', size: 12, maxlength: 100, placeholder: 'Promise, P2c' });
      this.matches = pv.el('output', { class: 'pv-soft' });
      this.search.addEventListener('input', () => this._find());
      this.search.addEventListener('keydown', (event) => {
        if (event.key === 'Enter') {
          event.preventDefault();
          this.player.findNext(!event.shiftKey);
          this._count();
        } else if (event.key === 'Escape') {
          this.search.value = '';
          this._find();
          this.search.blur();
        }
      });
      return pv.el('label', { class: 'pv-search' }, 'Search ', this.search, ' ', this.matches);
    }

    _find() {
      this.player.find(this.search.value);
      this._count();
    }

    _count() {
      const { found, step } = this.player;
      const at = found.indexOf(step) + 1;
      if (!this.search.value.trim()) this.matches.textContent = '';
      else if (found.length === 0) this.matches.textContent = 'nowhere';
      else this.matches.textContent = at ? `${at} of ${found.length}` : pv.count(found.length, 'step');
    }

    _filters() {
      this.heartbeats = box(true, (checked) => this._filter({ heartbeats: checked }));
      this.boxes = new Map();
      const nodes = this.model.nodes.map((node) => {
        const input = box(true, (checked) => {
          const hidden = new Set(this.filter.nodes);
          if (checked) hidden.delete(node);
          else hidden.add(node);
          this._filter({ nodes: hidden });
        });
        this.boxes.set(node, input);
        return pv.el('label', {}, input, ` ${node}`);
      });
      this.note = pv.el('output', { class: 'pv-soft', 'aria-live': 'polite' });
      return pv.el('fieldset', {}, pv.el('legend', {}, 'Show'),
        pv.el('label', {}, this.heartbeats, ' heartbeats'),
        pv.el('span', { class: 'pv-soft' }, 'nodes'), ...nodes, this.note);
    }

    _filter(change) {
      this._note('');
      this.filter = { ...this.filter, ...change };
      this.options.onFilter(this.filter);
    }

    _rest() {
      return pv.el('div', { class: 'pv-bar' },
        pv.button('Save SVG', () => this.options.onExport(), { title: 'Save the diagram (s)' }),
        pv.button('Help', () => this.options.onHelp(), { title: 'What keys do and marks mean (?)' }));
    }

    /** Of what is hidden, shows again what hides this step, and says so. */
    _uncover(step) {
      const { layout } = this.player.diagram;
      if (layout.isShown(step)) return;
      const event = this.model.event(step);
      const message = this.model.messageOf(event);
      const shown = [];
      for (const nodes of [[event.node], [message?.from, message?.to]]) {
        const found = nodes.filter((node) => this.filter.nodes.has(node));
        if (found.length && !layout.isShown(step, this.filter)) shown.push(...this._showNodes(found));
      }
      if (!layout.isShown(step, this.filter)) {
        this.heartbeats.checked = true;
        this.filter = { ...this.filter, heartbeats: true };
        shown.push('heartbeats');
      }
      this.uncovered = step;
      this._note(`Step ${step} was hidden: ${shown.join(' and ')} shown again.`);
      this.player.diagram.setFilter(this.filter);
    }

    _showNodes(nodes) {
      const hidden = new Set([...this.filter.nodes].filter((node) => !nodes.includes(node)));
      for (const node of nodes) this.boxes.get(node).checked = true;
      this.filter = { ...this.filter, nodes: hidden };
      return [pv.listNodes(nodes)];
    }

    _note(text) {
      if (this.note.textContent !== text) this.note.textContent = text;
    }
  };

  const ICONS = {
    first: 'M2 2 V14 M14 2 L6 8 L14 14 Z', back: 'M11 2 L4 8 L11 14 Z', play: 'M3 1 L14 8 L3 15 Z',
    pause: 'M5 2 V14 M11 2 V14', on: 'M5 2 L12 8 L5 14 Z', last: 'M2 2 L10 8 L2 14 Z M14 2 V14',
  };

  /** Drawn, since fonts do not agree on these characters. */
  function icon(name) {
    return pv.svg('svg', { class: `pv-icon pv-icon-${name}`, width: 16, height: 16, viewBox: '0 0 16 16',
      'aria-hidden': 'true' }, pv.svg('path', { d: ICONS[name] }));
  }

  function iconButton(name, act, attributes) {
    const button = pv.button('', act, attributes);
    button.append(icon(name));
    return button;
  }

  function box(checked, act) {
    const input = pv.el('input', { type: 'checkbox' });
    input.checked = checked;
    input.addEventListener('change', () => act(input.checked));
    return input;
  }
})((globalThis.PaxosViewer ??= {}));
