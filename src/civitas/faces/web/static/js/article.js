// The reader tells that somebody has read for a while and marks the part in view; the editor puts pictures where the cursor is.
import { $, $$, announce, csrfToken, onContent, claim } from "./dom.js";

const READ_MS = 8000;

onContent((root) => {
  for (const text of claim(root, "[data-seen]", "seen")) {
    setTimeout(() => {
      if (document.hidden) return;
      fetch(text.dataset.seen, { method: "POST", headers: { "X-CSRF-Token": csrfToken() }, keepalive: true }).catch(() => {});
    }, READ_MS);
    follow(text);
  }
  for (const button of claim(root, "[data-insert]", "insert")) {
    button.addEventListener("click", () => insert(button.dataset.insert));
  }
  for (const button of claim(root, "[data-cover]", "cover")) {
    button.addEventListener("click", () => {
      const field = $("#f-cover");
      field.value = button.dataset.cover;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.focus();
      announce("It is the cover once you save");
    });
  }
  for (const zone of claim(root, "[data-zone]", "zone")) zone.value = -new Date().getTimezoneOffset();
});

function follow(text) {
  const links = new Map($$(".reader-toc a").map((link) => [link.hash.slice(1), link]));
  if (!links.size) return;
  const seen = new IntersectionObserver(
    (entries) => {
      const here = entries.filter((entry) => entry.isIntersecting).at(-1);
      if (!here) return;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(here.target.id)?.setAttribute("aria-current", "location");
    },
    { rootMargin: "-15% 0px -70% 0px" },
  );
  for (const heading of $$("h2[id], h3[id], h4[id]", text)) seen.observe(heading);
}

// What was dropped, pasted or chosen stands in the text at once; it is seen there once it was read.
document.addEventListener("upload:added", ({ target, detail }) => {
  if (!target.matches("[data-into-text]") || !detail?.id) return;
  insert(`![${(detail.name ?? "").replace(/[[\]()\\`*_<>]/g, "")}](/images/${detail.id})`, false);
});

function insert(markdown, focus = true) {
  const field = $("[data-editor]");
  if (!field) return;
  const at = field.selectionStart;
  const before = at > 0 && field.value[at - 1] !== "\n" ? "\n\n" : "";
  field.setRangeText(`${before}${markdown}\n\n`, at, field.selectionEnd, "end");
  if (focus) field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
