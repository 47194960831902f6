/**
 * What happened at the current step: where, what, why by which rule, and what followed.
 *
 *   const panel = new pv.StepPanel(element, model, {onSelect: (message) => ...});
 *   panel.show(step);
 *
 * A polite live region says each step in one sentence.
 */
(function (pv) {
  'use strict';

  const MESSAGES_MAX = 12;

  pv.StepPanel = class {
    constructor(element, model, options = {}) {
      this.model = model;
      this.options = options;
      this.where = pv.el('p', { class: 'pv-where' });
      this.what = pv.el('p', { class: 'pv-what' });
      this.why = pv.el('p', { class: 'pv-why' });
      this.rule = pv.el('p', { class: 'pv-ruletext' });
      this.messages = pv.el('ul', { class: 'pv-messages', 'aria-label': 'Messages of this step' });
      this.lines = pv.el('dl', { class: 'pv-lines' });
      this.live = pv.el('p', { class: 'pv-unseen', role: 'status', 'aria-live': 'polite' });
      element.classList.add('pv-step');
      element.append(this.where, this.what, this.why, this.rule, this.messages, this.lines, this.live);
    }

    show(step) {
      const event = this.model.event(step);
      if (!event) return this._nothing();
      const { model } = this;
      const parts = [`Step ${step} of ${model.length - 1}`, pv.time(model, event), pv.place(event)];
      this.where.replaceChildren(parts.filter(Boolean).join(' \u00b7 '));
      this.what.replaceChildren(sentence(pv.headline(model, step)));
      this._why(event);
      this._messages(event);
      this._lines(step);
      this.live.textContent = pv.sentence(model, step);
    }

    /** The sentence, the rule's name, and what the rule says. */
    _why(event) {
      const known = event.rule !== undefined && Object.hasOwn(this.model.rules, event.rule);
      const rule = known ? this.model.rules[event.rule] : null;
      this.why.replaceChildren(event.why ?? '',
        event.rule ? pv.el('span', { class: 'pv-rule', title: 'the rule\u2019s name' }, event.rule) : '');
      this.why.hidden = !event.why && !event.rule;
      this.rule.textContent = rule ? `${rule.text} (${rule.source})` : '';
      this.rule.hidden = !rule;
    }

    _nothing() {
      for (const part of [this.what, this.why, this.rule, this.messages, this.lines]) part.replaceChildren();
      this.where.textContent = 'Nothing has happened yet.';
    }

    _messages(event) {
      const got = this.model.messageOf(event);
      const entries = got ? [['in', got]] : [];
      for (const message of event.sent ?? []) entries.push(['out', message]);
      const items = entries.slice(0, MESSAGES_MAX).map(([way, message]) => this._item(way, message));
      if (entries.length > MESSAGES_MAX) {
        items.push(pv.el('li', {}, `and ${entries.length - MESSAGES_MAX} messages more`));
      }
      this.messages.replaceChildren(...items);
      this.messages.hidden = items.length === 0;
    }

    _item(way, message) {
      const route = way === 'in' ? `from ${message.from}` : `to ${message.to}`;
      const said = way === 'in' ? 'message' : 'sends';
      const button = pv.button(message.text || message.kind,
        () => this.options.onSelect?.(message), { class: 'pv-link', 'data-message': message.id });
      return pv.el('li', {}, pv.el('span', { class: 'pv-way' }, `${said} ${route}`), button);
    }

    _lines(step) {
      const { clock } = this.model.event(step);
      const lines = pv.consequences(this.model, step);
      if (clock) lines.push({ kind: 'clock', text: pv.clockText(clock) });
      const rows = lines.flatMap((line, at, all) => [
        pv.el('dt', {}, at > 0 && all[at - 1].kind === line.kind ? '' : line.kind),
        pv.el('dd', {}, line.text),
      ]);
      this.lines.replaceChildren(...rows);
      this.lines.hidden = rows.length === 0;
    }
  };

  function sentence(text) {
    return text.slice(0, 1).toUpperCase() + text.slice(1);
  }
})((globalThis.PaxosViewer ??= {}));
