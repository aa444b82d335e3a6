// The search palette: Ctrl-K, "/" or [data-palette-open]. A combobox (ARIA APG) over /search/suggest?q=, which
// answers {"groups": [{"label", "items": [{"title", "href", "subtitle"?, "icon"?, "image"?}]}]}.
import { $, $$, announce, icon, make, memory } from "./dom.js";
import { open } from "./dialog.js";

const dialog = $("[data-palette]");
const input = dialog && $("input", dialog);
const list = dialog && $(".palette-list", dialog);
const RECENT = "recent-searches";

let active = -1;
let asked = 0;
let control = null;
let timer = 0;

const actions = () => {
  const deeds = $$("[data-palette-actions] a", dialog).map((link) => ({
    title: link.textContent.trim(),
    href: link.href,
    icon: link.dataset.icon,
    words: link.dataset.words,
  }));
  const places = $$(".site-nav a, .site-nav .menu-item").map((link) => ({ title: link.textContent.trim(), href: link.href, icon: "arrow-right" }));
  const account = $$(".site-actions .menu-panel a.menu-item").map((link) => ({
    title: link.textContent.trim(),
    href: link.href,
    icon: "arrow-right",
  }));
  const seen = new Set();
  return [...deeds, ...places, ...account].filter((item) => !seen.has(item.href) && seen.add(item.href));
};

const matches = (item, text) => item.title.toLowerCase().includes(text) || (item.words ?? "").split(" ").some((word) => word.startsWith(text));

function option(item, index) {
  const picture = item.image
    ? make("img", { src: item.image, alt: "", width: 36, height: 36, loading: "lazy" })
    : icon(item.icon ?? "arrow-right", 20);
  return make(
    "a",
    { class: "palette-option", role: "option", id: `palette-option-${index}`, href: item.href, tabindex: "-1", "aria-selected": "false" },
    make("span", { class: "palette-picture" }, picture),
    make(
      "span",
      { class: "palette-words" },
      make("span", { class: "palette-title" }, item.title),
      item.subtitle ? make("span", { class: "palette-subtitle" }, item.subtitle) : null,
    ),
  );
}

function fill(groups, note = "") {
  let index = 0;
  list.replaceChildren();
  for (const group of groups) {
    if (!group.items?.length) continue;
    const id = `palette-group-${index}`;
    const box = make("div", { role: "group", "aria-labelledby": id }, make("p", { class: "palette-heading", id, role: "presentation" }, group.label));
    for (const item of group.items) {
      // An address from the server is followed only on this site.
      if (new URL(item.href, location.origin).origin !== location.origin) continue;
      box.append(option(item, index));
      index += 1;
    }
    list.append(box);
  }
  if (!index && note) list.append(make("p", { class: "palette-empty" }, note));
  input.setAttribute("aria-expanded", String(index > 0));
  select(index && input.value.trim() ? 0 : -1);
  return index;
}

/** Mark one option as the active one; -1 is none, and both ends wrap. */
function select(next) {
  const options = $$('[role="option"]', list);
  active = next < 0 || !options.length ? -1 : next % options.length;
  options.forEach((element, at) => element.setAttribute("aria-selected", String(at === active)));
  const chosen = options[active];
  if (chosen) {
    input.setAttribute("aria-activedescendant", chosen.id);
    chosen.scrollIntoView({ block: "nearest" });
  } else input.removeAttribute("aria-activedescendant");
}

function start() {
  const recent = (memory.get(RECENT) ?? []).map((text) => ({
    title: text,
    href: `/search?q=${encodeURIComponent(text)}`,
    icon: "history",
  }));
  fill([
    { label: "Recent searches", items: recent },
    { label: "Do or go to", items: actions() },
  ]);
}

function everything(text) {
  return {
    label: "Search",
    items: [{ title: `Search everything for “${text}”`, href: `/search?q=${encodeURIComponent(text)}`, icon: "search" }],
  };
}

async function ask() {
  const text = input.value.trim();
  control?.abort();
  if (!text) return start();
  const mine = ++asked;
  control = new AbortController();
  dialog.classList.add("busy");
  const local = { label: "Do or go to", items: actions().filter((item) => matches(item, text.toLowerCase())) };
  try {
    const address = `${dialog.dataset.suggest}?q=${encodeURIComponent(text)}`;
    const response = await fetch(address, { signal: control.signal, headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(String(response.status));
    const { groups = [] } = await response.json();
    if (mine !== asked) return;
    const count = fill([...groups, local, everything(text)]);
    announce(count === 1 ? "1 suggestion" : `${count} suggestions`);
  } catch (error) {
    if (error.name === "AbortError" || mine !== asked) return;
    fill([local, everything(text)]);
  } finally {
    if (mine === asked) dialog.classList.remove("busy");
  }
}

function remember() {
  const text = input.value.trim();
  if (text) memory.set(RECENT, [text, ...(memory.get(RECENT) ?? []).filter((old) => old !== text)].slice(0, 5));
}

export function openPalette() {
  if (!dialog || dialog.open) return;
  for (const other of $$("dialog[open]")) other.close();
  open(dialog);
  input.select();
  ask();
}

if (dialog) {
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, input.value.trim() ? 90 : 0);
  });
  input.addEventListener("keydown", (event) => {
    const last = $$('[role="option"]', list).length - 1;
    if (event.key === "ArrowDown") select(active + 1);
    else if (event.key === "ArrowUp") select(active <= 0 ? last : active - 1);
    else if (event.key === "Enter" && active >= 0) {
      remember();
      $$('[role="option"]', list)[active].click();
    } else return;
    event.preventDefault();
  });
  list.addEventListener("pointermove", (event) => {
    const hovered = event.target.closest('[role="option"]');
    if (hovered && hovered.getAttribute("aria-selected") !== "true") select($$('[role="option"]', list).indexOf(hovered));
  });
  list.addEventListener("click", (event) => event.target.closest("a") && remember());
  $("form", dialog).addEventListener("submit", (event) => {
    if (!input.value.trim()) event.preventDefault();
    else remember();
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-palette-open]");
    if (!opener || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    openPalette();
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (dialog.open) dialog.close();
      else openPalette();
    }
  });
}
