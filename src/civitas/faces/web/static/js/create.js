// The generator's page: pickers, strengths, prompt keys, what belongs to which way of making, and the live feed.
import { $, $$, announce } from "./dom.js";
import { toast } from "./toast.js";
import "./create-prompt.js";
import "./create-source.js";
import "./create-control.js";
import "./create-queue.js";
import "./picker.js";

const form = $("#create-form");

function changed() {
  form?.dispatchEvent(new CustomEvent("create:changed", { bubbles: true }));
}

// --- what belongs to the chosen way of making
function showParts() {
  const chosen = $('input[name="workflow"]:checked', form)?.value;
  for (const part of $$("[data-for-workflow]", form)) part.hidden = part.dataset.forWorkflow !== chosen;
}

// --- what was chosen in the dialog (picker.js)
document.addEventListener("picker:open", ({ detail }) => {
  const checkpoint = $("#chosen-checkpoint [data-base-model]");
  if (detail.kind !== "checkpoint" && checkpoint) detail.url.searchParams.set("base_model", checkpoint.dataset.baseModel);
});

document.addEventListener("picker:pick", async ({ detail: { kind, version } }) => {
  const into = $(`#chosen-${kind}`);
  if (kind === "network" && $(`[data-chosen="${version}"]`, into)) {
    toast("That is in the recipe already.", { kind: "info" });
    return;
  }
  const swap = kind === "network" ? "beforeend" : "innerHTML";
  const address = `/create/chosen?version=${encodeURIComponent(version)}&kind=${encodeURIComponent(kind)}`;
  await htmx.ajax("GET", address, { target: `#chosen-${kind}`, select: `[data-chosen="${version}"]`, swap });
  if (kind === "checkpoint") return reload();
  changed();
});

/** Another checkpoint has other sizes and settings: the form comes anew, with everything that was entered. */
function reload() {
  const values = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string" && value.length < 1500 && name !== "csrf_token") values.append(name, value);
  }
  values.delete("size");
  values.delete("sampler");
  location.assign(`/create?form=1&${values}`);
}

document.addEventListener("click", (event) => {
  const out = event.target.closest("[data-take-out]");
  if (out) {
    const row = out.closest("[data-chosen]");
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    ($("[data-take-out]", next ?? form) ?? $("[data-picker=network]"))?.focus();
    changed();
  }
});

document.addEventListener("input", (event) => {
  const mirror = event.target.dataset?.mirror;
  if (mirror) document.getElementById(mirror).value = event.target.value;
  if (event.target.id?.startsWith("strength-")) {
    const range = $(`[data-mirror="${event.target.id}"]`);
    if (range) range.value = event.target.value;
  }
});

// --- presets take the form as it stands
document.addEventListener("submit", (event) => {
  const keep = event.target.closest("[data-preset-form]");
  if (!keep) return;
  event.preventDefault();
  const values = {};
  for (const [name, value] of new FormData(form)) {
    if (typeof value !== "string") continue;
    values[name] = name in values ? [].concat(values[name], value) : value;
  }
  values.name = $("[name=name]", keep).value;
  htmx.ajax("POST", "/create/presets", { values, swap: "none" }).then(() => $("#keep-preset").close());
});

form?.addEventListener("change", showParts);
document.addEventListener("create:sent", () => announce("Sent. It appears first among what you made."));
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.closest?.("#create-form")) {
    event.preventDefault();
    form.requestSubmit();
  }
});
if (form) showParts();
