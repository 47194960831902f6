/**
 * The bar of controls: real buttons and labels around a `Player`.
 *
 *   const controls = new pv.Controls(element, player, {onFilter, onExport, onHelp});
 *   controls.show(step);
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
      element.append(this._steps(), this._speeds(), this._search(), this._filters(), this._rest());
      player.onPlaying = (playing) => this._playing(playing);
    }

    show(step) {
      this.slider.max = String(Math.max(0, this.model.length - 1));
      this.slider.value = String(step);
      this.slider.setAttribute('aria-valuetext', `step ${step} of ${this.model.length - 1}`);
      this.place.textContent = `${step} / ${this.model.length - 1}`;
    }

    focusSearch() {
      this.search.focus();
      this.search.select();
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
      this.play = pv.button('\u25b6', () => player.toggle(), { class: 'pv-play', 'aria-label': 'Play', title: 'Play (space)' });
      this.slider = pv.el('input', { type: 'range', min: 0, max: 0, value: 0, 'aria-label': 'Step' });
      this.slider.addEventListener('input', act(() => player.goTo(Number(this.slider.value))));
      this.place = pv.el('output', { class: 'pv-place' });
      return pv.el('div', { class: 'pv-bar', role: 'group', 'aria-label': 'Steps' },
        pv.button('\u23ee', act(() => player.goTo(0)), { 'aria-label': 'First step', title: 'First step (Home)' }),
        pv.button('\u25c0', act(() => player.move(-1)), { 'aria-label': 'Step back', title: 'Step back (\u2190)' }),
        this.play,
        pv.button('\u25b6\u258f', act(() => player.move(1)), { 'aria-label': 'Step on', title: 'Step on (\u2192)' }),
        pv.button('\u23ed', act(() => player.goTo(this.model.length - 1)), { 'aria-label': 'Last step', title: 'Last step (End)' }),
        this.slider, this.place);
    }

    _speeds() {
      const options = pv.SPEEDS.map((speed) => pv.el('option', { value: speed, selected: speed === 1 }, `${speed} a second`));
      this.speed = pv.el('select', {}, ...options);
      this.speed.addEventListener('change', () => this.player.setSpeed(Number(this.speed.value)));
      return pv.el('label', {}, 'Speed ', this.speed);
    }

    _search() {
      this.search = pv.el('input', { type: 'search', size: 14, maxlength: 100, placeholder: 'blue, Promise, P2c' });
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
      const nodes = this.model.nodes.map((node) => {
        const input = box(true, (checked) => {
          const hidden = new Set(this.filter.nodes);
          if (checked) hidden.delete(node);
          else hidden.add(node);
          this._filter({ nodes: hidden });
        });
        return pv.el('label', {}, input, ` ${node}`);
      });
      return pv.el('fieldset', {}, pv.el('legend', {}, 'Show'),
        pv.el('label', {}, this.heartbeats, ' heartbeats'),
        pv.el('span', { class: 'pv-soft' }, 'nodes'), ...nodes);
    }

    _filter(change) {
      this.filter = { ...this.filter, ...change };
      this.options.onFilter(this.filter);
    }

    _rest() {
      return pv.el('div', { class: 'pv-bar' },
        pv.button('Save as SVG', () => this.options.onExport(), { title: 'Save the diagram (s)' }),
        pv.button('Keys and marks', () => this.options.onHelp(), { title: 'What keys do and marks mean (?)' }));
    }

    _playing(playing) {
      this.play.textContent = playing ? '\u275a\u275a' : '\u25b6';
      this.play.setAttribute('aria-label', playing ? 'Pause' : 'Play');
      this.play.title = playing ? 'Pause (space)' : 'Play (space)';
    }
  };

  function box(checked, act) {
    const input = pv.el('input', { type: 'checkbox' });
    input.checked = checked;
    input.addEventListener('change', () => act(input.checked));
    return input;
  }
})((globalThis.PaxosViewer ??= {}));
