// details[data-stays-open] with an id: open again when htmx brings the list that it stands in anew.
import { $$ } from "./dom.js";

let open = [];

document.addEventListener("htmx:beforeSwap", (event) => {
  open = $$("details[data-stays-open][open]", event.detail.target).map((one) => one.id);
});

document.addEventListener("htmx:load", () => {
  for (const id of open) {
    const one = document.getElementById(id);
    if (one) one.open = true;
  }
});
