// [data-infinite id] holds [data-items] and [data-load-more] with <a rel="next">. The next page is fetched when
// its link comes near and its items are appended. On Back the same items stand at the same place again.
import { $, $$, announce, arrived, claim, make, memory, onContent } from "./dom.js";
import { toast } from "./toast.js";

const LIMIT = 1_500_000;
const MOST_KEPT = 700;
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
  if (more && old) old.replaceWith(more);
  else if (more) box.append(more);
  else old?.remove();
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
    for (const item of items) item.dataset.from = link.getAttribute("href");
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

/** The item that was opened, or the first that is seen: its card, its place on the screen, the page that brought it. */
function anchor(list) {
  const held = document.activeElement?.closest?.("[data-card]");
  const seen = held && list.contains(held) ? held : $$("[data-card]", list).find((card) => card.getBoundingClientRect().bottom > 0);
  if (!seen) return null;
  const item = [...list.children].find((one) => one.contains(seen));
  return { id: seen.dataset.card, top: seen.getBoundingClientRect().top, from: item?.dataset.from };
}

/** Bring the item back to its place; a feed that keeps far cells out of the page is asked to. */
function seek(list, { id, top }) {
  const asked = new CustomEvent("feed:seek", { cancelable: true, detail: { id, top } });
  if (!list.dispatchEvent(asked)) return;
  const card = $(`[data-card="${CSS.escape(id)}"]`, list);
  if (card) scrollBy({ top: card.getBoundingClientRect().top - top, behavior: "instant" });
}

function save(box) {
  const list = $("[data-items]", box);
  if (!list) return;
  // A feed keeps what is far away out of the page: all of it is wanted now.
  const place = box.anchor ?? anchor(list);
  list.dispatchEvent(new CustomEvent("feed:whole"));
  const added = [...list.children].slice(Number(box.dataset.first));
  const html = added.length > MOST_KEPT ? null : added.map((item) => bare(item).outerHTML.replace(/ data-on[a-z-]+="1"/g, "")).join("");
  const link = $("[data-load-more]", box)?.outerHTML ?? "";
  const kept = { link, y: scrollY, at: Date.now(), anchor: place };
  const whole = html !== null && html.length <= LIMIT && memory.set(keyOf(box), { ...kept, html }, sessionStorage);
  // A list too long to keep is taken up again at the page that held the place.
  if (!whole) memory.set(keyOf(box), kept, sessionStorage);
}

async function takeUp(box, kept) {
  const list = $("[data-items]", box);
  try {
    const found = await page(box, kept.anchor.from);
    const items = [...($("[data-items]", found)?.children ?? [])];
    for (const item of items) item.dataset.from = kept.anchor.from;
    list.dispatchEvent(new CustomEvent("feed:anew"));
    list.replaceChildren();
    append(box, items, $("[data-load-more]", found));
    const start = make("p", { class: "load-more" }, make("a", { class: "button secondary size-m", href: location.href }, "From the beginning"));
    list.before(start);
    box.dataset.first = "0";
    requestAnimationFrame(() => requestAnimationFrame(() => seek(list, kept.anchor)));
    watch(box);
  } catch {
    toast("Your place could not be found again.", { kind: "warn" });
  }
}

function restore(box) {
  const kind = performance.getEntriesByType("navigation")[0]?.type;
  const kept = memory.get(keyOf(box), sessionStorage);
  if (!kept || kind !== "back_forward" || Date.now() - kept.at > 1_800_000) return;
  if (kept.html === undefined && kept.anchor?.from) {
    history.scrollRestoration = "manual";
    takeUp(box, kept);
    return;
  }
  if (kept.html) {
    const parsed = new DOMParser().parseFromString(`<ul>${kept.html}</ul>${kept.link}`, "text/html");
    append(box, [...parsed.body.firstElementChild.children], $("[data-load-more]", parsed.body));
  }
  history.scrollRestoration = "manual";
  const settle = () => scrollTo({ top: kept.y, behavior: "instant" });
  settle();
  const list = $("[data-items]", box);
  // Letters that arrived meanwhile make lines of another height: what counts is the item, not the number of pixels.
  const again = () => (kept.anchor && list ? seek(list, kept.anchor) : settle());
  requestAnimationFrame(() => requestAnimationFrame(again));
  document.fonts?.ready.then(() => requestAnimationFrame(again));
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

// A press moves the focus to what is opened; what is on the screen is noted before the page changes.
document.addEventListener("click", (event) => {
  const card = event.target.closest?.("[data-infinite] [data-card]");
  const box = card?.closest("[data-infinite]");
  if (!box || !event.target.closest("a")) return;
  const item = [...$("[data-items]", box).children].find((one) => one.contains(card));
  box.anchor = { id: card.dataset.card, top: card.getBoundingClientRect().top, from: item?.dataset.from };
});

addEventListener("pagehide", () => document.querySelectorAll("[data-infinite]").forEach(save));
