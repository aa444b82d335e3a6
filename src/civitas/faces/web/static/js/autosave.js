// [data-autosave]: htmx saves the draft while somebody writes. A form waits for a saving that is under way, for the
// later of the two would be told that somebody else was faster; and once it is sent, nothing is saved beside it.
import { $ } from "./dom.js";

let saving = 0;
let held = null;
let sent = false;

const ours = (event) => event.target instanceof Element && event.target.matches("[data-autosave]");

document.addEventListener("htmx:beforeRequest", (event) => {
  if (!ours(event)) return;
  if (sent || held) event.preventDefault();
  else saving++;
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (!ours(event) || saving === 0) return;
  saving--;
  if (saving > 0 || !held) return;
  const { form, submitter } = held;
  held = null;
  form.requestSubmit(submitter);
});

document.addEventListener(
  "submit",
  (event) => {
    if (!$("[data-autosave]", event.target)) return;
    if (saving > 0) {
      event.preventDefault();
      event.stopImmediatePropagation();
      held = { form: event.target, submitter: event.submitter };
    } else {
      sent = true;
    }
  },
  true,
);

addEventListener("pageshow", () => (sent = false));
