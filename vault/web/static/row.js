// One row of the table: the stored variable, the changes that were typed, what was changed elsewhere, and how all is drawn.

import { decided, outlineOf, questionOf, taken } from "./merge.js";

const BLANK = { name: "", value: "", type: "default", enabled: true, literal: false, description: "" };
const INVISIBLE = /[\p{Cf}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0]/gu;
const known = new WeakMap();
const clone = (id) => document.getElementById(id).content.cloneNode(true);
const part = (id) => clone(id).firstElementChild;

// Show invisible characters as escapes, as the server does in its pages (vault/model/printable.py).
export const visible = (text) => text.replace(INVISIBLE, (character) => {
  const code = character.codePointAt(0);
  const [sign, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return `\\${sign}${code.toString(16).padStart(digits, "0")}`;
});

// Rows get their buttons when they come into view, because five thousand rows would have ten thousand buttons.
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) dress(entry.target);
}, { rootMargin: "300px" });

export const watch = (tr) => seen.observe(tr);

// What the buttons of a row depend on: the shown name, whether the row is deleted, and whether it is new.
const dressedFor = (name, isGone, isNew) => JSON.stringify([name, isGone, isNew]);

function dress(tr) {
  seen.unobserve(tr);
  const cell = tr.querySelector(".do");
  const name = tr.querySelector(".name a").textContent;
  cell.replaceChildren(clone("do"));
  cell.dataset.for = dressedFor(name, false, false);
  for (const hidden of cell.querySelectorAll(".hidden")) hidden.append(name);
}

export class Row {
  static of(tr) {
    return known.get(tr) ?? new Row(tr, was(tr));
  }

  // Make a row that is not saved yet.
  static fresh(given = {}) {
    const row = new Row(part("light"), null, { ...BLANK, ...given });
    // Not a submit button: a form searches for its first submit button whenever one is added.
    row.tr.querySelector(".dots").type = "button";
    row.draw();
    return row;
  }

  // Make a row for a variable that was added elsewhere.
  static added(stored) {
    const row = new Row(part("light"), { ...stored });
    row.elsewhere = "added elsewhere";
    row.draw();
    return row;
  }

  constructor(tr, before, now = { ...before }) {
    Object.assign(this, { tr, was: before, now, kind: "light", isGone: false, isEditing: false, notes: [] });
    Object.assign(this, { elsewhere: "", question: null });
    known.set(tr, this);
  }

  get changes() {
    return Object.keys(BLANK).filter((key) => this.now[key] !== (this.was ?? BLANK)[key]);
  }

  get isChanged() {
    return this.isGone || this.changes.length > 0;
  }

  // Whether somebody works in this row, so that it must not vanish.
  get isHeld() {
    return this.isEditing || this.tr.contains(document.activeElement);
  }

  get isShown() {
    return this.now.value !== undefined;
  }

  // The edit to send to the server: only what has changed.
  get edit() {
    if (this.isGone) return { name: this.was.name, attributes: null };
    const keys = this.was ? this.changes : Object.keys(BLANK);
    return { name: this.was?.name ?? null, attributes: Object.fromEntries(keys.map((key) => [key, this.now[key]])) };
  }

  // Show the stored value. A value that was typed over it stays.
  show(value) {
    if (!this.was) return;
    this.was.value = value;
    this.now.value ??= value;
    this.draw();
  }

  note(notes) {
    this.notes = notes;
    this.draw();
  }

  hide() {
    if (!this.was) return;
    if (this.now.value === this.was.value) delete this.now.value;
    delete this.was.value;
    this.draw();
  }

  open(field) {
    if (this.isGone) return;
    if (!this.isEditing) {
      this.isEditing = true;
      this.draw();
    }
    this.field(field)?.focus();
  }

  undo() {
    this.now = { ...this.was };
    this.isGone = this.isEditing = false;
    this.draw();
  }

  remove() {
    this.undo();
    this.isGone = true;
    this.draw();
  }

  get state() {
    return { now: { ...this.now }, isGone: this.isGone };
  }

