// The model's page: buttons that only a script can serve appear, snippets become tabs, and the bar with the
// download steps aside while the box itself is in view.
import { $, $$, claim, make, onContent } from "./dom.js";

function tabbed(box) {
  const parts = $$(".snippet", box);
  if (parts.length < 2) return;
  const list = make("div", { class: "segmented snippet-tabs", role: "tablist", "aria-label": "Ways" });
  const select = (index, focus) => {
    parts.forEach((part, at) => (part.hidden = at !== index));
    $$("[role=tab]", list).forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(at === index));
      tab.tabIndex = at === index ? 0 : -1;
      if (at === index && focus) tab.focus();
    });
  };
  parts.forEach((part, at) => {
    part.id ||= `snippet-${at}`;
    part.setAttribute("role", "tabpanel");
    const tab = make("button", { type: "button", role: "tab", class: "snippet-tab", "aria-controls": part.id }, part.getAttribute("aria-label"));
    tab.addEventListener("click", () => select(at, false));
    list.append(tab);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = $$("[role=tab]", list).indexOf(document.activeElement);
    select((at + step + parts.length) % parts.length, true);
  });
  box.prepend(list);
  select(0, false);
}

function stepAside(bar) {
  const box = $(".download-box");
  if (!box) return;
  new IntersectionObserver(([entry]) => bar.classList.toggle("aside-now", entry.isIntersecting)).observe(box);
}

onContent((root) => {
  for (const element of claim(root, "[data-needs-script]", "Script")) element.hidden = false;
  claim(root, "[data-snippets]", "Snippets").forEach(tabbed);
  claim(root, ".download-bar", "Bar").forEach(stepAside);
});
