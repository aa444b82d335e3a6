// [data-masonry]: a grid whose items span as many rows as their picture needs. Width and height attributes
// reserve the room before a picture arrives; without script the grid keeps even rows.
import { $, $$, claim, onContent } from "./dom.js";

const ROW = 4;

export function lay(grid, items = [...grid.children]) {
  const style = getComputedStyle(grid);
  const gap = Number.parseFloat(style.columnGap) || 0;
  const columns = style.gridTemplateColumns.split(" ");
  const width = Number.parseFloat(columns[0]);
  if (!width) return;
  const plan = items.map((item) => {
    const image = $("img[width][height]", item);
    const label = $("[data-masonry-label]", item);
    const ratio = image ? image.getAttribute("height") / image.getAttribute("width") : 1;
    const bounded = Math.min(Math.max(ratio, 0.4), 2.2);
    return [item, Math.ceil((width * bounded + (label?.offsetHeight ?? 0) + gap) / ROW)];
  });
  for (const [item, span] of plan) item.style.gridRowEnd = `span ${span}`;
  grid.classList.add("laid");
}

const widths = new WeakMap();
const watcher = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    if (widths.get(target) === contentRect.width) continue;
    widths.set(target, contentRect.width);
    lay(target);
  }
});

onContent((root) => {
  for (const grid of claim(root, "[data-masonry]", "Masonry")) {
    lay(grid);
    watcher.observe(grid);
    new MutationObserver((changes) => {
      const added = changes.flatMap((change) => [...change.addedNodes]).filter((node) => node.nodeType === 1);
      if (added.length) lay(grid, added);
    }).observe(grid, { childList: true });
  }
  for (const grid of $$("[data-masonry]", root)) if (!grid.classList.contains("laid")) lay(grid);
});
