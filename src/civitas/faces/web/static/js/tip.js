// [data-tip]: a small label on hover and focus. The name of the control itself is its aria-label.
import { make } from "./dom.js";

const bubble = make("div", { class: "tip-bubble", popover: "manual", "aria-hidden": "true" });
let owner = null;
let timer = 0;

function place(target) {
  const box = target.getBoundingClientRect();
  const own = bubble.getBoundingClientRect();
  const gap = 8;
  const below = box.bottom + gap + own.height < innerHeight;
  const x = Math.min(Math.max(gap, box.left + box.width / 2 - own.width / 2), innerWidth - own.width - gap);
  bubble.style.left = `${x}px`;
  bubble.style.top = `${below ? box.bottom + gap : box.top - own.height - gap}px`;
}

function show(target) {
  if (!bubble.showPopover || target.closest("details[open] > summary")) return;
  owner = target;
  bubble.textContent = target.dataset.tip;
  if (!bubble.isConnected) document.body.append(bubble);
  bubble.showPopover();
  place(target);
}

function hide() {
  clearTimeout(timer);
  owner = null;
  if (bubble.isConnected && bubble.matches(":popover-open")) bubble.hidePopover();
}

document.addEventListener("pointerover", (event) => {
  const target = event.target.closest?.("[data-tip]");
  if (event.pointerType === "touch" || target === owner) return;
  hide();
  if (target) timer = setTimeout(() => show(target), 350);
});
document.addEventListener("focusin", (event) => {
  hide();
  const target = event.target.closest?.("[data-tip]");
  if (target?.matches(":focus-visible")) show(target);
});
document.addEventListener("focusout", hide);
document.addEventListener("click", (event) => {
  hide();
  const target = event.target.closest?.("button.tip[data-tip]");
  if (target) show(target);
});
addEventListener("scroll", hide, { passive: true, capture: true });
document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
