// The feed follows what is being made: progress as it is told, a card anew when something came of it.
import { $, announce } from "./dom.js";

const list = $("#made-list");
let source = null, newest = "";
const fetching = new Map();

function card(id) {
  return document.getElementById(`made-${id}`);
}

async function renew(id) {
  if (fetching.has(id)) {
    fetching.set(id, true);
    return;
  }
  fetching.set(id, false);
  const known = card(id);
  const address = `/create/generations/${encodeURIComponent(id)}`;
  await htmx.ajax("GET", address, known
    ? { target: `#made-${CSS.escape(id)}`, select: `#made-${CSS.escape(id)}`, swap: "outerHTML" }
    : { target: "#made-list", select: `#made-${CSS.escape(id)}`, swap: "afterbegin" });
  const again = fetching.get(id);
  fetching.delete(id);
  if (again) renew(id);
}

function told(event) {
  newest = event.lastEventId || newest;
  const { id, status, progress, final } = JSON.parse(event.data);
  const known = card(id);
  if (!known) {
    if (!new URLSearchParams(location.search).get("cursor")) renew(id);
    return;
  }
  const before = known.dataset.status;
  if (status !== before || final) {
    if (known.dataset.renewed === status) return;
    known.dataset.renewed = status;
    renew(id).then(() => final && announce(status === "succeeded" ? "Your pictures are there" : "It did not come out"));
    return;
  }
  const bar = $("[data-made-progress]", known);
  if (!bar || progress == null) return;
  const percent = Math.round(progress * 100);
  bar.setAttribute("aria-valuenow", percent);
  $("rect", bar).setAttribute("width", percent);
  const state = $("[data-made-state]", known);
  if (state && status === "processing") state.textContent = `Being made: ${percent}%`;
  const preview = $("[data-made-preview]", known);
  if (!preview && percent > 20 && !known.dataset.previewed) {
    known.dataset.previewed = "1";
    renew(id);
  }
}

// What was made a moment ago is examined before it is shown; whoever asked too soon asks again.
list?.addEventListener("error", ({ target }) => {
  if (!(target instanceof HTMLImageElement)) return;
  const tries = Number(target.dataset.tries ?? 0);
  if (tries >= 20) return;
  target.dataset.tries = tries + 1;
  setTimeout(() => { target.src = target.src; }, 1500);
}, true);

function open() {
  if (source || document.hidden || !list || !$("[data-live-made]")) return;
  source = new EventSource(`/api/live/generations${newest ? `?after=${encodeURIComponent(newest)}` : ""}`);
  source.addEventListener("generation", told);
}

function close() {
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
addEventListener("pageshow", open);
open();
