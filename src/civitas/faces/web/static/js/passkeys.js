// Passkeys (W3C Web Authentication level 3): sign in, prove again, add one. The server speaks base64url, browsers
// speak bytes. Elements: [data-passkey-sign-in], [data-passkey-prove], [data-passkey-add], each with a
// [data-passkey-begin] button and a [data-passkey-problem] line; they stay hidden where passkeys do not work.
import { $, claim, csrfToken, onContent } from "./dom.js";

function bytes(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (ch) => ch.charCodeAt(0));
}

function text(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

const named = (list) => list?.map((found) => ({ ...found, id: bytes(found.id) }));

async function ask(path, body = {}) {
  const response = await fetch(path, {
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/json", "x-csrf-token": csrfToken() },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  if (answer.code === "prove_again") {
    location.assign(`/account/prove?returnUrl=${encodeURIComponent(location.pathname)}`);
    return new Promise(() => {});
  }
  throw new Error(answer.error ?? "That did not work. Please try again.");
}

async function assertion() {
  const { ticket, options } = await ask("/login/passkey/begin");
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: named(options.allowCredentials),
  };
  const found = await navigator.credentials.get({ publicKey });
  const { response } = found;
  return {
    ticket,
    answer: {
      id: found.id,
      rawId: text(found.rawId),
      type: found.type,
      authenticatorAttachment: found.authenticatorAttachment,
      clientExtensionResults: found.getClientExtensionResults(),
      response: {
        authenticatorData: text(response.authenticatorData),
        clientDataJSON: text(response.clientDataJSON),
        signature: text(response.signature),
        userHandle: response.userHandle ? text(response.userHandle) : null,
      },
    },
  };
}

async function attestation() {
  const { ticket, options } = await ask("/account/security/passkeys/begin");
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: named(options.excludeCredentials),
  };
  const made = await navigator.credentials.create({ publicKey });
  const { response } = made;
  return {
    ticket,
    answer: {
      id: made.id,
      rawId: text(made.rawId),
      type: made.type,
      authenticatorAttachment: made.authenticatorAttachment,
      clientExtensionResults: made.getClientExtensionResults(),
      response: {
        attestationObject: text(response.attestationObject),
        clientDataJSON: text(response.clientDataJSON),
        transports: response.getTransports?.() ?? [],
      },
    },
  };
}

// The browser's own words are for developers; these are for people.
function words(error) {
  if (error.name === "NotAllowedError") return "That was cancelled, or took too long.";
  if (error.name === "InvalidStateError") return "This device has a passkey for your account already.";
  if (error.name === "SecurityError") return "Passkeys do not work under this address.";
  return error.message;
}

function wire(root, selector, run) {
  for (const place of claim(root, selector, "Passkey")) {
    if (!window.PublicKeyCredential || !navigator.credentials) continue;
    place.hidden = false;
    const button = $("[data-passkey-begin]", place);
    const problem = $("[data-passkey-problem]", place);
    button.addEventListener("click", async () => {
      problem.hidden = true;
      button.setAttribute("aria-busy", "true");
      try {
        const { location: next } = await run(place);
        const same = next.split("#")[0] === location.pathname;
        location.assign(next);
        if (same) location.reload();
      } catch (error) {
        problem.textContent = words(error);
        problem.hidden = false;
        button.removeAttribute("aria-busy");
      }
    });
  }
}

onContent((root) => {
  wire(root, "[data-passkey-sign-in]", async (place) =>
    ask("/login/passkey/finish", { ...(await assertion()), returnUrl: place.dataset.returnUrl }),
  );
  wire(root, "[data-passkey-prove]", async (place) =>
    ask("/account/prove/passkey", { ...(await assertion()), returnUrl: place.dataset.returnUrl }),
  );
  wire(root, "[data-passkey-add]", async (place) =>
    ask("/account/security/passkeys/finish", { ...(await attestation()), name: $("[data-passkey-name]", place).value }),
  );
});
