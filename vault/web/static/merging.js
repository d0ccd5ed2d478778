// Brings changes that were made elsewhere into the table, and asks where the same row was changed here.

import { origin, sentence, steps } from "./merge.js";
import { Row, visible } from "./row.js";

const at = (id) => document.getElementById(id);
// Adding a row takes longer the more rows there are.
const DRAWN_MOST = 500;

export class Merging {
  // The rows with an open question.
  asked = new Set();
  // Whether changes of others are missing in the table, because there were too many.
  isStale = false;

  // `page` is what the editor knows: its messages, the touched rows, and the revision and ETag to save on top of.
  constructor(page) {
    this.page = page;
  }

  // Take over the server's answer about what has changed since this page's revision. Returns what the person is told.
  take(news) {
    const { page } = this;
    const isNew = news.revision !== page.revision;
    page.learn(news);
    const renamed = this.#rename(visible(news.name));
    // Looking at five thousand rows takes a while.
    const hasRows = news.is_whole || news.changes.length;
    const rows = hasRows ? [...at("rows").rows, ...at("new-rows").rows].map((tr) => Row.of(tr)) : [];
    const all = steps(rows, news).filter(({ do: what, change }) => what !== "add" || page.isListed(change.name));
    const isLarge = all.filter((step) => step.do !== "ask").length > DRAWN_MOST;
    const done = isLarge ? all.filter((step) => step.do === "ask") : all;
    if (hasRows) this.#draw(done, news);
    if (isNew) {
      at("undo-saved").hidden = true;
      const words = origin(news);
      this.count(words[0].toLowerCase() + words.slice(1));
    }
    const told = [renamed, isLarge ? this.#skip(news) : "", sentence(news, done)].filter(Boolean).join(" ");
    if (told) page.say(told);
    return told;
  }

  // Answer the question of one row: keep "mine" or "theirs".
  decide(row, choice, { isAlone = true } = {}) {
    const { touched, blank, say } = this.page;
    const isLost = !row.question.theirs && row.now.value === undefined;
    const isHeld = row.tr.contains(document.activeElement);
    this.asked.delete(row);
    const isThere = row.decide(choice);
    if (choice === "mine") touched.add(row);
    else touched.delete(row);
    if (!isThere) leave(row.tr, isHeld);
    else if (choice === "theirs" && row.tr.parentElement === at("new-rows")) at("rows").append(row.tr);
    blank();
    say(this.asked.size ? `${this.asked.size} more to choose.` : "Every row is chosen.");
    if (!isThere || !isAlone) return;
    if (choice === "mine" && isLost) {
      row.lose();
    } else {
      row.tr.querySelector("input[data-is], a").focus();
    }
  }

  decideAll(choice) {
    for (const row of [...this.asked]) this.decide(row, choice, { isAlone: false });
  }

  // Tell that nothing can be saved before the questions are answered, and lead to the first.
  demand() {
    const [first] = [...this.asked].sort((one, other) => one.tr.compareDocumentPosition(other.tr) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1);
    this.page.say(`Nothing was saved: first choose what to keep in ${first.now.name}${this.asked.size > 1 ? " and the other marked rows" : ""}.`);
    first.tr.hidden = false;
    first.asking.querySelector("button").focus();
  }

  // Something beneath the environment has changed. Drop what references resolved to.
  forget() {
    const rows = [...at("rows").rows].map((tr) => Row.of(tr)).filter((row) => row.notes.length);
    for (const row of rows) row.note([]);
    if (rows.length) this.page.say("What is beneath this environment was changed elsewhere. Resolve the references again.");
  }

  count(words) {
    const { length } = at("rows").rows;
    at("state").textContent = visible(`Revision ${this.page.revision} · ${length} variable${length === 1 ? "" : "s"} · ${words}`);
    if (!length) return;
    at("nothing")?.remove();
    at("references").parentElement.hidden = false;
  }

  #draw(done, news) {
    const { asked, page } = this;
    const stored = new Map([...at("rows").rows].map((tr) => [Row.of(tr).was?.name, tr]));
    for (const { do: what, row, change } of done) {
      if (what === "add") {
        const { tr } = Row.added(change.row);
        const before = stored.get(change.after);
        before ? before.after(tr) : at("rows").prepend(tr);
        stored.set(change.name, tr);
      } else if (what === "take") {
        row.take(change);
      } else if (what === "drop") {
        page.touched.delete(row);
        leave(row.tr);
      } else if (what === "unask") {
        asked.delete(row);
        row.unask();
      } else {
        asked.add(row);
        row.ask({ theirs: change.row ?? null, fields: change.fields ?? [], kind: change.kind, by: news.by, age_seconds: news.age_seconds });
        row.tr.hidden = false;
      }
    }
    page.tell();
    page.filter();
  }

  // There are more changes than the table can draw in time, so the server draws them. Nothing typed gets lost.
  #skip(news) {
    this.isStale = true;
    if (![...this.page.touched].some((row) => row.isChanged) && !this.asked.size) location.assign(this.page.home);
    return `${origin(news)}: more than ${DRAWN_MOST} rows. This page shows them after you have saved or discarded your changes and loaded it again.`;
  }

  #rename(name) {
    const heading = document.querySelector("h1");
    const before = heading.textContent;
    if (name === before) return "";
    heading.textContent = name;
    document.title = document.title.replace(before, () => name);
    document.querySelector("nav.tabs").ariaLabel = name;
    at("table").querySelector("table").ariaLabel = `Variables of ${name}`;
    return `The environment was renamed elsewhere from ${before} to ${name}.`;
  }
}

// Remove a row. If somebody works in it, the row next to it gets the focus.
function leave(tr, isHeld = tr.contains(document.activeElement)) {
  const near = tr.nextElementSibling ?? tr.previousElementSibling;
  tr.remove();
  if (isHeld) (near?.querySelector("a") ?? at("q")).focus();
}
