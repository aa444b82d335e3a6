// toast("Saved") shows a notice. A server sends one with the header HX-Trigger: {"toast": {"kind", "text"}}.
import { $, icon, make, onContent, claim } from "./dom.js";

const DRAWING = { ok: "check-circle", info: "info", warn: "alert", danger: "alert" };
const STAY = 6000;

/** Show `text`. `kind` is ok, info, warn or danger; `action` is {label, run}. Trouble stays until dismissed. */
export function toast(text, { kind = "ok", action = null } = {}) {
  const region = $("#toasts");
  const drawn = kind in DRAWING ? kind : "info";
  const element = make(
    "div",
    { class: `toast ${drawn}`, role: drawn === "danger" ? "alert" : "status", "data-toast": true },
    icon(DRAWING[drawn], 20),
    make("p", { class: "toast-text" }, String(text)),
  );
  if (action) {
    const button = make("button", { class: "toast-action", type: "button" }, action.label);
    button.addEventListener("click", () => {
      dismiss(element);
      action.run();
    });
    element.append(button);
  }
  element.append(
    make(
      "button",
      { class: "button icon-only ghost size-s", type: "button", "aria-label": "Dismiss", "data-toast-close": true },
      icon("x"),
    ),
  );
  region.append(element);
  raise(region);
  start(element);
  return element;
}

// As a popover the region stands above an open dialog too.
function raise(region) {
  if (!region.showPopover) return;
  region.setAttribute("popover", "manual");
  if (region.matches(":popover-open")) region.hidePopover();
  region.showPopover();
}

function dismiss(element) {
  element.classList.add("leaving");
  setTimeout(() => {
    const region = element.parentElement;
    element.remove();
    if (region?.childElementCount === 0 && region.matches?.(":popover-open")) region.hidePopover();
  }, 180);
}

function start(element) {
  if (element.matches(".danger, .warn")) return;
  let timer = setTimeout(() => dismiss(element), STAY);
  const hold = () => clearTimeout(timer);
  const go = () => {
    hold();
    timer = setTimeout(() => dismiss(element), STAY / 2);
  };
  element.addEventListener("pointerenter", hold);
  element.addEventListener("focusin", hold);
  element.addEventListener("pointerleave", go);
  element.addEventListener("focusout", go);
}

document.addEventListener("click", (event) => {
  const close = event.target.closest("[data-toast-close]");
  if (close) dismiss(close.closest("[data-toast]"));
});

onContent((root) => claim(root, "[data-toast]", "Toast").forEach(start));

document.addEventListener("toast", (event) => {
  const { kind, text } = event.detail ?? {};
  if (text) toast(text, { kind });
});

document.addEventListener("htmx:responseError", (event) => {
  const xhr = event.detail.xhr;
  if (/"toast"/.test(xhr.getResponseHeader("HX-Trigger") ?? "")) return;
  let text = "";
  try {
    text = JSON.parse(xhr.responseText).error;
  } catch {
    text = "";
  }
  toast(typeof text === "string" && text ? text : "That did not work. Please try again.", { kind: "danger" });
});

document.addEventListener("htmx:sendError", () => {
  toast("The server cannot be reached. Check your connection and try again.", { kind: "danger" });
});
