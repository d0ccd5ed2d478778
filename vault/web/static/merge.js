// Decides what changes made elsewhere do to the rows of this page, and says it in words. Knows no document.

export const FIELDS = ["value", "type", "enabled", "literal", "description"];
const WORDS = { enabled: "use", literal: "use" };
const NAMED_MOST = 5;

// Returns one step for each row that the news concern:
//
//   add    a row that is not here yet          drop   a row that was removed
//   take   a row that nobody has touched here  ask    a row that was changed here too: the person chooses
//   unask  a question that is over: the other variable was removed again
//
// `rows` are the facts of this page's rows: `was` (the stored variable, null for a new row), `now`, `isChanged`, `isGone`,
// `isHeld` (somebody works in it) and `question` (an earlier question without an answer). `news` is the server's answer.
export function steps(rows, news) {
  const stored = new Map(rows.filter((row) => row.was).map((row) => [row.was.name, row]));
  const typed = new Map(rows.filter((row) => !row.was && row.now.name).map((row) => [row.now.name, row]));
  const changes = news.is_whole ? compared(stored, news.changes) : news.changes;
  return changes.map((change) => stepOf(change, stored.get(change.name), typed.get(change.name))).filter(Boolean);
}

function stepOf(change, row, typed) {
  if (change.kind === "removed") {
    if (!row) return typed?.question ? { do: "unask", row: typed, change } : null;
    // Nothing is new if the person has been asked this before.
    if (row.question && !row.question.theirs) return null;
    const isOpen = !row.isGone && (row.isChanged || row.isHeld || row.question);
    return { do: isOpen ? "ask" : "drop", row, change };
  }
  if (row) return { do: row.isChanged || row.question ? "ask" : "take", row, change };
  if (typed) return { do: "ask", row: typed, change };
  // A page of a search does not have every row.
  return change.kind === "added" ? { do: "add", change } : null;
}

// The page's revision cannot be read any more, so the news have every variable. Values may differ without a sign of it.
function compared(stored, listed) {
  const names = new Set(listed.map((change) => change.name));
  const removed = [...stored.keys()].filter((name) => !names.has(name)).map((name) => ({ name, kind: "removed" }));
  return [...removed, ...listed.map((change) => comparedOne(change, stored.get(change.name)))];
}

function comparedOne(change, row) {
  if (!row) return { ...change, kind: "added", fields: FIELDS };
  const fields = FIELDS.filter((field) => field === "value" || change.row[field] !== row.was[field]);
  return { ...change, kind: fields.length > 1 ? "changed" : "unknown", fields };
}

// Returns the row's variable, stored and typed, once the person has decided. Null as `was` makes it a new row.
export function decided(choice, row) {
  const { theirs, fields } = row.question;
  if (choice === "theirs") return theirs && { was: { ...theirs }, now: { ...theirs }, isGone: false };
  if (!theirs) return { was: null, now: { ...row.was, ...row.now, value: row.now.value ?? "" }, isGone: false };
  const was = { ...theirs, ...shownValue(row, fields) };
  if (!row.was) return { was, now: { ...row.now }, isGone: false };
  const mine = Object.fromEntries(Object.keys(row.now).filter((key) => row.now[key] !== row.was[key]).map((key) => [key, row.now[key]]));
  return { was, now: row.isGone ? { ...was } : { ...was, ...mine }, isGone: row.isGone };
}

// Returns a row that nobody has touched, as it is elsewhere. A value that is shown stays if it is the same there.
export function taken(row, { row: theirs, fields }) {
  const was = { ...theirs, ...shownValue(row, fields) };
  return { was, now: { ...was }, isGone: false };
}

const shownValue = (row, fields) => (row.was?.value === undefined || fields.includes("value") ? {} : { value: row.was.value });

// -- Words --

const list = (items) => (items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`);

export function ago(seconds) {
  if (seconds < 60) return "just now";
  const [count, word] = seconds < 3600 ? [seconds / 60, "minute"] : seconds < 86400 ? [seconds / 3600, "hour"] : [seconds / 86400, "day"];
  return `${Math.floor(count)} ${word}${Math.floor(count) === 1 ? "" : "s"} ago`;
}

// "Changed elsewhere by token ci just now"
export function origin({ by, age_seconds }) {
  return `Changed elsewhere${by.length ? ` by ${list(by)}` : ""} ${ago(age_seconds)}`;
}

// What was changed elsewhere, and what the person has to decide. Empty if there is nothing to tell.
export function sentence(news, done) {
  const told = done.filter(({ change }) => change.kind !== "unknown").map(({ change }) => `${change.name} was ${change.kind}`);
  const asked = done.filter((step) => step.do === "ask").map(({ change }) => change.name);
  if (told.length > NAMED_MOST) told.splice(NAMED_MOST - 1, Infinity, `${told.length - NAMED_MOST + 1} more`);
  if (asked.length > NAMED_MOST) asked.splice(NAMED_MOST - 1, Infinity, `${asked.length - NAMED_MOST + 1} more`);
  const parts = told.length ? [`${origin(news)}: ${told.join(", ")}.`] : [];
  if (asked.length) parts.push(`You have changed ${list(asked)} too. What you typed is kept: choose in the table which to keep.`);
  if (news.is_deleted && news.is_whole) parts.unshift("The current revision was deleted elsewhere. Go back to an older one in the history.");
  return parts.join(" ");
}

// What is said of an environment that was deleted elsewhere. `isTyped`: the page has unsaved changes.
export function deleted(isTyped) {
  const next = isTyped ? "What you typed stays on this page: restore the environment in another tab, then save." : "To go on, restore it in another tab.";
  return `The environment was deleted elsewhere. ${next}`;
}

// What one question says. `question` is { theirs, fields, kind, by, age_seconds }.
export function questionOf(question) {
  if (!question.theirs) return `${origin(question)}: deleted there. Keep mine adds it again.`;
  if (question.kind === "unknown") return "Its value may have been changed elsewhere. Keep mine saves what you typed on top.";
  if (question.kind === "added") return `${origin(question)}: added there with the same name.`;
  return `${origin(question)}: ${list([...new Set(question.fields.map((field) => WORDS[field] ?? field))]) || "something"}.`;
}

// What their side of a variable is, apart from its value.
export function outlineOf({ type, enabled, literal, description }) {
  const use = [enabled ? "" : "off", literal ? "literal" : ""].filter(Boolean);
  return [type === "default" ? "" : type, ...use, description && `“${description}”`].filter(Boolean).join(", ");
}
