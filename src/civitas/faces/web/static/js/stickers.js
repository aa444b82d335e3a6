// [data-sticker-switch]: stickers over a picture are hidden or shown, and stay so in this browser. Without script it is a link.
import { $, announce, memory } from "./dom.js";

const KEPT = "stickers-off";
const layer = $("[data-sticker-layer]"), button = $("[data-sticker-switch]");

function show(on) {
  layer?.classList.toggle("off", !on);
  button.textContent = on ? "Hide stickers" : "Show stickers";
}

if (button) {
  let on = !layer?.classList.contains("off") && !memory.get(KEPT);
  show(on);
  button.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    on = !on;
    memory.set(KEPT, !on);
    show(on);
    announce(on ? "Stickers are shown" : "Stickers are hidden");
  });
}
