// The form of a tip shows what is left afterwards; typing an amount of one's own lets go of the preset.
import { $, $$ } from "./dom.js";

const number = new Intl.NumberFormat("en");

function update(form) {
  const custom = $("[data-tipping-custom]", form), after = $("[data-tipping-after]", form);
  const typed = custom.value.replaceAll(",", "").trim();
  const preset = $("[data-tipping-preset]:checked", form), colour = $("[data-tipping-colour]:checked", form);
  const amount = Number(typed || preset?.value || NaN);
  after.hidden = !colour || !Number.isFinite(amount) || amount <= 0;
  if (after.hidden) return;
  const left = Number(colour.dataset.balance) - amount;
  after.classList.toggle("short", left < 0);
  after.textContent = left < 0
    ? `That is ${number.format(-left)} more than you have in ${colour.value}.`
    : `You will have ${number.format(left)} ${colour.value} Buzz left.`;
}

document.addEventListener("input", (event) => {
  const form = event.target.closest?.("form[data-tipping]");
  if (!form) return;
  if (event.target.matches("[data-tipping-preset]")) $("[data-tipping-custom]", form).value = "";
  update(form);
});
const all = () => $$("form[data-tipping]").forEach(update);
document.addEventListener("htmx:afterSwap", all);
all();