  // Note that the server has stored the row as it was in `state`. What was typed since then stays.
  settle({ now, isGone }) {
    this.was = isGone ? null : now;
    if (isGone && this.isGone) return;
    const isLost = isGone && !this.isShown;
    if (isLost) this.now.value = "";
    if (!this.isChanged) this.isEditing = false;
    this.notes = [];
    this.elsewhere = "";
    this.draw();
    if (isLost) this.lose();
  }

  // Ask for a value that is neither stored any more nor on this page.
  lose() {
    this.open("value");
    this.fault("value", "Its stored value is gone, and was not shown here. Type it again.");
  }

  // Take over a change that was made elsewhere. Nobody has touched the row here.
  take(change) {
    Object.assign(this, taken(this, change), { notes: [] });
    if (change.kind !== "unknown") this.elsewhere = "changed elsewhere";
    this.draw();
  }

  // Ask which to keep: the row as it is here, or as it is elsewhere. What is typed stays until the answer.
  ask(question) {
    const before = this.question?.fields ?? [];
    this.question = { ...question, fields: [...new Set([...before, ...question.fields])] };
    const told = (this.asking ??= part("question")).querySelector("p");
    told.textContent = visible(questionOf(this.question));
    this.asking.ariaLabel = visible(`${this.now.name}: changed here and elsewhere`);
    this.asking.querySelector("[data-do=both]").hidden = !question.theirs;
    this.asking.querySelector("dl").hidden = true;
    this.draw();
  }

  // Show both sides below the question. `value` is the stored one.
  showBoth(value) {
    const [mine, theirs] = this.asking.querySelectorAll("dd");
    const sides = [[mine, this.now, this.isGone ? "deleted" : this.now.value], [theirs, this.question.theirs, value]];
    for (const [cell, side, text] of sides) {
      const code = element("code", "shown", text ?? "the stored value");
      cell.replaceChildren(code, ...[outlineOf(side)].filter(Boolean).map((words) => element("p", "small", words)));
    }
    this.asking.querySelector("dl").hidden = false;
  }

  // End the question. Returns whether the row is still there.
  decide(choice) {
    const result = decided(choice, this);
    this.unask();
    if (!result) return false;
    Object.assign(this, result);
    if (choice === "theirs") this.isEditing = false;
    this.draw();
    return true;
  }

  unask() {
    this.question = null;
    this.asking.remove();
    this.asking = null;
    this.mark();
  }

  field(name) {
    return this.tr.querySelector(`[data-is=${name}]`);
  }

  // Take over what was typed into one field.
  typed(input) {
    const key = input.dataset.is;
    this.now[key] = input.type === "checkbox" ? input.checked : input.value;
    if (key === "value") this.now.value = meant(input, this.was);
    this.fault(key, "");
    this.mark();
  }

  fault(key, sentence) {
    const input = this.field(key);
    const note = input?.parentElement.querySelector(".fault");
    if (!note) return false;
    note.id ||= crypto.randomUUID();
    note.textContent = visible(sentence);
    note.hidden = !sentence;
    input.toggleAttribute("aria-invalid", false);
    if (sentence) input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", note.id);
    return true;
  }

  // Keep the cells if possible: in a form of five thousand buttons, removing one takes a walk through all of them.
  draw() {
    const kind = this.isEditing ? "edit" : "light";
    if (this.kind !== kind) this.tr.replaceChildren(...part(kind).children);
    this.kind = kind;
    this.isEditing ? this.#fillInputs() : this.#fillText();
    // Moving an element takes the focus away from its buttons.
    const cell = this.tr.querySelector(".value");
    if (this.question && !cell.contains(this.asking)) cell.append(this.asking);
    this.mark();
  }

