// A thin bar at the top of the page while htmx waits longer than a moment.
import { $ } from "./dom.js";

const bar = $("#loading-bar");
let waiting = 0;
let timer = 0;

document.addEventListener("htmx:beforeRequest", () => {
  waiting += 1;
  clearTimeout(timer);
  timer = setTimeout(() => bar?.classList.add("on"), 150);
});
document.addEventListener("htmx:afterRequest", () => {
  waiting = Math.max(0, waiting - 1);
  if (waiting) return;
  clearTimeout(timer);
  bar?.classList.remove("on");
});
