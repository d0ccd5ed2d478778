// Copies a secret, and clears the clipboard after 30 seconds, or when this page next has the focus.

const KEPT_MS = 30_000;

let timer = 0;
let isOurs = false;
let cleared = () => {};

// `text` may be a promise, because browsers allow copying only during the click. `whenCleared` is called after clearing.
export async function copy(text, whenCleared = () => {}) {
  const blob = Promise.resolve(text).then((found) => new Blob([found], { type: "text/plain" }));
  await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
  clearTimeout(timer);
  isOurs = true;
  cleared = whenCleared;
  timer = setTimeout(clear, KEPT_MS);
}

async function clear() {
  if (!isOurs) return;
  try {
    await navigator.clipboard.writeText("");
    isOurs = false;
    cleared();
  } catch {
    // Only a page with the focus may write to the clipboard.
    addEventListener("focus", clear, { once: true });
  }
}

// The person has copied something else. Do not clear that.
document.addEventListener("copy", () => { isOurs = false; });
