// [data-feed]: a masonry that never jumps and never grows heavy. Each cell gets a fixed place the moment it arrives, by
// the width and height of its picture; cells far from the screen leave the page and come back to where they were.
// What was on the screen is told in batches ([data-seen]); on Back the picture that was opened has the focus again.
import { $, csrfToken, memory, onContent, claim } from "./dom.js";

const ROW = 4;
const FAR = 600;
// So few are never taken out.
const FEW = 40;
const OPENED = "feed-opened";

class Feed {
  constructor(grid) {
    this.grid = grid;
    this.cells = [];
    this.take([...grid.children]);
    this.width = grid.clientWidth;
    new MutationObserver((changes) => {
      if (this.busy) return;
      this.take(changes.flatMap((change) => [...change.addedNodes]).filter((node) => node.nodeType === 1));
    }).observe(grid, { childList: true });
    new ResizeObserver(() => {
      if (grid.clientWidth === this.width) return;
      this.width = grid.clientWidth;
      this.all();
      this.place(this.cells, true);
      this.thin();
    }).observe(grid);
    let waiting = false;
    addEventListener(
      "scroll",
      () => {
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => {
          waiting = false;
          this.thin();
        });
      },
      { passive: true },
    );
    grid.addEventListener("feed:anew", () => {
      this.cells = [];
      this.heights = null;
    });
    grid.addEventListener("feed:seek", (event) => {
      event.preventDefault();
      this.seek(event.detail);
    });
    grid.addEventListener("feed:whole", () => this.all());
    grid.addEventListener("feed:gone", ({ target }) => this.drop(target));
    // Before the list is kept for Back, whole.
    addEventListener("pagehide", () => this.all(), { capture: true });
  }

  take(nodes) {
    const fresh = nodes
      .filter((node) => node.classList.contains("feed-cell") && !this.cells.some((cell) => cell.node === node))
      .map((node) => ({ node, shown: true }));
    this.cells.push(...fresh);
    this.place(fresh, false);
    this.thin();
    fresh.forEach((cell, index) => this.watch(cell, this.cells.length - fresh.length + index + 1));
  }

  place(cells, anew) {
    // A cell in the fourth column would keep four columns alive where only two have room.
    if (anew) for (const cell of cells) cell.node.style.gridArea = "";
    const style = getComputedStyle(this.grid);
    const columns = style.gridTemplateColumns.split(" ");
    const width = Number.parseFloat(columns[0]);
    if (!width) return;
    const gap = Number.parseFloat(style.columnGap) || 0;
    if (anew || this.heights?.length !== columns.length) this.heights = columns.map(() => 0);
    this.grid.classList.add("placed");
    // All are of one height, and to ask each for its own would lay out what nobody sees yet.
    const foot = $(".image-foot", cells[0]?.node ?? this.grid)?.offsetHeight ?? 40;
    const plan = cells.map((cell) => {
      const image = $("img[width][height]", cell.node);
      const ratio = image ? image.getAttribute("height") / image.getAttribute("width") : 0.6;
      const drawn = Math.min(width * ratio, 768);
      return [cell, Math.ceil((drawn + foot + 4 + gap) / ROW)];
    });
    for (const [cell, span] of plan) {
      const column = this.heights.indexOf(Math.min(...this.heights));
      cell.top = this.heights[column] * ROW;
      this.heights[column] += span;
      cell.bottom = this.heights[column] * ROW;
      cell.node.style.gridColumn = `${column + 1}`;
      cell.node.style.gridRow = `${cell.top / ROW + 1} / span ${span}`;
    }
    this.grid.style.minHeight = `${Math.max(...this.heights) * ROW}px`;
  }

  thin() {
    if (this.cells.length < FEW) return;
    const start = this.grid.getBoundingClientRect().top;
    let next = null;
    this.busy = true;
    for (let i = this.cells.length - 1; i >= 0; i -= 1) {
      const cell = this.cells[i];
      const near = cell.bottom + start > -FAR && cell.top + start < innerHeight + FAR;
      const held = cell.node.contains(document.activeElement);
      if (near && !cell.shown) {
        this.grid.insertBefore(cell.node, next);
        cell.shown = true;
      } else if (!near && !held && cell.shown) {
        cell.node.remove();
        cell.shown = false;
      }
      if (cell.shown) next = cell.node;
    }
    queueMicrotask(() => (this.busy = false));
  }

  all() {
    this.busy = true;
    let next = null;
    for (let i = this.cells.length - 1; i >= 0; i -= 1) {
      const cell = this.cells[i];
      if (!cell.shown) this.grid.insertBefore(cell.node, next);
      cell.shown = true;
      next = cell.node;
    }
    queueMicrotask(() => (this.busy = false));
  }

  /** Scroll until the card stands where it stood, and give it the focus. */
  seek({ id, top }) {
    const cell = this.cells.find((one) => $("[data-card]", one.node)?.dataset.card === id);
    if (!cell) return;
    const start = this.grid.getBoundingClientRect().top + scrollY;
    scrollTo({ top: start + cell.top - top, behavior: "instant" });
    this.thin();
    $(".card-link", cell.node)?.focus({ preventScroll: true });
  }

  /** A cell is gone for good: those after it close up. */
  drop(node) {
    const at = this.cells.findIndex((cell) => cell.node === node);
    if (at < 0) return;
    this.cells.splice(at, 1);
    this.all();
    this.busy = true;
    node.remove();
    this.place(this.cells, true);
    queueMicrotask(() => (this.busy = false));
  }

  watch(cell, number) {
    const card = $("[data-card]", cell.node);
    if (!card) return;
    card.setAttribute("aria-posinset", number);
    card.setAttribute("aria-setsize", "-1");
    if (this.grid.dataset.seen && /^\d+$/.test(card.dataset.card)) seeing.observe(card);
  }
}

const pending = new Set();
let timer = 0;

export function tell(url) {
  clearTimeout(timer);
  if (!pending.size) return;
  const body = new FormData();
  body.set("ids", [...pending].slice(0, 400).join(","));
  body.set("csrf_token", csrfToken());
  pending.clear();
  fetch(url, { method: "POST", body, keepalive: true, headers: { "X-CSRF-Token": csrfToken() } }).catch(() => {});
}

const seeing = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seeing.unobserve(entry.target);
      pending.add(entry.target.dataset.card);
    }
    const url = $("[data-feed]")?.dataset.seen;
    clearTimeout(timer);
    if (pending.size >= 100) tell(url);
    else timer = setTimeout(() => tell(url), 4000);
  },
  { threshold: 0.6 },
);

document.addEventListener("click", (event) => {
  const card = event.target.closest("[data-feed] [data-card]");
  if (card && event.target.closest(".card-link")) memory.set(OPENED, { id: card.dataset.card, feed: location.href }, sessionStorage);
});

addEventListener("pagehide", () => tell($("[data-feed]")?.dataset.seen ?? ""));

onContent((root) => {
  for (const grid of claim(root, "[data-feed]", "Feed")) {
    new Feed(grid);
    const kept = memory.get(OPENED, sessionStorage);
    const kind = performance.getEntriesByType("navigation")[0]?.type;
    if (kept?.feed === location.href && kind === "back_forward") {
      requestAnimationFrame(() => $(`[data-card="${CSS.escape(kept.id)}"] .card-link`, grid)?.focus({ preventScroll: true }));
    }
  }
});
