// Copying a secret. The clipboard forgets it after half a minute, or when this page has the focus next.

const KEPT_MS = 30_000;

let timer = 0;
let isOurs = false;
let cleared = () => {};

// `text` may be a promise: browsers want the click and the copying to be one. `whenCleared` is called once it is gone.
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
    // Only a page that has the focus may write.
    addEventListener("focus", clear, { once: true });
  }
}

// What is copied by hand after that is not ours to clear.
document.addEventListener("copy", () => { isOurs = false; });
