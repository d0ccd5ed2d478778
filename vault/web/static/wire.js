// How a script asks the server: with the page's own token, in JSON, and with errors that carry a sentence.

export class Refusal extends Error {
  constructor(told) {
    super(told.message);
    this.told = told;
  }
}

export async function ask(path, body) {
  const headers = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "X-CSRF-Token": document.querySelector("input[name=csrf_token]").value,
  };
  let answer;
  try {
    answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), redirect: "error" });
  } catch {
    throw new Refusal({ message: "The server does not answer. Nothing you typed is lost: try again." });
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal({ message: "The server could not do that. Try again.", ...told });
  return told;
}
