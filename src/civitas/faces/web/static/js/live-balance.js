// [data-live-balance="yellow" | "total" | ...]: figures that follow the signed-in person's wallet while they look.
import { $, $$, announce } from "./dom.js";

let source = null;
let first = true;

function show(shown) {
  let told = false;
  for (const element of $$("[data-live-balance]")) {
    const text = shown[element.dataset.liveBalance];
    if (text === undefined || element.textContent === text) continue;
    element.textContent = text;
    element.classList.remove("changed");
    void element.offsetWidth;
    element.classList.add("changed");
    told = true;
  }
  if (told && !first) announce(`You have ${shown.total} Buzz now`);
  first = false;
}

function open() {
  if (source || document.hidden || !$("[data-live-balance]")) return;
  source = new EventSource("/api/live/balances");
  source.addEventListener("balances", (event) => show(JSON.parse(event.data).shown));
}

function close() {
  source?.close();
  source = null;
}

// A hidden page needs no stream, and browsers allow only a few to one site.
document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
addEventListener("pageshow", open);
open();
