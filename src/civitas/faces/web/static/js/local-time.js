// [data-local-time]: tells the server which zone a `datetime-local` field is meant in, and the person too.
import { $, claim, onContent } from "./dom.js";

const pad = (number) => String(number).padStart(2, "0");

function local(moment) {
  const day = `${moment.getFullYear()}-${pad(moment.getMonth() + 1)}-${pad(moment.getDate())}`;
  return `${day}T${pad(moment.getHours())}:${pad(moment.getMinutes())}`;
}

function start(form) {
  const field = $('input[type="datetime-local"]', form);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const hint = $("[data-zone]", form);
  if (hint) hint.textContent = `In your own time${zone ? ` (${zone.replaceAll("_", " ")})` : ""}, an hour from now at the soonest.`;
  field.min = local(new Date(Date.now() + 61 * 60_000));
  const told = () => {
    const moment = field.value ? new Date(field.value) : new Date();
    // Minutes west of UTC in the browser's words; ours are east.
    form.elements.offset.value = String(-moment.getTimezoneOffset());
  };
  field.addEventListener("change", told);
  told();
}

onContent((root) => claim(root, "[data-local-time]", "LocalTime").forEach(start));
