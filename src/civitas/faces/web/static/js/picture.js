// [data-picture]: paints the BlurHash until the picture is there. [data-reveal]: shows a hidden picture.
import { $, claim, onContent } from "./dom.js";
import { paint } from "./blurhash.js";

// Painting is work: it is done for what comes near.
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      if (!target.closest(".loaded")) paint(target, target.dataset.blurhash);
    }
  },
  { rootMargin: "300px" },
);

function begin(frame) {
  const image = $("img", frame);
  const done = () => frame.classList.add("loaded");
  if (image.complete && image.naturalWidth) {
    frame.classList.add("loaded", "instant");
    return;
  }
  const canvas = $("canvas[data-blurhash]", frame);
  if (canvas) near.observe(canvas);
  image.addEventListener("load", done, { once: true });
  image.addEventListener("error", () => frame.classList.add("failed"), { once: true });
}

onContent((root) => claim(root, "[data-picture]", "Picture").forEach(begin));

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-reveal]");
  if (!button) return;
  event.preventDefault();
  const frame = button.closest(".picture");
  frame.classList.remove("blurred");
  button.remove();
  frame.closest("article")?.querySelector("a")?.focus({ preventScroll: true });
});
