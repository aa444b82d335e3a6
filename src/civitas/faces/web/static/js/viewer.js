// [data-viewer]: one picture. Arrows, a and d and swipes go along the feed without filling the history, so that one Back
// leads to the feed, to the same place. Escape closes. Single keys can be switched off like all others.
import { $, csrfToken, make, memory, typing } from "./dom.js";
import { openDialog } from "./dialog.js";

const viewer = $("[data-viewer]");
const OPENED = "feed-opened";

function close() {
  const kept = memory.get(OPENED, sessionStorage);
  const before = kept?.feed && history.length > 1;
  if (before) history.back();
  else location.href = $("[data-viewer-close]").href;
}

function go(step) {
  const way = $(`[data-viewer-way="${step}"]`);
  if (way) location.replace(way.href);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event) || openDialog()) return;
  if (event.target.closest("video, audio")) return;
  if (event.key === "ArrowLeft") go(-1);
  else if (event.key === "ArrowRight") go(1);
  else if (event.key === "Escape") close();
  else if (!memory.get("shortcuts-off") && event.key === "a") go(-1);
  else if (!memory.get("shortcuts-off") && event.key === "d") go(1);
  else return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const way = event.target.closest("[data-viewer-way]");
  if (way) {
    event.preventDefault();
    location.replace(way.href);
  } else if (event.target.closest("[data-viewer-close]")) {
    event.preventDefault();
    close();
  }
});

let from = null;
const stage = $(".viewer-stage", viewer);
stage.addEventListener("touchstart", (event) => {
  from = event.touches.length === 1 ? event.touches[0] : null;
}, { passive: true });
stage.addEventListener("touchend", (event) => {
  if (!from || event.target.closest("video, audio")) return;
  const dx = event.changedTouches[0].clientX - from.clientX;
  const dy = event.changedTouches[0].clientY - from.clientY;
  if (Math.abs(dx) > 60 && Math.abs(dx) > 2 * Math.abs(dy)) go(dx < 0 ? 1 : -1);
  from = null;
});

// The pictures beside this one, once it is there itself; not where data are dear.
function ahead() {
  if (navigator.connection?.saveData) return;
  for (const way of document.querySelectorAll("[data-ahead]")) {
    document.head.append(make("link", { rel: "prefetch", as: "image", href: way.dataset.ahead }));
  }
}

if (document.readyState === "complete") setTimeout(ahead, 1000);
else addEventListener("load", () => setTimeout(ahead, 1000));

if (viewer.dataset.seen) {
  const body = new FormData();
  body.set("ids", viewer.dataset.viewer);
  body.set("csrf_token", csrfToken());
  fetch(viewer.dataset.seen, { method: "POST", body, keepalive: true, headers: { "X-CSRF-Token": csrfToken() } }).catch(() => {});
}
