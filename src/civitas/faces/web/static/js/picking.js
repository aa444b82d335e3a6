// [data-pick] boxes on a wall: Shift takes a range, Ctrl+A all of them, Escape none, a box drawn with the mouse what it touches;
// [data-pick-count] tells how many. What left a long wall for a while stays chosen, and goes along with the form.
import { $, $$, announce, calm, make, typing } from "./dom.js";

const bar = $("[data-pick-bar]");
const count = $("[data-pick-count]");
const idle = count?.textContent ?? "";
const most = Number(bar?.dataset.pickMost ?? Infinity);
const chosen = new Set();
let last = null;

const boxes = () => $$("[data-pick]");
/** Every box, also of cards that are far away: the feed brings them back for this. */
function all() {
  for (const feed of $$("[data-feed]")) feed.dispatchEvent(new CustomEvent("feed:whole"));
  return boxes();
}

function note(box) {
  if (box.checked) chosen.add(box.value);
  else chosen.delete(box.value);
}

function tell() {
  boxes().forEach(note);
  const number = chosen.size;
  const over = number > most ? `, ${most} at most at once` : "";
  if (count) count.textContent = number ? `${number} chosen${over}` : idle;
  for (const button of $$("[data-pick-bar] > button[type=submit], [data-pick-bar] > .row button[type=submit]")) {
    button.disabled = number === 0 || number > most;
  }
}

function set(box, on) {
  box.checked = on;
}

document.addEventListener("click", (event) => {
  const box = event.target.closest?.("[data-pick]");
  if (!box) return;
  if (event.shiftKey && last && last !== box) {
    const every = all();
    const [from, to] = [every.indexOf(last), every.indexOf(box)].sort((a, b) => a - b);
    for (const between of every.slice(Math.max(from, 0), to + 1)) set(between, box.checked);
  }
  last = box;
  tell();
});

document.addEventListener("keydown", (event) => {
  if (typing(event) && !event.target.matches("[data-pick]")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") {
    event.preventDefault();
    for (const box of all()) set(box, true);
    tell();
  } else if (event.key === "Escape" && !$("dialog[open]")) {
    for (const box of boxes()) set(box, false);
    chosen.clear();
    tell();
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-pick]")) tell();
});

// --- what is chosen but not on the page at this moment
bar?.addEventListener("formdata", ({ formData }) => {
  const here = new Set(formData.getAll("id"));
  for (const value of chosen) if (!here.has(value)) formData.append("id", value);
});

document.addEventListener("picked-gone", ({ detail }) => {
  const ids = (detail.ids ?? []).map(String);
  all();
  for (const id of ids) {
    chosen.delete(id);
    const box = $(`[data-pick][value="${CSS.escape(id)}"]`);
    const cell = box?.closest(".pickable");
    if (cell) cell.dispatchEvent(new CustomEvent("feed:gone", { bubbles: true }));
  }
  last = null;
  tell();
  announce(`${ids.length} gone from the wall`);
});

// --- the box one draws
const SLACK = 6;
let lasso = null;

function touched(area) {
  return boxes().filter((box) => {
    const cell = box.closest(".pickable").getBoundingClientRect();
    return cell.left < area.right && cell.right > area.left && cell.top < area.bottom && cell.bottom > area.top;
  });
}

function area(event) {
  const y = event.clientY, from = lasso.y - scrollY;
  return { left: Math.min(lasso.x, event.clientX), right: Math.max(lasso.x, event.clientX), top: Math.min(from, y), bottom: Math.max(from, y) };
}

document.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  if (!event.target.closest("[data-feed], #results, .list-page") || event.target.closest("button, input, select, textarea, label, summary, [data-pick-bar], .list-bar")) return;
  lasso = { x: event.clientX, y: event.clientY + scrollY, before: new Set(event.shiftKey || event.ctrlKey ? chosen : []), drawn: null };
});

document.addEventListener("pointermove", (event) => {
  if (!lasso) return;
  const box = area(event);
  if (!lasso.drawn) {
    if (box.right - box.left < SLACK && box.bottom - box.top < SLACK) return;
    lasso.drawn = make("div", { class: "lasso", "aria-hidden": "true" });
    document.body.append(lasso.drawn);
    getSelection()?.removeAllRanges();
  }
  event.preventDefault();
  Object.assign(lasso.drawn.style, { left: `${box.left}px`, top: `${box.top}px`, width: `${box.right - box.left}px`, height: `${box.bottom - box.top}px` });
  const inside = new Set(touched(box));
  for (const one of boxes()) set(one, inside.has(one) || lasso.before.has(one.value));
  if (event.clientY > innerHeight - 40) scrollBy({ top: calm() ? 40 : 18 });
  else if (event.clientY < 40) scrollBy({ top: calm() ? -40 : -18 });
});

function end() {
  if (!lasso) return;
  const drawn = lasso.drawn;
  if (drawn) {
    if (!lasso.before.size) chosen.clear();
    drawn.remove();
    tell();
    // The press that ends the drawing opens nothing; where it makes no press, the next one is not swallowed.
    const swallow = (press) => { press.preventDefault(); press.stopPropagation(); };
    addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", swallow, { capture: true }), 0);
  }
  lasso = null;
}

document.addEventListener("pointerup", end);
document.addEventListener("pointercancel", end);
// Pictures and links would be dragged away instead.
document.addEventListener("dragstart", (event) => event.target.closest?.(".pickable") && event.preventDefault());

addEventListener("pageshow", tell);
tell();
