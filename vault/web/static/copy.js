// Buttons that copy the text of another element: <button data-copies="its id" hidden>.

const CLEARED_AFTER_MS = 30_000;
const TOLD_FOR_MS = 2_000;

// Writes to the clipboard, says so on the button, and takes it away again later.
export async function toClipboard(text, button) {
  const before = [...button.childNodes];
  await navigator.clipboard.writeText(text);
  button.replaceChildren("Copied");
  setTimeout(() => button.replaceChildren(...before), TOLD_FOR_MS);
  setTimeout(() => forget(text), CLEARED_AFTER_MS);
}

// A page that lost the focus may not write; and what somebody else has copied meanwhile is theirs.
async function forget(text) {
  try {
    if ((await navigator.clipboard.readText()) !== text) return;
  } catch {
    // Without leave to read we cannot tell whose it is, and clear it.
  }
  try {
    await navigator.clipboard.writeText("");
  } catch {
    // Another page has the focus: it is out of our hands.
  }
}

for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", () => toClipboard(document.getElementById(button.dataset.copies).textContent, button));
}
