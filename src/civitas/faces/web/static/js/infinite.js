// [data-infinite id] holds [data-items] and [data-load-more] with <a rel="next">. The next page is fetched when
// its link comes near and its items are appended. On Back the same items stand at the same place again.
import { $, $$, announce, arrived, claim, memory, onContent } from "./dom.js";
import { toast } from "./toast.js";

const LIMIT = 3_000_000;
const keyOf = (box) => `list:${box.id}:${location.pathname}${location.search}`;

async function page(box, href) {
  const headers = { "HX-Request": "true", "HX-Target": box.id, Accept: "text/html" };
  const response = await fetch(href, { headers, credentials: "same-origin" });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
  return parsed.getElementById(box.id) ?? parsed.body;
}

function append(box, items, more) {
  const list = $("[data-items]", box);
  const seen = new Set([...list.querySelectorAll("[data-card]")].map((card) => card.dataset.card));
  const fresh = items.filter((item) => {
    const card = $("[data-card]", item);
    return !card || !seen.has(card.dataset.card);
  });
  list.append(...fresh);
  const old = $("[data-load-more]", box);
  if (more) old.replaceWith(more);
  else old.remove();
  fresh.forEach(arrived);
  return fresh.length;
}

async function more(box) {
  const link = $('[data-load-more] a[rel="next"]', box);
  if (!link || box.dataset.loading) return;
  box.dataset.loading = "1";
  link.setAttribute("aria-busy", "true");
  const focused = document.activeElement === link;
  try {
    const next = await page(box, link.href);
    const items = [...($("[data-items]", next)?.children ?? [])];
    const first = items[0];
    const count = append(box, items, $("[data-load-more]", next));
    box.dispatchEvent(new CustomEvent("feed:grew", { bubbles: true }));
    announce(count ? `${count} more loaded` : "Nothing more");
    if (focused) $("a, button", first ?? box)?.focus({ preventScroll: true });
    watch(box);
  } catch {
    link.removeAttribute("aria-busy");
    observer.unobserve(link);
    toast("The next page did not load. Press “Show more” to try again.", { kind: "warn" });
  } finally {
    delete box.dataset.loading;
  }
}

const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) more(entry.target.closest("[data-infinite]"));
  },
  { rootMargin: "900px 0px" },
);

function watch(box) {
  const link = $('[data-load-more] a[rel="next"]', box);
  if (link && box.dataset.infinite !== "manual") observer.observe(link);
}

// Where a script placed something stays out: written as an attribute it would be refused by the content security policy.
function bare(item) {
  const copy = item.cloneNode(true);
  for (const element of [copy, ...$$("[style]", copy)]) element.removeAttribute("style");
  return copy;
}

function save(box) {
  const list = $("[data-items]", box);
  if (!list) return;
  const added = [...list.children].slice(Number(box.dataset.first));
  const html = added.map((item) => bare(item).outerHTML.replace(/ data-on[a-z-]+="1"/g, "")).join("");
  const link = $("[data-load-more]", box)?.outerHTML ?? "";
  if (html.length > LIMIT) return;
  memory.set(keyOf(box), { html, link, y: scrollY, at: Date.now() }, sessionStorage);
}

function restore(box) {
  const kind = performance.getEntriesByType("navigation")[0]?.type;
  const kept = memory.get(keyOf(box), sessionStorage);
  if (!kept || kind !== "back_forward" || Date.now() - kept.at > 1_800_000) return;
  if (kept.html) {
    const parsed = new DOMParser().parseFromString(`<ul>${kept.html}</ul>${kept.link}`, "text/html");
    append(box, [...parsed.body.firstElementChild.children], $("[data-load-more]", parsed.body));
  }
  history.scrollRestoration = "manual";
  const settle = () => scrollTo({ top: kept.y, behavior: "instant" });
  settle();
  requestAnimationFrame(() => requestAnimationFrame(settle));
}

onContent((root) => {
  for (const box of claim(root, "[data-infinite]", "Infinite")) {
    box.dataset.first = $("[data-items]", box)?.childElementCount ?? 0;
    restore(box);
    watch(box);
  }
});

document.addEventListener("click", (event) => {
  const link = event.target.closest('[data-infinite] [data-load-more] a[rel="next"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  more(link.closest("[data-infinite]"));
});

addEventListener("pagehide", () => document.querySelectorAll("[data-infinite]").forEach(save));
