// [data-copy="text"] or [data-copy-from="#id"] copies on a press and says so.
import { $, announce } from "./dom.js";
import { toast } from "./toast.js";

async function write(text) {
  if (navigator.clipboard && isSecureContext) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  // Plain http has no clipboard API; a selected field still copies.
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const source = button.dataset.copyFrom && $(button.dataset.copyFrom);
  const text = source ? (source.value ?? source.textContent) : button.dataset.copy;
  let done = false;
  try {
    done = await write(text);
  } catch {
    done = false;
  }
  if (!done) {
    toast("Your browser did not allow copying. Select the text and copy it by hand.", { kind: "warn" });
    return;
  }
  button.focus({ preventScroll: true });
  button.classList.add("copied");
  announce("Copied");
  setTimeout(() => button.classList.remove("copied"), 1600);
});
