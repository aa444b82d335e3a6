// Forms: [data-show-password="id"], [data-focus] takes focus once, [data-count] counts characters,
// [data-autosubmit] sends the form on a change, and a form that is being sent is not sent twice.
import { $, claim, onContent } from "./dom.js";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-show-password]");
  if (!button) return;
  const input = document.getElementById(button.dataset.showPassword);
  const shown = input.type === "text";
  input.type = shown ? "password" : "text";
  button.setAttribute("aria-pressed", String(!shown));
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-autosubmit]");
  if (form) form.requestSubmit();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "dialog" || event.defaultPrevented) return;
  if (form.dataset.sending) {
    event.preventDefault();
    return;
  }
  // htmx sends by itself and locks by hx-disabled-elt; this is for plain forms.
  if (form.matches("[hx-post], [hx-get], [hx-put], [hx-patch], [hx-delete]")) return;
  form.dataset.sending = "1";
  event.submitter?.setAttribute("aria-busy", "true");
});

addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sending]")) {
    delete form.dataset.sending;
    for (const button of form.querySelectorAll('[aria-busy="true"]')) button.removeAttribute("aria-busy");
  }
});

function counter(field) {
  const output = $(`[data-count-for="${field.id}"]`);
  if (!output) return;
  const show = () => (output.textContent = `${field.value.length} / ${field.maxLength}`);
  field.addEventListener("input", show);
  show();
}

onContent((root) => {
  claim(root, "[data-focus]", "Focus").forEach((element) => element.focus());
  claim(root, "[data-count]", "Count").forEach(counter);
});