  mark() {
    this.tr.className = "";
    const marks = { editing: this.isEditing, off: !this.now.enabled, gone: this.isGone, changed: this.isChanged };
    Object.assign(marks, { asked: Boolean(this.question), elsewhere: Boolean(this.elsewhere) && !this.isChanged });
    for (const [word, is] of Object.entries(marks)) this.tr.classList.toggle(word, is);
    this.tr.querySelector(".state")?.remove();
    const undo = this.tr.querySelector("[data-do=undo]");
    if (undo) undo.hidden = !this.was && !this.isChanged;
    const own = this.isGone ? "deleted" : this.was ? "changed" : "new";
    const word = this.question ? "changed twice" : this.isChanged ? own : this.elsewhere;
    if (word) this.tr.querySelector(".name").append(element("span", "state tag", word));
  }

  #fillInputs() {
    for (const input of this.tr.querySelectorAll("[data-is]")) {
      const value = this.now[input.dataset.is];
      if (input.type === "checkbox") input.checked = value;
      // Setting the same text again would move the caret.
      else if (input.value !== (value ?? "")) input.value = value ?? "";
    }
    this.field("value").placeholder = this.isShown || !this.was ? "Value" : "Hidden. Leave it empty to keep it.";
    this.tr.querySelector("[data-do=reveal]").hidden = this.isShown || !this.was;
    this.tr.querySelector("[data-do=delete]").hidden = !this.was;
  }

  #fillText() {
    const { name, value, type, enabled, literal, description } = this.now;
    const find = (selector) => this.tr.querySelector(selector);
    const link = find("a");
    link.textContent = visible(name) || "(no name)";
    link.href = `?edit=${encodeURIComponent(name)}`;
    const pick = find("input");
    pick.value = name;
    pick.ariaLabel = `Choose ${visible(name)}`;
    pick.hidden = !this.was || this.isGone;
    const dots = find(".dots");
    dots.value = name;
    dots.ariaLabel = `Show ${visible(name)}`;
    dots.hidden = value !== undefined;
    for (const drawn of find(".value").querySelectorAll(":scope > :not(.dots, .question)")) drawn.remove();
    const drawn = value === undefined ? [] : [element("code", "shown", value)];
    dots.after(...drawn, ...this.notes.map((note) => element("p", note.kind, note.text)));
    this.#dress();
    find(".type").textContent = type === "default" ? "" : type;
    find(".use").textContent = [enabled ? "" : "off", literal ? "literal" : ""].filter(Boolean).join(", ");
    find(".about").textContent = visible(description);
  }

  // Keep the buttons if they are right, because one of them may have the focus.
  #dress() {
    const wanted = dressedFor(this.tr.querySelector(".name a").textContent, this.isGone, !this.was);
    const cell = this.tr.querySelector(".do");
    if (cell.dataset.for === wanted) return;
    dress(this.tr);
    cell.dataset.for = wanted;
    if (this.isGone || !this.was) cell.querySelector("[data-do=copy]").remove();
    if (this.isGone) {
      const undo = cell.querySelector("[data-do=delete]");
      undo.dataset.do = "undo";
      undo.firstChild.textContent = "Undo";
    }
  }
}

// Read the variable from a row that the server has drawn. The text of a cell may have escapes.
function was(tr) {
  const text = (selector) => tr.querySelector(selector).textContent;
  const use = text(".use");
  const flags = { enabled: !use.startsWith("off"), literal: use.endsWith("literal") };
  const description = tr.querySelector(".about").dataset.text ?? text(".about");
  return { name: tr.querySelector(".pick input").value, type: text(".type") || "default", ...flags, description };
}

// Return the value that the person means. An unchanged field means the stored value with its own line ends, which a field
// cannot keep. An empty field for a value that was never shown means no change.
function meant(input, before) {
  const typed = input.value;
  if (!before) return typed;
  if (before.value === undefined) return typed || undefined;
  const probe = document.createElement("textarea");
  probe.value = before.value;
  if (typed === probe.value) return before.value;
  const isCrlf = before.value.includes("\r\n") && !/[^\r]\n|^\n/.test(before.value);
  return isCrlf ? typed.replaceAll("\n", "\r\n") : typed;
}

function element(kind, className, text) {
  const made = document.createElement(kind);
  made.className = className;
  made.textContent = visible(text);
  return made;
}
