// [data-lightbox] holds links to pictures (a[data-full]). A press opens the picture over the page: arrows and
// swipes move, the wheel and a double press zoom, a drag pans, Back and Escape close and focus returns.
import { $, $$, announce, icon, make } from "./dom.js";

let dialog = null;
let links = [];
let at = 0;
let view = { scale: 1, x: 0, y: 0 };

function build() {
  const button = (name, label, cls) => {
    const made = make("button", { type: "button", class: `lightbox-button ${cls}`, "aria-label": label }, icon(name, 24));
    return made;
  };
  dialog = make("dialog", { class: "lightbox", "aria-label": "Picture" });
  const stage = make("div", { class: "lightbox-stage" }, make("img", { alt: "" }));
  const caption = make("p", { class: "lightbox-caption" });
  dialog.append(
    stage,
    caption,
    button("x", "Close", "close"),
    button("chevron-left", "Previous picture", "previous"),
    button("chevron-right", "Next picture", "next"),
  );
  document.body.append(dialog);
  $(".close", dialog).addEventListener("click", () => dialog.close());
  $(".previous", dialog).addEventListener("click", () => move(-1));
  $(".next", dialog).addEventListener("click", () => move(1));
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") move(-1);
    else if (event.key === "ArrowRight") move(1);
    else if (event.key === "+" || event.key === "=") zoom(view.scale * 1.4);
    else if (event.key === "-") zoom(view.scale / 1.4);
    else if (event.key === "0") zoom(1);
  });
  dialog.addEventListener("close", () => {
    if (history.state?.lightbox) history.back();
    links[at]?.focus();
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(view.scale * (event.deltaY < 0 ? 1.15 : 1 / 1.15));
  });
  stage.addEventListener("dblclick", () => zoom(view.scale > 1 ? 1 : 2.5));
  stage.addEventListener("click", (event) => {
    if (event.target === stage && view.scale === 1) dialog.close();
  });
  drag(stage);
}

function apply() {
  const image = $("img", dialog);
  image.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
  dialog.classList.toggle("zoomed", view.scale > 1);
}

function zoom(scale) {
  view.scale = Math.min(8, Math.max(1, scale));
  if (view.scale === 1) view.x = view.y = 0;
  apply();
}

function drag(stage) {
  let from = null;
  const touches = new Map();
  let spread = 0;
  stage.addEventListener("pointerdown", (event) => {
    touches.set(event.pointerId, event);
    from = { x: event.clientX, y: event.clientY, vx: view.x, vy: view.y };
    spread = 0;
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!touches.has(event.pointerId)) return;
    touches.set(event.pointerId, event);
    if (touches.size === 2) {
      const [a, b] = [...touches.values()];
      const now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
      if (spread) zoom((view.scale * now) / spread);
      spread = now;
    } else if (view.scale > 1 && from) {
      view.x = from.vx + event.clientX - from.x;
      view.y = from.vy + event.clientY - from.y;
      apply();
    }
  });
  const end = (event) => {
    const alone = touches.size === 1 && !spread;
    touches.delete(event.pointerId);
    if (from && alone && view.scale === 1 && event.type === "pointerup") {
      const dx = event.clientX - from.x;
      if (Math.abs(dx) > 60 && Math.abs(dx) > 2 * Math.abs(event.clientY - from.y)) move(dx < 0 ? 1 : -1);
    }
    from = null;
  };
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);
}

function show() {
  const link = links[at];
  const image = $("img", dialog);
  view = { scale: 1, x: 0, y: 0 };
  apply();
  image.src = link.dataset.full || link.href;
  image.alt = $("img", link)?.alt ?? "";
  $(".lightbox-caption", dialog).textContent = link.dataset.caption ?? "";
  for (const cls of ["previous", "next"]) $(`.${cls}`, dialog).hidden = links.length < 2;
  for (const near of [links[at + 1], links[at - 1]]) if (near) new Image().src = near.dataset.full || near.href;
  announce(`Picture ${at + 1} of ${links.length}`);
}

function move(step) {
  if (links.length < 2) return;
  at = (at + step + links.length) % links.length;
  show();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-lightbox] a[data-full]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.target.closest("[data-reveal]")) return;
  event.preventDefault();
  if (!dialog) build();
  links = $$("a[data-full]", link.closest("[data-lightbox]"));
  at = links.indexOf(link);
  show();
  dialog.showModal();
  history.pushState({ lightbox: true }, "");
});

addEventListener("popstate", () => {
  if (dialog?.open) dialog.close();
});
