// [data-picker]: a link to the list of versions opens it in a dialog, as a combobox (ARIA APG) over a grid: typing searches,
// arrows walk along, Enter chooses. The link hears `picker:open` (detail.url may be changed) and `picker:pick` (detail is
// {kind, version, name}); a form for a picture of a post sends itself. data-picker-into="id" puts the number into a field.
import { $, $$, announce, arrived, claim, onContent } from "./dom.js";
import { open } from "./dialog.js";

const dialog = $("#picker-dialog");
const body = dialog && $("#picker-body", dialog);
let opener = null;
let active = -1;

const options = () => $$("[data-offer]", body);
const input = () => $("input[type=search]", body);

async function load(address, from) {
  await htmx.ajax("GET", address, { target: "#picker-body", select: "#picker", swap: "innerHTML" });
  const picker = $("#picker", body);
  if (picker) $(".dialog-title", dialog).textContent = picker.dataset.pickerTitle;
  if (from === "list") input()?.focus();
  else $("select", body)?.focus();
}

async function start(link) {
  opener = link;
  const url = new URL(link.dataset.pickerHref ?? link.href, location.href);
  link.dispatchEvent(new CustomEvent("picker:open", { bubbles: true, detail: { kind: link.dataset.picker, url } }));
  body.replaceChildren();
  open(dialog);
  await load(url.pathname + url.search, "list");
}

/** The list as a listbox under the search field; without script it is a list of links. */
function dress() {
  const field = input();
  const list = $("#picker-options", body);
  active = -1;
  if (!field) return;
  for (const [name, value] of Object.entries({
    role: "combobox", "aria-autocomplete": "list", "aria-controls": "picker-options", "aria-expanded": String(Boolean(list)),
  })) field.setAttribute(name, value);
  field.removeAttribute("aria-activedescendant");
  list?.setAttribute("role", "listbox");
  for (const option of options()) {
    option.closest("li").setAttribute("role", "presentation");
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    option.tabIndex = -1;
  }
  const count = options().length;
  const told = count === 0 ? "Nothing fits" : `${count} ${count === 1 ? "model" : "models"}${$(".picker-more", body) ? " and more" : ""}`;
  const status = $("[data-picker-status]", body);
  if (status.textContent !== told) status.textContent = told;
  if (!dialog.contains(document.activeElement) || document.activeElement === dialog) field.focus();
}

function select(next) {
  const all = options();
  active = all.length ? Math.max(0, Math.min(next, all.length - 1)) : -1;
  all.forEach((option, at) => option.setAttribute("aria-selected", String(at === active)));
  if (active < 0) return;
  input().setAttribute("aria-activedescendant", all[active].id);
  all[active].scrollIntoView({ block: "nearest" });
}

/** How many options stand in a row. */
function across() {
  const all = options();
  const top = all[0]?.offsetTop;
  const second = all.findIndex((option) => option.offsetTop !== top);
  return second < 1 ? Math.max(all.length, 1) : second;
}

function walk(event) {
  if (event.target !== input() || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowDown") select(active < 0 ? 0 : active + across() < options().length ? active + across() : active);
  else if (event.key === "ArrowUp" && active >= 0) select(active - across() < 0 ? active : active - across());
  else if (event.key === "ArrowRight" && active >= 0) select(active + 1);
  else if (event.key === "ArrowLeft" && active >= 0) select(active - 1);
  else if (event.key === "Enter" && active >= 0) options()[active].click();
  else if (event.key === "Escape" && active >= 0) dress();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function pick(version, name) {
  dialog.close();
  const into = document.getElementById(opener.dataset.pickerInto ?? "");
  if (into) {
    into.value = version;
    into.dispatchEvent(new Event("change", { bubbles: true }));
    const hint = $(".field-hint", into.closest(".field"));
    if (hint) hint.textContent = name;
    into.focus();
  }
  opener.dispatchEvent(new CustomEvent("picker:pick", { bubbles: true, detail: { kind: opener.dataset.picker, version, name } }));
  announce(`${name} is chosen`);
}

if (dialog) {
  onContent((root) => {
    for (const link of claim(root, "[data-picker][hidden]", "Picker")) link.hidden = false;
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-picker]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    start(link);
  });
  body.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const offer = event.target.closest("[data-offer], [data-picker-back]");
    if (!offer) return;
    event.preventDefault();
    if (offer.dataset.pick) pick(offer.dataset.pick, $(".picker-name", offer).textContent.trim());
    else load(offer.href, offer.matches("[data-picker-back]") ? "list" : "which");
  });
  body.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-picker-form]") || form.hasAttribute("hx-post")) return;
    event.preventDefault();
    pick($("select", form).value, $("#picker", body).dataset.pickerTitle);
  });
  body.addEventListener("keydown", walk, { capture: true });
  body.addEventListener("input", (event) => event.target === input() && dress());
  body.addEventListener("pointermove", (event) => {
    const hovered = event.target.closest("[data-offer]");
    if (hovered && hovered.getAttribute("aria-selected") !== "true") {
      active = options().indexOf(hovered);
      for (const option of options()) option.setAttribute("aria-selected", String(option === hovered));
      input().setAttribute("aria-activedescendant", hovered.id);
    }
  });
  body.addEventListener("htmx:afterSwap", dress);
  // What was named on a picture stands in the list of the page now.
  body.addEventListener("htmx:afterRequest", (event) => {
    if (!event.target.matches("[data-picker-form]") || !event.detail.successful) return;
    dialog.close();
    announce(`${$("#picker", body).dataset.pickerTitle} is named`);
    // The list comes anew, and the link that opened the dialog with it.
    document.addEventListener("htmx:afterSettle", () => document.getElementById(opener.id)?.focus(), { once: true });
  });
  arrived(dialog);
}
