// Calls the server from a script: in JSON, with the page's CSRF token. An error has a sentence for people.

export class Refusal extends Error {
  constructor(told) {
    super(told.message);
    this.told = told;
  }
}

let token = document.querySelector("input[name=csrf_token]").value;

export async function ask(path, body) {
  let answer = await send(path, body);
  // A person may have logged in again in another tab. Use the new token, so that nothing typed here is lost.
  if (answer.status === 403 && await renew()) answer = await send(path, body);
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal({ message: "The server could not do this. Try again.", ...told });
  return told;
}

async function send(path, body) {
  const headers = { "Accept": "application/json", "Content-Type": "application/json", "X-CSRF-Token": token };
  try {
    return await fetch(path, { method: "POST", headers, body: JSON.stringify(body), redirect: "error" });
  } catch {
    throw new Refusal({ message: "The server does not answer. Nothing that you typed is lost. Try again." });
  }
}

// Take the token of the browser's present session, and return whether it is a new one. It must be the same person's:
// what was typed on this page must not get into another account.
async function renew() {
  const page = await fetch(location.pathname).then((answer) => answer.text(), () => "");
  const found = /name="csrf_token" value="([0-9a-f]+)"/.exec(page)?.[1];
  const person = /data-person="([0-9a-f]+)"/.exec(page)?.[1];
  if (!found || found === token || person !== document.querySelector("[data-person]").dataset.person) return false;
  token = found;
  for (const field of document.querySelectorAll("input[name=csrf_token]")) field.value = found;
  return true;
}
