// details[data-menu]: closes on Escape, on a press outside and when focus leaves; arrows move between its items.
import { $, $$ } from "./dom.js";

const items = (menu) => $$(".menu-panel :is(a, button, input):not([disabled])", menu).filter((item) => item.checkVisibility());

export function close(menu, refocus = false) {
  if (!menu.open) return;
  menu.open = false;
  if (refocus) $("summary", menu).focus();
}

document.addEventListener("click", (event) => {
  for (const menu of $$("details[data-menu][open]")) {
    const picked = event.target.closest("a, button");
    if (!menu.contains(event.target)) close(menu);
    else if (picked && menu.contains(picked) && !picked.closest("summary")) close(menu);
  }
});

document.addEventListener("focusin", (event) => {
  for (const menu of $$("details[data-menu][open]")) if (!menu.contains(event.target)) close(menu);
});

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details[data-menu]");
  if (!menu) return;
  if (event.key === "Escape" && menu.open) {
    event.preventDefault();
    event.stopPropagation();
    close(menu, true);
    return;
  }
  if (event.target.matches("input")) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const edge = { Home: 0, End: -1 }[event.key];
  if (step === undefined && (edge === undefined || !menu.open)) return;
  event.preventDefault();
  if (!menu.open) menu.open = true;
  const all = items(menu);
  const at = all.indexOf(document.activeElement);
  const next = edge !== undefined ? all.at(edge) : at < 0 ? all.at(step > 0 ? 0 : -1) : all.at((at + step) % all.length);
  next?.focus();
});
