// [data-sortable="address"]: items with [data-id] are put into another order by dragging; the buttons beside them do
// the same by keyboard and touch.
import { $$, announce, claim, onContent } from "./dom.js";

function start(list) {
  let dragged = null;
  let before = "";
  const ids = () => $$("[data-id]", list).map((item) => item.dataset.id);
  for (const item of $$("[data-id]", list)) item.draggable = true;
  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("[data-id]");
    if (!dragged || event.target.closest("select, input, button, details")) return;
    before = ids().join();
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.id);
    dragged.classList.add("dragged");
  });
  list.addEventListener("dragover", (event) => {
    const over = event.target.closest("[data-id]");
    if (!dragged || !over || over === dragged) return;
    event.preventDefault();
    const box = over.getBoundingClientRect();
    const after = getComputedStyle(list).direction === "rtl" ? event.clientX < box.x + box.width / 2 : event.clientX > box.x + box.width / 2;
    over[after ? "after" : "before"](dragged);
  });
  list.addEventListener("drop", (event) => event.preventDefault());
  list.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    dragged = null;
    const order = ids();
    if (order.join() === before) return;
    announce("The new order is being saved");
    globalThis.htmx?.ajax("POST", list.dataset.sortable, { target: `#${list.parentElement.id}`, swap: "outerHTML", values: { id: order } });
  });
}

onContent((root) => claim(root, "[data-sortable]", "Sortable").forEach(start));
