// The table of one environment, edited in place and saved as one revision.

import { copy } from "./clipboard.js";
import { Following } from "./following.js";
import { Merging } from "./merging.js";
import { Row, visible, watch } from "./row.js";
import { Refusal, ask } from "./wire.js";

const at = (id) => document.getElementById(id);
const form = at("table");
const table = form.querySelector("table");
const search = at("q");
const { home } = form.dataset;
const touched = new Set();
const REDRAWN_MOST = 100;
const RETRIES_MOST = 3;
const GONE = "The environment was deleted elsewhere, so nothing was saved. What you typed stays on this page: restore the environment in another tab, then save again.";
const PASTED_MOST = 500;
let { etag } = form.dataset;
let revision = Number(form.dataset.revision);
let isBusy = false;
// Settles when no save is on its way.
let saving = Promise.resolve();
// What others had changed before the save that goes on by itself.
let beneath = "";

const allRows = () => [...table.tBodies].flatMap((body) => [...body.rows]);
const changed = () => allRows().map((tr) => Row.of(tr)).filter((row) => touched.has(row) && row.isChanged);
const byName = () => new Map(allRows().map((tr) => Row.of(tr)).filter((row) => !row.isGone).map((row) => [row.now.name, row]));

// -- Messages --

function say(sentence) {
  at("say").textContent = at("told").textContent = visible(sentence);
  tell();
}

function tell() {
  const count = [...touched].filter((row) => row.isChanged).length;
  at("count").textContent = count ? `${count} unsaved change${count === 1 ? "" : "s"}.` : "";
  at("save").hidden = at("discard").hidden = !count;
  if (count) at("undo-saved").hidden = true;
  at("all-mine").hidden = at("all-theirs").hidden = merging.asked.size < 2;
  at("unsaved").hidden = !count && !at("say").textContent;
  document.title = document.title.replace(/^• /, "");
  if (count) document.title = `• ${document.title}`;
}

async function trying(action) {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    say(error.message);
  }
}

// -- Rows --

function touch(row) {
  touched.add(row);
  tell();
}

function blank() {
  const last = at("new-rows").lastElementChild;
  if (last && !Row.of(last).isChanged) return Row.of(last);
  const row = Row.fresh();
  at("new-rows").append(row.tr);
  row.open();
  return row;
}

function undo(row) {
  // Without the change that was typed here, there is nothing to choose.
  if (row.question) return merging.decide(row, "theirs");
  touched.delete(row);
  if (row.was) {
    row.undo();
    row.tr.querySelector("a").focus();
  } else {
    row.tr.remove();
    blank().open("name");
  }
  tell();
}

function remove(row) {
  row.remove();
  touch(row);
}

async function valueOf(row) {
  if (row.isShown) return row.now.value;
  const { values } = await ask(`${home}/values`, { name: row.was.name });
  return values[row.was.name];
}

function reveal(row, field) {
  return trying(async () => {
    const value = await valueOf(row);
    row.show(value);
    if (field) row.field(field)?.focus();
    else row.tr.querySelector("a")?.focus();
  });
}

function copyValue(row) {
  return trying(async () => {
    const value = valueOf(row);
    await copy(value, () => say("The clipboard was cleared.")).catch(async (error) => {
      await value;
      throw new Refusal({ message: `The browser does not allow copying here (${error.name}).` });
    });
    say(`${row.now.name} was copied. The clipboard will be cleared in 30 seconds.`);
  });
}

const actions = {
  reveal: (row) => reveal(row, "value"),
  copy: copyValue,
  delete: (row) => { remove(row); row.tr.querySelector("[data-do]").focus(); },
  undo,
  mine: (row) => merging.decide(row, "mine"),
  theirs: (row) => merging.decide(row, "theirs"),
  both: (row) => trying(async () => row.showBoth(await valueElsewhere(row))),
};

async function valueElsewhere({ question }) {
  const { name } = question.theirs;
  const { values } = await ask(`${home}/values`, { name });
  return values[name];
}

table.addEventListener("click", (event) => {
  const tr = event.target.closest("tbody tr");
  if (!tr || event.target.closest(".pick")) return;
  const row = Row.of(tr);
  const button = event.target.closest("[data-do]");
  if (button) return void actions[button.dataset.do](row);
  if (event.target.closest(".dots")) {
    event.preventDefault();
    return void reveal(row);
  }
  const isLink = event.target.closest("a");
  if (row.isEditing || (isLink && (event.ctrlKey || event.metaKey || event.shiftKey))) return;
  event.preventDefault();
  if (!isLink && String(getSelection())) return;
  const cell = event.target.closest("td, th").className;
  row.open({ value: "value", type: "type", use: "enabled", about: "description" }[cell] ?? "name");
});

