// The service worker of every page, and a subscription that the push service has renewed: it is told to the server.
import { csrfToken, memory } from "./dom.js";

const KNOWN = "push-endpoint";

async function keepTold(worker) {
  const known = memory.get(KNOWN);
  if (!known || !worker.pushManager || !document.querySelector("[data-bell]")) return;
  const found = await worker.pushManager.getSubscription();
  if (!found || found.endpoint === known) return;
  const { endpoint, keys } = found.toJSON();
  const answer = await fetch("/api/v1/notifications/push/devices", {
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/json", "x-csrf-token": csrfToken() },
    body: JSON.stringify({ endpoint, keys }),
  });
  if (answer.ok) memory.set(KNOWN, endpoint);
}

async function start() {
  try {
    await keepTold(await navigator.serviceWorker.register("/sw.js", { scope: "/", updateViaCache: "none" }));
  } catch {
    // Where it may not be kept (private windows), the site works without.
  }
}

if ("serviceWorker" in navigator && isSecureContext) {
  if (document.readyState === "complete") start();
  else addEventListener("load", start, { once: true });
}
