// [data-slider]: two pictures, one over the other, with a range between them. Without a script they stand side by side.
import { $, claim, onContent } from "./dom.js";

function begin(box) {
  const range = $(".slider-range", box);
  const show = () => box.style.setProperty("--at", `${range.value}%`);
  range.hidden = false;
  box.classList.add("laid");
  range.addEventListener("input", show);
  // A press anywhere on the pictures takes the line there; the range itself has the keys.
  let held = false;
  const follow = (event) => {
    const ground = box.getBoundingClientRect();
    const share = (event.clientX - ground.left) / ground.width;
    const back = getComputedStyle(box).direction === "rtl";
    range.value = String(Math.round(100 * Math.min(1, Math.max(0, back ? 1 - share : share))));
    show();
  };
  box.addEventListener("pointerdown", (event) => {
    if (event.target.closest("[data-reveal]")) return;
    held = true;
    box.setPointerCapture(event.pointerId);
    follow(event);
    range.focus({ preventScroll: true });
  });
  box.addEventListener("pointermove", (event) => held && follow(event));
  for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, () => (held = false));
  show();
}

onContent((root) => claim(root, "[data-slider]", "Slider").forEach(begin));
