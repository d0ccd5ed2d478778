// How a script asks the server: with the page's own token, in JSON, and with errors that carry a sentence.

export class Refusal extends Error {
  constructor(told) {
    super(told.message);
    this.told = told;
  }
}

let token = document.querySelector("input[name=csrf_token]").value;

export async function ask(path, body) {
  let answer = await send(path, body);
  // Whoever had to log in again, in another tab, must not lose what was typed here.
  if (answer.status === 403 && await renew()) answer = await send(path, body);
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal({ message: "The server could not do that. Try again.", ...told });
  return told;
}

async function send(path, body) {
  const headers = { "Accept": "application/json", "Content-Type": "application/json", "X-CSRF-Token": token };
  try {
    return await fetch(path, { method: "POST", headers, body: JSON.stringify(body), redirect: "error" });
  } catch {
    throw new Refusal({ message: "The server does not answer. Nothing you typed is lost: try again." });
  }
}

// The token of the session that this browser has now; whether it is another one. Of the same person: what stands on this
// page must not get into the account of whoever else has logged in since.
async function renew() {
  const page = await fetch(location.pathname).then((answer) => answer.text(), () => "");
  const found = /name="csrf_token" value="([0-9a-f]+)"/.exec(page)?.[1];
  const person = /data-person="([0-9a-f]+)"/.exec(page)?.[1];
  if (!found || found === token || person !== document.querySelector("[data-person]").dataset.person) return false;
  token = found;
  for (const field of document.querySelectorAll("input[name=csrf_token]")) field.value = found;
  return true;
}