table.addEventListener("input", (event) => {
  if (!event.target.dataset.is) return;
  const row = Row.of(event.target.closest("tr"));
  row.typed(event.target);
  touch(row);
  blank();
});

table.addEventListener("keydown", (event) => {
  if (!event.target.dataset.is || event.isComposing) return;
  const row = Row.of(event.target.closest("tr"));
  if (event.key === "Escape") {
    event.preventDefault();
    undo(row);
  } else if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    if (row.was || !row.isChanged) save();
    else blank().open("name");
  }
});

// Take a block of lines that is pasted into an empty row.
table.addEventListener("paste", (event) => {
  const text = event.clipboardData.getData("text/plain");
  const row = event.target.dataset.is && Row.of(event.target.closest("tr"));
  const isBlock = text.includes("=") && (text.trim().includes("\n") || event.target.dataset.is === "name");
  if (!row || row.was || row.isChanged || !isBlock) return;
  event.preventDefault();
  // Adding a row takes longer the more rows there are.
  if (text.trim().split("\n").length > PASTED_MOST) {
    return say(`More than ${PASTED_MOST} lines are too many for the table. Use Import, which shows what would change.`);
  }
  trying(async () => {
    const read = await ask("/lines", { text });
    take(read.rows);
    blank().open("name");
    say([`${read.rows.length} rows were read. Nothing is saved yet.`, ...read.warnings].join(" "));
  });
});

// A pasted line changes the row with its name, or makes a new row.
function take(lines) {
  const known = byName();
  const added = [];
  for (const { name, value } of lines) {
    const found = known.get(name);
    const row = found ?? Row.fresh({ name });
    row.now.value = value;
    row.draw();
    if (!found) added.push(row.tr);
    touched.add(row);
  }
  at("new-rows").lastElementChild.before(...added);
  tell();
}

// -- Saving --

function save(retries = RETRIES_MOST) {
  const rows = changed();
  if (isBusy || !rows.length) return;
  if (merging.asked.size) return merging.demand();
  if (retries === RETRIES_MOST) beneath = "";
  isBusy = at("save").disabled = true;
  saving = send(rows, retries);
}

async function send(rows, retries) {
  const focused = rows.find((row) => row.tr.contains(document.activeElement));
  try {
    const states = rows.map((row) => row.state);
    const sent = { etag, revision, edits: rows.map((row) => row.edit) };
    saved(rows, states, await ask(`${home}/save`, sent));
    focused?.tr.querySelector("a")?.focus();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refused(rows, error.told, retries);
  } finally {
    isBusy = at("save").disabled = false;
  }
}

// `states` are the rows as they were sent. More may have been typed since then.
function saved(rows, states, told) {
  rows.forEach((row, position) => settle(row, states[position]));
  // Reload the page if others' changes are missing here, or if there are so many changes that the server draws them faster.
  if (!changed().length && (merging.isStale || rows.length > REDRAWN_MOST)) {
    return location.assign(`${home}?said=${told.warnings.length ? "saved-odd" : "saved"}`);
  }
  const undoing = at("undo-saved").querySelector("form").elements;
  undoing.revision.value = revision;
  undoing.etag.value = etag = told.etag;
  revision = told.revision;
  at("undo-saved").hidden = !told.changed;
  merging.count("changed just now");
  say([`Saved as revision ${revision}.`, beneath, ...told.warnings].filter(Boolean).join(" "));
}

function settle(row, state) {
  row.settle(state);
  row.isChanged && !(state.isGone && row.isGone) ? touched.add(row) : touched.delete(row);
  if (state.isGone && row.isGone) row.tr.remove();
  else if (row.was && row.tr.parentElement === at("new-rows")) at("rows").append(row.tr);
}

function refused(rows, told, retries) {
  if (told.code === "precondition_failed") return conflict(told, retries);
  if (told.code === "not_found") return say(GONE);
  const [, position, field] = /^(\d+)\.(\w+)/.exec(told.path ?? "") ?? [];
  const row = rows[position];
  if (!row) return say(told.message);
  row.open(field);
  if (!row.fault(field, told.message)) return say(`${row.now.name}: ${told.message}`);
  say("Nothing was saved: correct the marked row first.");
}

