// [data-moving="address"] on a picture: its short copy that moves (WebP, or MP4 of a video). In lists it is shown while the card is
// pointed at or has the focus, never to those who ask for calm; where nothing can point, once for a few seconds on the card in the middle of the screen. On a
// picture's own page ([data-plays]) the server shows it at once to those who did not ask for calm; [data-play] stops and starts it.
import { $, calm, claim, make, onContent } from "./dom.js";

const SECONDS = 4.5;
let current = null;

function start(frame) {
  if (frame === current || calm() || frame.classList.contains("blurred")) return;
  stop();
  current = frame;
  const address = frame.dataset.moving;
  const film = address.endsWith(".mp4");
  const copy = film
    ? make("video", { class: "picture-moving", src: address, muted: true, loop: true, playsinline: true, "aria-hidden": "true", tabindex: "-1", disableremoteplayback: true })
    : make("img", { class: "picture-moving", src: address, alt: "" });
  if (film) copy.muted = true;
  copy.addEventListener(film ? "playing" : "load", () => copy.classList.add("ready"), { once: true });
  copy.addEventListener("error", () => copy.remove(), { once: true });
  frame.append(copy);
  if (film) copy.play().catch(() => copy.remove());
}

function stop() {
  if (current) $(".picture-moving", current)?.remove();
  current = null;
}

const frameOf = (target) => $("[data-moving]:not([data-plays])", target.closest?.("[data-card], .tile") ?? document.createElement("i"));

document.addEventListener("pointerover", (event) => {
  if (event.pointerType !== "mouse") return;
  const frame = frameOf(event.target);
  if (frame) start(frame);
  else stop();
});
document.addEventListener("focusin", (event) => {
  const frame = event.target.matches(":focus-visible") && frameOf(event.target);
  if (frame) start(frame);
  else if (!event.target.closest?.("[data-card]")) stop();
});

// Fingers cannot point: what stands in the middle of the screen moves once, and comes to rest by itself.
const touched = matchMedia("(hover: none)");
const middle = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) {
        if (target === current) stop();
      } else if (!navigator.connection?.saveData) {
        start(target);
        setTimeout(() => target === current && stop(), SECONDS * 1000);
      }
    }
  },
  { rootMargin: "-40% 0px -40% 0px" },
);

function playing(frame, button) {
  const source = $("source[data-moves]", frame);
  const moves = Boolean(source) && (!source.media || matchMedia(source.media).matches);
  button.setAttribute("aria-pressed", String(moves));
  return moves;
}

function toggle(button) {
  const frame = button.closest("[data-moving]");
  const source = $("source[data-moves]", frame);
  if (playing(frame, button)) source.remove();
  else {
    source?.remove();
    $("picture", frame).prepend(make("source", { type: "image/webp", srcset: frame.dataset.moving, "data-moves": true }));
  }
  playing(frame, button);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-play]");
  if (!button) return;
  event.preventDefault();
  toggle(button);
});

onContent((root) => {
  for (const frame of claim(root, "[data-moving]", "Moving")) {
    const button = $("[data-play]", frame);
    if (button) {
      button.hidden = false;
      playing(frame, button);
    } else if (touched.matches) middle.observe(frame);
  }
});
