// [data-pick] boxes on a wall: Shift takes a range, Ctrl+A all of them, Escape none; [data-pick-count] tells how many.
import { $, $$, typing } from "./dom.js";

const count = $("[data-pick-count]");
const idle = count?.textContent ?? "";
let last = null;

const boxes = () => $$("[data-pick]");

function tell() {
  const chosen = boxes().filter((box) => box.checked).length;
  if (count) count.textContent = chosen ? `${chosen} chosen` : idle;
  for (const button of $$("[data-pick-bar] button[type=submit]")) button.disabled = chosen === 0;
}

document.addEventListener("click", (event) => {
  const box = event.target.closest?.("[data-pick]");
  if (!box) return;
  if (event.shiftKey && last && last !== box) {
    const all = boxes();
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
    for (const between of all.slice(from, to + 1)) between.checked = box.checked;
  }
  last = box;
  tell();
});

document.addEventListener("keydown", (event) => {
  if (typing(event) && !event.target.matches("[data-pick]")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") {
    event.preventDefault();
    for (const box of boxes()) box.checked = true;
    tell();
  } else if (event.key === "Escape" && !$("dialog[open]")) {
    for (const box of boxes()) box.checked = false;
    tell();
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-pick]")) tell();
});
addEventListener("pageshow", tell);
tell();
