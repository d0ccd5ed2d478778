// Keeps the table up to date: asks for the news whenever the stream tells of a change, and takes them over.

import { Live } from "./live.js";
import { deleted } from "./merge.js";
import { Refusal, ask } from "./wire.js";

const PAUSE_MS = 1_000;

const at = (id) => document.getElementById(id);
const pause = () => new Promise((done) => setTimeout(done, PAUSE_MS));

export class Following {
  #isAsking = false;
  #isAskedAgain = false;
  #isGone = false;
  #hadTrouble = false;

  // `page` is what the editor knows, and `merging` takes the news over.
  constructor(page, merging) {
    Object.assign(this, { page, merging });
    const { home } = page;
    this.id = home.startsWith("/environments/") ? home.split("/")[2] : null;
    const about = this.id ? `environment=${encodeURIComponent(this.id)}` : "globals=true";
    this.live = new Live(`/changes?${about}`, { heard: (message) => this.#heard(message), told: (words) => this.#told(words) });
  }

  start() {
    this.live.start();
  }

  #told(words) {
    const wasTrouble = this.#hadTrouble;
    this.#hadTrouble = Boolean(words);
    at("live").textContent = words || (wasTrouble ? "Changes made elsewhere are shown again." : "");
  }

  async #heard(message) {
    if (message.type === "hello") return this.#catchUp();
    if (message.type !== "change" && message.type !== "gone") return;
    if (message.environment && !this.#isOurs(message.environment)) return this.merging.forget();
    // The answer to a save of this page may come after the news of it.
    await this.page.idle();
    if (message.kind === "write" && message.revision === this.page.revision) return;
    await this.#catchUp();
  }

  #isOurs({ id, name }) {
    return this.id ? id === this.id : name === null;
  }

  async #catchUp() {
    this.#isAskedAgain = true;
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      while (this.#isAskedAgain) {
        this.#isAskedAgain = false;
        await this.#ask();
        await pause();
      }
    } finally {
      this.#isAsking = false;
    }
  }

  async #ask() {
    await this.page.idle();
    const { revision } = this.page;
    try {
      const news = await ask(`${this.page.home}/news`, { revision });
      await this.page.idle();
      // A save went through in between, so these news are about an older revision than the page shows now.
      if (this.page.revision !== revision) this.#isAskedAgain = true;
      else this.#take(news);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#refused(error.told);
    }
  }

  #take(news) {
    const told = this.merging.take(news);
    if (this.#isGone && !told) this.page.say("The environment was restored.");
    this.#isGone = false;
  }

  #refused({ code, message }) {
    if (code === "not_found") {
      if (!this.#isGone) this.page.say(deleted([...this.page.touched].some((row) => row.isChanged)));
      this.#isGone = true;
    } else if (code === "forbidden") {
      // Somebody else has logged in to this browser. Their changes are none of this page's.
      this.live.rest();
      this.#told(message);
    } else {
      this.live.again();
    }
  }
}
