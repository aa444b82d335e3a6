// Threads within pages: a form that is not wanted goes away, Escape included; the permalink's comment takes the focus;
// what others say meanwhile is told, and shown when one asks for it.
import { $, announce, onContent } from "./dom.js";

function close(form) {
  const place = form?.closest(".comment-form-place");
  if (!place) return false;
  const opener = place.closest(".comment")?.querySelector(".comment-foot a, .comment-foot summary");
  place.replaceChildren();
  opener?.focus();
  return true;
}

document.addEventListener("click", (event) => {
  const cancel = event.target.closest?.("[data-comment-cancel]");
  if (cancel && close(cancel.closest("form"))) event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches?.(".comment-form-place textarea") && !event.target.value.trim()) {
    close(event.target.form);
  }
  // The usual keys to send what one writes.
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches?.(".comment-form textarea")) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});

onContent((root) => {
  const section = root.querySelector?.("[data-here]");
  if (section) $(`#${CSS.escape(section.dataset.here)}`)?.scrollIntoView({ block: "center" });
});

// One stream, and only while the thread is on the screen of somebody who is signed in: a browser has few connections.
let source = null;
let following = null;
let onScreen = false;

function say({ new: count, shown }) {
  const place = $("[data-new-comments]", following ?? document);
  if (!place || !count) return;
  const words = `Show ${shown} new ${count === 1 ? "comment" : "comments"}`;
  $("[data-new-words]", place).textContent = words;
  if (place.hidden) announce(`${shown} new ${count === 1 ? "comment" : "comments"}`);
  place.hidden = false;
}

function listen() {
  const wanted = onScreen && !document.hidden && following?.isConnected;
  if (wanted && !source) {
    const [kind, id] = following.dataset.thread.split(":");
    source = new EventSource(`/api/live/comments/${kind}/${id}?after=${following.dataset.newest}`);
    source.addEventListener("comments", (event) => say(JSON.parse(event.data)));
  } else if (!wanted) {
    source?.close();
    source = null;
  }
}

const screen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.target === following) onScreen = entry.isIntersecting;
  listen();
});

onContent(() => {
  const thread = $("[data-new-comments]")?.closest("[data-thread]") ?? null;
  if (thread === following) return;
  source?.close();
  source = null;
  onScreen = false;
  screen.disconnect();
  following = thread;
  if (thread) screen.observe(thread);
});

document.addEventListener("visibilitychange", listen);
addEventListener("pagehide", () => {
  source?.close();
  source = null;
});
addEventListener("pageshow", listen);