// Others have saved before. Take their changes over, and save again on top of them unless the person has to choose.
function conflict(told, retries) {
  const what = merging.take(told);
  if (merging.asked.size || merging.isStale || !retries) return;
  beneath = what;
  queueMicrotask(() => save(retries - 1));
}

const page = {
  home, say, tell, blank, touched,
  get revision() { return revision; },
  async idle() { while (isBusy) await saving; },
  learn: (news) => { ({ etag, revision } = news); },
  isListed: (name) => name.toLowerCase().includes(search.defaultValue.trim().toLowerCase()),
  filter: () => { if (!search.defaultValue && search.value) find(); },
};
const merging = new Merging(page);

// -- The whole table --

at("save").addEventListener("click", () => save());
at("discard").addEventListener("click", () => {
  merging.decideAll("theirs");
  for (const row of [...touched]) row.was ? row.undo() : row.tr.remove();
  touched.clear();
  blank();
  say("Your changes were discarded.");
});
for (const choice of ["mine", "theirs"]) {
  at(`all-${choice}`).addEventListener("click", () => {
    merging.decideAll(choice);
    (at("save").hidden ? search : at("save")).focus();
  });
}

at("show-all").addEventListener("click", (event) => trying(async () => {
  const button = event.currentTarget;
  const rows = [...at("rows").rows].map((tr) => Row.of(tr));
  if (button.ariaPressed === "true") {
    for (const row of rows) row.hide();
  } else {
    const { values } = await ask(`${home}/values`, {});
    for (const row of rows) if (Object.hasOwn(values, row.was.name)) row.show(values[row.was.name]);
  }
  button.ariaPressed = button.ariaPressed === "true" ? "false" : "true";
}));

at("references").addEventListener("click", (event) => {
  event.preventDefault();
  trying(async () => {
    const { resolved, warnings } = await ask(`${home}/references`, {});
    const rows = [...at("rows").rows].map((tr) => Row.of(tr));
    for (const row of rows) {
      const name = row.was.name;
      const broken = warnings.filter((warning) => warning.name === name).map(({ text }) => ({ kind: "broken", text }));
      const notes = broken.length || !Object.hasOwn(resolved, name) ? broken : [{ kind: "resolved", text: resolved[name] }];
      if (!notes.length && !row.notes.length) continue;
      row.note(notes);
    }
    const told = warnings.filter((warning) => !rows.some((row) => row.was.name === warning.name));
    const broken = warnings.length - told.length;
    const count = Object.keys(resolved).length;
    const summary = count ? `${count} variable${count === 1 ? " refers" : "s refer"} to others; ${broken} reference${broken === 1 ? " is" : "s are"} broken.` : "No variable refers to another one.";
    say([summary, ...told.map(({ text }) => text)].join(" "));
  });
});

const chosen = () => [...form.querySelectorAll("#rows .pick input:checked")];
const offerDeletion = () => at("delete-chosen")?.toggleAttribute("hidden", !chosen().length);
at("pick-all").addEventListener("change", (event) => {
  const boxes = form.querySelectorAll("#rows tr:not([hidden]) .pick input:not([hidden])");
  for (const box of boxes) box.checked = event.target.checked;
});
table.addEventListener("change", offerDeletion);
at("delete-chosen")?.addEventListener("click", (event) => {
  event.preventDefault();
  for (const box of chosen()) remove(Row.of(box.closest("tr")));
  at("pick-all").checked = false;
  offerDeletion();
  at("save").focus();
});
offerDeletion();

function find() {
  const wanted = search.value.trim().toLowerCase();
  for (const tr of at("rows").rows) {
    const name = tr.querySelector(".name a")?.textContent.toLowerCase();
    tr.hidden = Boolean(wanted && name !== undefined && !name.includes(wanted));
  }
}

if (!search.defaultValue) {
  search.addEventListener("input", find);
  search.form.addEventListener("submit", (event) => { event.preventDefault(); find(); });
}

form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "s") return;
  event.preventDefault();
  if (changed().length) save();
  else say("Nothing has changed since the last save.");
});
addEventListener("beforeunload", (event) => { if (changed().length) event.preventDefault(); });

for (const tr of at("rows").rows) watch(tr);
blank();
new Following(page, merging).start();
