// Single keys, never while typing and never with a modifier; they can be switched off (WCAG 2.1.4).
// [data-shortcut="f"] is pressed by its key. j and k walk along [data-card].
import { $, $$, calm, memory, typing } from "./dom.js";
import { open, openDialog } from "./dialog.js";
import { openPalette } from "./palette.js";
import { THEMES, choose, current } from "./theme-switch.js";
import { toast } from "./toast.js";

const OFF = "shortcuts-off";
let lead = "";
let leadTimer = 0;

function walk(step) {
  const cards = $$("[data-card] .card-link");
  const at = cards.indexOf(document.activeElement);
  const next = cards[at < 0 ? (step > 0 ? 0 : cards.length - 1) : at + step];
  if (!next) return;
  next.focus({ preventScroll: true });
  next.closest("[data-card]").scrollIntoView({ block: "center", behavior: calm() ? "instant" : "smooth" });
}

// Gone at once; the server then leaves out what is mature, until the browser is closed or the key is pressed again.
function discreet() {
  const on = !/(?:^|; )discreet=1(?:;|$)/.test(document.cookie);
  if (on) document.documentElement.dataset.discreet = "now";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `discreet=${on ? 1 : ""}; Path=/; SameSite=Lax${secure}${on ? "" : "; Max-Age=0"}`;
  for (const store of Object.keys(sessionStorage)) if (store.startsWith("list:")) sessionStorage.removeItem(store);
  location.reload();
}

const keys = {
  "/": openPalette,
  q: openPalette,
  j: () => walk(1),
  k: () => walk(-1),
  x: discreet,
  r: () => (location.href = "/images?sort=Random"),
  n: () => (location.href = "/models/create"),
  "?": () => open($("#shortcuts")),
  t: () => {
    const next = THEMES[(THEMES.indexOf(current()) + 1) % THEMES.length];
    choose(next);
    toast(`Theme: ${next}`, { kind: "info" });
  },
  gh: () => (location.href = "/"),
  gm: () => (location.href = "/models"),
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event)) return;
  if (memory.get(OFF) || openDialog() || event.key.length !== 1) return;
  const key = lead + event.key;
  clearTimeout(leadTimer);
  lead = "";
  if (event.key === "g" && key === "g") {
    lead = "g";
    leadTimer = setTimeout(() => (lead = ""), 900);
    return;
  }
  const named = $(`[data-shortcut="${CSS.escape(key)}"]`);
  if (!named && !keys[key]) return;
  event.preventDefault();
  if (named) named.click();
  else keys[key]();
});

const off = $("[data-shortcuts-switch]");
if (off) {
  off.checked = !memory.get(OFF);
  off.addEventListener("change", () => memory.set(OFF, !off.checked));
}
