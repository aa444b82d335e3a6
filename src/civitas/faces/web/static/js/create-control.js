// The picture that a ControlNet follows: chosen or dropped, kept as a blob.
import { $, announce } from "./dom.js";
import { changed, droppable, fits, keep } from "./create-blob.js";
import { toast } from "./toast.js";

const drop = $("[data-control-drop]");
const file = $("[data-control-file]"), value = $("[data-control-value]");
const shown = $("[data-control-shown]"), clear = $("[data-control-clear]");

async function take(chosen) {
  if (!fits(chosen)) return;
  drop.setAttribute("aria-busy", "true");
  try {
    value.value = (await keep(chosen, chosen.type)).id;
    $("[data-control-image]").src = URL.createObjectURL(chosen);
    shown.hidden = clear.hidden = false;
    announce("The picture to follow is there");
    changed();
  } catch (error) {
    toast(error.message, { kind: "danger" });
  } finally {
    drop.removeAttribute("aria-busy");
    file.value = "";
  }
}

if (drop) {
  file.addEventListener("change", () => take(file.files[0]));
  droppable(drop, take);
  clear.addEventListener("click", () => {
    value.value = "";
    shown.hidden = clear.hidden = true;
    file.focus();
    changed();
  });
}
