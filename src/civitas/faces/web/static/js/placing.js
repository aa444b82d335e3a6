// form[data-placing]: the fields say where a sticker is; keys and dragging on the picture write into them.
import { $, announce } from "./dom.js";

const SHARE = 0.2;
const form = $("form[data-placing]");
const stage = $("[data-placing-stage]", form), layer = $("[data-placing-layer]", form);
const sticker = $("[data-placing-sticker]", form);
const field = (name) => form.elements.namedItem(name);
const number = (name) => Number(field(name).value) || 0;
const { width, height } = layer.viewBox.baseVal;

function draw() {
  const size = Math.min(width, height) * SHARE * number("scale") / 100;
  const x = width * number("x") / 100, y = height * number("y") / 100;
  sticker.setAttribute("x", x - size / 2);
  sticker.setAttribute("y", y - size / 2);
  sticker.setAttribute("width", size);
  sticker.setAttribute("height", size);
  sticker.setAttribute("transform", `rotate(${number("rotation")} ${x} ${y})`);
  const chosen = $("input[name=thing]:checked", form);
  if (chosen) sticker.setAttribute("href", chosen.dataset.source);
}

function set(name, value) {
  const input = field(name);
  const kept = Math.min(Number(input.max), Math.max(Number(input.min), value));
  input.value = Math.round(kept * 10) / 10;
}

function turn(by) {
  let to = number("rotation") + by;
  if (to > 180) to -= 360;
  if (to < -180) to += 360;
  set("rotation", to);
}

const told = () => `${Math.round(number("x"))}% from the left, ${Math.round(number("y"))}% from the top, `
  + `size ${Math.round(number("scale"))}%, turned ${Math.round(number("rotation"))} degrees`;
const KEYS = {
  ArrowLeft: (step) => set("x", number("x") - step),
  ArrowRight: (step) => set("x", number("x") + step),
  ArrowUp: (step) => set("y", number("y") - step),
  ArrowDown: (step) => set("y", number("y") + step),
  "+": () => set("scale", number("scale") + 5),
  "=": () => set("scale", number("scale") + 5),
  "-": () => set("scale", number("scale") - 5),
  "[": () => turn(-5),
  "]": () => turn(5),
};

stage.addEventListener("keydown", (event) => {
  const deed = KEYS[event.key];
  if (!deed || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation();
  deed(event.shiftKey ? 5 : 1);
  draw();
  announce(told());
});

function follow(event) {
  const box = layer.getBoundingClientRect();
  set("x", (event.clientX - box.left) / box.width * 100);
  set("y", (event.clientY - box.top) / box.height * 100);
  draw();
}

stage.addEventListener("pointerdown", (event) => {
  if (event.button || event.target.closest("button")) return;
  event.preventDefault();
  stage.focus();
  stage.setPointerCapture(event.pointerId);
  follow(event);
});
stage.addEventListener("pointermove", (event) => {
  if (stage.hasPointerCapture(event.pointerId)) follow(event);
});

form.addEventListener("input", draw);
draw();
