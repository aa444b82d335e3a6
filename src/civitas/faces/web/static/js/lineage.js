// [data-lineage]: draws a line from each node to the nodes named in its data-parents.
import { $, $$, claim, onContent } from "./dom.js";

const NS = "http://www.w3.org/2000/svg";

function draw(graph) {
  const plane = $(".lineage-generations", graph);
  let svg = $("svg.lineage-lines", graph);
  if (!svg) {
    svg = document.createElementNS(NS, "svg");
    svg.setAttribute("class", "lineage-lines");
    svg.setAttribute("aria-hidden", "true");
    plane.prepend(svg);
  }
  const ground = plane.getBoundingClientRect();
  svg.setAttribute("width", plane.scrollWidth);
  svg.setAttribute("height", plane.scrollHeight);
  svg.replaceChildren();
  const stacked = getComputedStyle(plane).flexDirection === "column";
  const back = getComputedStyle(plane).direction === "rtl";
  const nodes = new Map($$("[data-node]", graph).map((node) => [node.dataset.node, node]));
  for (const node of nodes.values()) {
    for (const key of node.dataset.parents.split(" ").filter(Boolean)) {
      const parent = nodes.get(key);
      if (!parent) continue;
      const a = parent.getBoundingClientRect();
      const b = node.getBoundingClientRect();
      const path = document.createElementNS(NS, "path");
      let line;
      if (stacked) {
        const [x1, y1] = [a.left + a.width / 2 - ground.left, a.bottom - ground.top];
        const [x2, y2] = [b.left + b.width / 2 - ground.left, b.top - ground.top];
        const half = (y2 - y1) / 2;
        line = `M${x1} ${y1}C${x1} ${y1 + half} ${x2} ${y2 - half} ${x2} ${y2}`;
      } else {
        const [x1, x2] = [(back ? a.left : a.right) - ground.left, (back ? b.right : b.left) - ground.left];
        const [y1, y2] = [a.top + a.height / 2 - ground.top, b.top + b.height / 2 - ground.top];
        const half = (x2 - x1) / 2;
        line = `M${x1} ${y1}C${x1 + half} ${y1} ${x2 - half} ${y2} ${x2} ${y2}`;
      }
      path.setAttribute("d", line);
      if (node.matches(".current") || parent.matches(".current")) path.setAttribute("class", "near");
      svg.append(path);
    }
  }
}

onContent((root) => {
  for (const graph of claim(root, "[data-lineage]", "Lineage")) {
    new ResizeObserver(() => draw(graph)).observe($(".lineage-generations", graph));
  }
});
