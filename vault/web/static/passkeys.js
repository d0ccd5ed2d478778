// Forms that need a passkey: the script asks the browser for one, and sends its answer as a field of the form.
//
//   <form data-passkey="get" data-begin="where a challenge comes from" hidden>   challenge, passkey, [role=alert]
//   <form data-passkey="get" hidden>                                             options holds the challenge already
//   <form data-passkey="create" data-begin="…" hidden>

function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function text(buffer) {
  if (!buffer) return null;
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function decoded(options) {
  const withBytes = (list) => (list ?? []).map((item) => ({ ...item, id: bytes(item.id) }));
  return {
    ...options,
    challenge: bytes(options.challenge),
    ...(options.user && { user: { ...options.user, id: bytes(options.user.id) } }),
    ...(options.allowCredentials && { allowCredentials: withBytes(options.allowCredentials) }),
    ...(options.excludeCredentials && { excludeCredentials: withBytes(options.excludeCredentials) }),
  };
}

function encoded(credential) {
  const { response } = credential;
  const names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const parts = names.filter((name) => response[name]).map((name) => [name, text(response[name])]);
  const { id, type } = credential;
  return JSON.stringify({ id, rawId: text(credential.rawId), type, response: Object.fromEntries(parts) });
}

async function begun(form) {
  const headers = { Accept: "application/json", "X-CSRF-Token": form.elements.csrf_token.value };
  const answer = await fetch(form.dataset.begin, { method: "POST", headers });
  const told = await answer.json();
  if (told.code === "step_up_required") {
    location.assign(`/prove?next=${encodeURIComponent(location.pathname)}`);
    return null;
  }
  if (!answer.ok) throw new Error(told.message);
  form.elements.challenge.value = told.id;
  return told.options;
}

async function complete(form) {
  const options = form.dataset.begin ? await begun(form) : JSON.parse(form.elements.options.value);
  if (options === null) return;
  const publicKey = decoded(options);
  const credential = await navigator.credentials[form.dataset.passkey]({ publicKey });
  form.elements.passkey.value = encoded(credential);
  form.submit();
}

function sentence(error) {
  if (error.name === "InvalidStateError") return "This device already has a passkey for this account.";
  if (error.name === "NotAllowedError") return "Nothing came of it: it was cancelled, or it took too long.";
  return error.message;
}

if (window.PublicKeyCredential) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const trouble = form.querySelector("[role=alert]");
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      trouble.hidden = true;
      try {
        await complete(form);
      } catch (error) {
        trouble.textContent = sentence(error);
        trouble.hidden = false;
      }
    });
  }
}
