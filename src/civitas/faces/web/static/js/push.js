// The settings of notifications: [data-push] (with data-push-key, a [data-push-begin] button and a [data-push-problem]
// line) lets this browser be told while the site is closed. It stays hidden where that does not work.
import { $, memory } from "./dom.js";
import { Refused, call } from "./transfer.js";

const KNOWN = "push-endpoint";
const part = $("[data-push]");
const words = part && $("[data-push-problem]", part);

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (ch) => ch.charCodeAt(0));
const same = (buffer, other) => buffer && new Uint8Array(buffer).every((byte, at) => byte === other[at]);

async function subscribe() {
  const worker = await navigator.serviceWorker.ready;
  const key = bytes(part.dataset.pushKey);
  let found = await worker.pushManager.getSubscription();
  // One that was made with another key of ours can be told nothing any more.
  if (found && !same(found.options?.applicationServerKey, key)) {
    await found.unsubscribe();
    found = null;
  }
  found ??= await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  const { endpoint, keys } = found.toJSON();
  await call("/notifications/push/devices", { method: "POST", body: { endpoint, keys } });
  memory.set(KNOWN, endpoint);
}

async function begin(button) {
  words.textContent = "";
  if ((await Notification.requestPermission()) !== "granted") {
    words.textContent = "Your browser does not allow notifications of this site. Allow them in its settings for this page, then try again.";
    return;
  }
  button.disabled = true;
  try {
    await subscribe();
    location.hash = "devices";
    location.reload();
  } catch (error) {
    words.textContent =
      error instanceof Refused ? error.message : "The push service of your browser could not be reached. Try again later.";
  } finally {
    button.disabled = false;
  }
}

if (part && "serviceWorker" in navigator && "PushManager" in globalThis && "Notification" in globalThis) {
  part.hidden = false;
  const button = $("[data-push-begin]", part);
  button.addEventListener("click", () => begin(button));
  $("[data-push-remove]")?.addEventListener("submit", () => {
    memory.set(KNOWN, null);
    navigator.serviceWorker.ready.then((worker) => worker.pushManager.getSubscription()).then((found) => found?.unsubscribe());
  });
}
