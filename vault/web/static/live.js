// Follows what is changed elsewhere: one stream of events a tab, opened again after each loss. The events name what has
// changed and have no values: https://html.spec.whatwg.org/multipage/server-sent-events.html has their form.

const HIDDEN_MS = 180_000;
const SILENT_MS = 70_000;
const WAIT_LEAST_MS = 1_000;
const WAIT_MOST_MS = 60_000;
// A browser has six connections to a server that speaks HTTP/1.1 only. Streams must leave some of them for the pages.
const SLOTS = 3;
const KEPT = "What you typed is kept.";

// What the person is told, and whether to try again after a while. Otherwise the tab tries when somebody comes back to it.
const TROUBLES = {
  not_authenticated: [`You are logged out. Log in again in another tab, then come back to this one. ${KEPT}`, false],
  not_found: ["", true],
  too_many_streams: ["Too many pages are open: this one does not show changes made elsewhere until you save or reload it.", true],
  vault_locked: [`The vault is locked. This page tries again. ${KEPT}`, true],
  away: [`The server does not answer, so changes made elsewhere are not shown. This page tries again. ${KEPT}`, true],
  refused: ["This page does not show changes made elsewhere until you save or reload it.", false],
};

// Returns the words for an answer that is no stream, and whether to try again.
export function troubleOf(status, code) {
  if (status === 401) return TROUBLES.not_authenticated;
  if (Object.hasOwn(TROUBLES, code)) return TROUBLES[code];
  return TROUBLES[status >= 500 || status === 0 || status === 429 ? "away" : "refused"];
}

// Returns how long to wait before the next try, with jitter, so that all pages do not come back at once after a restart.
export function waitOf(failures, leastMs, random) {
  const most = Math.min(WAIT_MOST_MS, WAIT_LEAST_MS * 2 ** Math.min(failures, 10));
  return leastMs + most * (0.5 + random / 2);
}

// Returns the events in a text, and the rest of it that is not whole yet. `retry` is in milliseconds.
export function parsed(text) {
  const blocks = text.replaceAll("\r\n", "\n").split("\n\n");
  const rest = blocks.pop();
  return { events: blocks.map(eventOf), rest };
}

function eventOf(block) {
  const fields = block.split("\n").map((line) => /^(\w+): ?(.*)$/.exec(line)).filter(Boolean);
  const all = (name) => fields.filter(([, field]) => field === name).map(([, , value]) => value);
  const [type = "message"] = all("event");
  return { type, data: all("data").join("\n"), retry: Number(all("retry")[0] ?? 0) };
}

export class Live {
  #abort = null;
  #failures = 0;
  #leastMs = 0;
  #timer = 0;
  #hiding = 0;
  #isOver = false;

  // `heard` gets each message, and `told` a sentence about the connection: empty while it works.
  constructor(path, { heard, told }) {
    Object.assign(this, { path, heard, told });
  }

  start() {
    addEventListener("online", () => this.#now());
    addEventListener("focus", () => this.#now());
    addEventListener("pagehide", () => this.#stop());
    document.addEventListener("visibilitychange", () => this.#seen());
    document.hidden ? this.#seen() : this.#open();
  }

  // Close the stream, and open another: the page could not catch up.
  again() {
    this.#abort?.abort();
  }

  // Close the stream until somebody comes back to this tab.
  rest() {
    this.#isOver = true;
    this.#stop();
  }

  #seen() {
    clearTimeout(this.#hiding);
    if (document.hidden) this.#hiding = setTimeout(() => this.#stop(), HIDDEN_MS);
    else this.#now();
  }

  #now() {
    if (this.#abort || document.hidden) return;
    this.#isOver = false;
    this.#open();
  }

  #stop() {
    clearTimeout(this.#timer);
    const abort = this.#abort;
    this.#abort = null;
    abort?.abort();
  }

  async #open() {
    clearTimeout(this.#timer);
    const abort = this.#abort = new AbortController();
    const trouble = await inSlot(() => this.#follow(abort)) ?? TROUBLES.too_many_streams;
    // Somebody has stopped it, or opened another.
    if (this.#abort !== abort) return;
    this.#abort = null;
    const [words, isTriedAgain] = trouble;
    this.#failures += 1;
    // A server that restarts is back before the second try.
    if (words && (trouble !== TROUBLES.away || this.#failures > 1)) this.told(words);
    if (isTriedAgain && !this.#isOver) this.#timer = setTimeout(() => this.#now(), waitOf(this.#failures, this.#leastMs, Math.random()));
  }

  // Read the stream to its end. Returns the trouble.
  async #follow(abort) {
    this.#leastMs = 0;
    try {
      const answer = await fetch(this.path, { headers: { Accept: "text/event-stream" }, cache: "no-store", redirect: "error", signal: abort.signal });
      if (answer.ok) return await this.#read(answer.body, abort);
      this.#leastMs = 1000 * Number(answer.headers.get("Retry-After") ?? 0);
      const { code = "" } = await answer.json().catch(() => ({}));
      if (code === "not_found") this.heard({ type: "gone" });
      return troubleOf(answer.status, code);
    } catch {
      return TROUBLES.away;
    }
  }

  async #read(body, abort) {
    let [rest, silence, end] = ["", 0, TROUBLES.away];
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    try {
      for (;;) {
        // The server sends something every 25 seconds.
        silence = setTimeout(() => abort.abort(), SILENT_MS);
        const { done, value } = await reader.read();
        clearTimeout(silence);
        if (done) return end;
        const found = parsed(rest + value);
        rest = found.rest;
        for (const event of found.events) end = this.#take(event) ?? end;
      }
    } finally {
      clearTimeout(silence);
    }
  }

  // Take one event. Returns the trouble that it tells of.
  #take({ type, data, retry }) {
    if (retry) this.#leastMs = Math.min(retry, WAIT_MOST_MS);
    if (!data) return null;
    const message = JSON.parse(data);
    if (type === "end") return troubleOf(0, message.code);
    if (type === "hello") {
      this.#failures = 0;
      this.told("");
    }
    this.heard(message);
    return null;
  }
}

// Run something in a slot for streams. Returns its result, or undefined if all slots are taken by other tabs.
async function inSlot(run) {
  const [page] = performance.getEntriesByType("navigation");
  if (/^h[23]/.test(page?.nextHopProtocol)) return run();
  for (let slot = 0; slot < SLOTS; slot += 1) {
    const result = await navigator.locks.request(`strongroom-live-${slot}`, { ifAvailable: true }, (lock) => lock && run());
    if (result) return result;
  }
}
