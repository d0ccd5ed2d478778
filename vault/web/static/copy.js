// Buttons that copy the text of another element, <button data-copies="its id" hidden>, or print the page: data-prints.

import { copy } from "./clipboard.js";

const TOLD_FOR_MS = 2_000;

// Copies the text, and shows this on the button.
export async function toClipboard(text, button) {
  const before = [...button.childNodes];
  await copy(text);
  button.replaceChildren("Copied");
  setTimeout(() => button.replaceChildren(...before), TOLD_FOR_MS);
}

for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", () => toClipboard(document.getElementById(button.dataset.copies).textContent, button));
}

for (const button of document.querySelectorAll("[data-prints]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
