// The picture to begin from: chosen, dropped or pasted, kept as a blob; and a mask painted over it.
import { $, announce } from "./dom.js";
import { changed, droppable, fits, keep } from "./create-blob.js";
import { toast } from "./toast.js";

const drop = $("[data-source-drop]");

const parts = drop && {
  file: $("[data-source-file]"),
  shown: $("[data-source-shown]"),
  image: $("[data-source-image]"),
  tools: $("[data-source-tools]"),
  value: $("[data-source-value]"),
  mask: $("[data-mask]"),
  maskValue: $("[data-mask-value]"),
  brush: $("[data-mask-brush]"),
  toggle: $("[data-mask-toggle]"),
};

async function take(file) {
  if (!fits(file)) return;
  drop.setAttribute("aria-busy", "true");
  try {
    const blob = await keep(file, file.type);
    parts.value.value = blob.id;
    parts.image.src = URL.createObjectURL(file);
    parts.shown.hidden = parts.tools.hidden = false;
    clearMask();
    announce("The picture is there");
    changed();
  } catch (error) {
    toast(error.message, { kind: "danger" });
  } finally {
    drop.removeAttribute("aria-busy");
    parts.file.value = "";
  }
}

// --- the mask: white where something new shall be
let painting = false, last = null, painted = false;

function ready() {
  const { image, mask } = parts;
  if (mask.width !== image.naturalWidth || mask.height !== image.naturalHeight) {
    mask.width = image.naturalWidth || 512;
    mask.height = image.naturalHeight || 512;
  }
  const box = image.getBoundingClientRect();
  mask.style.inlineSize = `${box.width}px`;
  mask.style.blockSize = `${box.height}px`;
}

function at(event) {
  const box = parts.mask.getBoundingClientRect();
  const scale = parts.mask.width / box.width;
  return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale, scale };
}

function stroke(event) {
  const here = at(event), pen = parts.mask.getContext("2d");
  pen.strokeStyle = pen.fillStyle = "#fff";
  pen.lineCap = pen.lineJoin = "round";
  pen.lineWidth = Number(parts.brush.value) * here.scale;
  pen.beginPath();
  pen.moveTo((last ?? here).x, (last ?? here).y);
  pen.lineTo(here.x + 0.01, here.y);
  pen.stroke();
  last = here;
  painted = true;
}

async function keepMask() {
  if (!painted) return;
  const { mask } = parts;
  const whole = document.createElement("canvas");
  whole.width = mask.width;
  whole.height = mask.height;
  const pen = whole.getContext("2d");
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, whole.width, whole.height);
  pen.drawImage(mask, 0, 0);
  const bytes = await new Promise((done) => whole.toBlob(done, "image/png"));
  try {
    parts.maskValue.value = (await keep(bytes, "image/png")).id;
    changed();
  } catch (error) {
    toast(error.message, { kind: "danger" });
  }
}

function clearMask() {
  parts.mask.getContext("2d").clearRect(0, 0, parts.mask.width, parts.mask.height);
  parts.maskValue.value = "";
  painted = false;
}

if (parts) {
  parts.file.addEventListener("change", () => take(parts.file.files[0]));
  droppable(drop, take);
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (file && !drop.closest("[hidden]")) take(file);
  });
  parts.toggle.addEventListener("click", () => {
    const on = parts.mask.hidden;
    parts.mask.hidden = !on;
    parts.toggle.setAttribute("aria-pressed", String(on));
    if (on) ready();
  });
  parts.mask.addEventListener("pointerdown", (event) => {
    painting = true;
    last = null;
    parts.mask.setPointerCapture(event.pointerId);
    stroke(event);
  });
  parts.mask.addEventListener("pointermove", (event) => painting && stroke(event));
  for (const name of ["pointerup", "pointercancel"]) {
    parts.mask.addEventListener(name, () => {
      if (painting) keepMask();
      painting = false;
    });
  }
  $("[data-mask-clear]").addEventListener("click", () => {
    clearMask();
    changed();
  });
  $("[data-source-clear]").addEventListener("click", () => {
    parts.value.value = "";
    parts.shown.hidden = parts.tools.hidden = true;
    clearMask();
    parts.file.focus();
    changed();
  });
}
