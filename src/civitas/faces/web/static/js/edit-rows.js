// [data-rows]: buttons with [data-add-row="name"] add an empty copy of the last row of [data-row-list="name"].
import { $, $$, announce, claim, onContent } from "./dom.js";

function add(form, name) {
  const list = $(`[data-row-list="${name}"]`, form);
  const rows = $$(":scope > li", list);
  const row = rows.at(-1).cloneNode(true);
  const number = rows.length + 1;
  for (const field of $$("input, select", row)) {
    const before = field.id;
    field.id = `${field.name}-${number}`;
    if (field.name === "multiplier") field.value = "0.5";
    else if (field.matches("input")) field.value = "";
    else field.selectedIndex = 0;
    $(`label[for="${before}"]`, row)?.setAttribute("for", field.id);
  }
  for (const hint of $$(".field-hint", row)) hint.remove();
  list.append(row);
  globalThis.htmx?.process(row);
  $("input", row).focus();
  announce("A row was added");
}

onContent((root) => {
  for (const form of claim(root, "[data-rows]", "Rows")) {
    form.addEventListener("click", (event) => {
      const button = event.target.closest("[data-add-row]");
      if (!button) return;
      event.preventDefault();
      add(form, button.dataset.addRow);
    });
  }
});
