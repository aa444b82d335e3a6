// [data-dialog-open="id"] opens the <dialog>, [data-dialog-close] closes it; a press on the backdrop closes too.
// What stands in its <template data-dialog-later> becomes part of the page when it is first opened.
import { $, arrived } from "./dom.js";

export function open(dialog) {
  if (dialog.open) return;
  const later = $("template[data-dialog-later]", dialog);
  if (later) {
    const place = later.parentElement;
    later.replaceWith(later.content);
    globalThis.htmx?.process(place);
    arrived(place);
  }
  dialog.showModal();
  dialog.dispatchEvent(new CustomEvent("dialog:open"));
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog-open]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialogOpen);
    if (dialog) {
      event.preventDefault();
      open(dialog);
    }
    return;
  }
  if (event.target.closest("[data-dialog-close]")) event.target.closest("dialog")?.close();
});

// The panel fills the dialog, so only the backdrop reports the dialog itself. A drag that began inside is no press.
let pressed = null;
document.addEventListener("pointerdown", (event) => (pressed = event.target));
document.addEventListener("click", (event) => {
  if (event.target === pressed && event.target.matches?.("dialog[data-dialog]")) event.target.close();
});

export const openDialog = () => $("dialog[open]");
