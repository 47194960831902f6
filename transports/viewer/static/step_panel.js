/**
 * What happened at the current step: where, what, why by which rule, and what followed.
 *
 *   const panel = new pv.StepPanel(element, model, {onSelect: (message) => ..., selectTitle, details});
 *   panel.show(step);
 *
 * `selectTitle` is what a page's `onSelect` does with a message, for the pointer that rests on it.
 * What followed goes into the element `details`, where there is one.
 *
 * A polite live region says each step in one sentence; while `playing()`, about one a second.
 */
(function (pv) {
  'use strict';

  const LINES_MAX = 12;
  const NODES_MAX = 32;
  const SAID_MILLISECONDS = 1000;
  // What the network did to a message that nobody got at this step.
  const CAME = Object.assign(Object.create(null), { lose: 'lost', copy: 'doubled' });

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
      this.step = -1;
      this.said = -Infinity;
      this.live = pv.el('p', { class: 'pv-unseen', role: 'status', 'aria-live': 'polite' });
      element.classList.add('pv-step');
      element.append(this.where, this.what, this.why, this.rule, this.live);
      (options.details ?? element).append(this.messages, this.lines);
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
      this._say(step);
    }

    /** Playing ends: the step where it ended is heard, if it was not. */
    settle() {
      this._say(this.step);
    }

    _say(step) {
      this.step = step;
      if (!this.model.event(step)) return;
      const now = performance.now();
      // Who listens cannot follow sixteen sentences a second.
      if (this.options.playing?.() && now - this.said < SAID_MILLISECONDS) return;
      this.said = now;
      const text = pv.sentence(this.model, step);
      if (this.live.textContent !== text) this.live.textContent = text;
    }

    /** The sentence, the rule's name, and what the rule says. */
    _why(event) {
      const known = event.rule !== undefined && Object.hasOwn(this.model.rules, event.rule);
      const rule = known ? this.model.rules[event.rule] : null;
      const named = event.rule !== undefined && !event.why?.includes(`(${event.rule})`);
      this.why.replaceChildren(event.why ?? '',
        named && !rule ? pv.el('span', { class: 'pv-rule' }, event.rule) : '');
      this.why.hidden = !this.why.textContent;
      const source = rule?.source.replace('this project', 'a rule of this project');
      this.rule.replaceChildren(...(rule
        ? [pv.el('strong', {}, event.rule), `: ${rule.text} (${source})`] : []));
      this.rule.hidden = !rule;
    }

    _nothing() {
      for (const part of [this.what, this.why, this.rule, this.messages, this.lines]) part.replaceChildren();
      this.where.textContent = 'Nothing has happened yet.';
    }

    /** The message that came, and those that left: one line for all that say the same. */
    _messages(event) {
      const got = this.model.messageOf(event);
      const items = got ? [this._item(CAME[event.kind] ?? 'got', [got], 'from')] : [];
      const sent = new Map();
      for (const message of event.sent ?? []) {
        const text = message.text || message.kind;
        sent.set(text, [...(sent.get(text) ?? []), message]);
      }
      for (const messages of [...sent.values()].slice(0, LINES_MAX)) {
        items.push(this._item('sent', messages, 'to'));
      }
      if (sent.size > LINES_MAX) items.push(pv.el('li', {}, `and ${sent.size - LINES_MAX} messages more`));
      this.messages.replaceChildren(...items);
      this.messages.hidden = items.length === 0;
    }

    _item(word, messages, way) {
      const text = messages[0].text || messages[0].kind;
      const buttons = messages.slice(0, NODES_MAX).map((message) => {
        const name = `${way} ${message[way]}`;
        return pv.button(name, () => this.options.onSelect?.(message),
          { class: 'pv-small', 'data-message': message.id, title: this.options.selectTitle,
            'aria-label': `${word} ${name}: ${text}` });
      });
      return pv.el('li', {}, pv.el('span', { class: 'pv-way' }, word), pv.el('span', {}, text, ' ', ...buttons));
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
