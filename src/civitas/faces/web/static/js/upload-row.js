// One line of the list of uploads: the name, a bar, figures in words, and what one can do.
import { announce, icon, make } from "./dom.js";

const WORDS = {
  waiting: "Waiting",
  sending: "Uploading",
  stalled: "Waiting for the connection",
  paused: "Paused",
  verifying: "Checking every byte",
  done: "Adding",
  failed: "Stopped",
};
const ANNOUNCE_EVERY = 25;

/** Bytes as file managers show them; 1 KB is 1024 bytes. */
export function bytes(count) {
  let scaled = count;
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (scaled < 1024) return `${unit === "B" || scaled >= 100 ? Math.round(scaled) : scaled.toPrecision(3)} ${unit}`;
    scaled /= 1024;
  }
  return `${scaled.toPrecision(3)} TB`;
}

/** Seconds in words. */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

function deed(words, drawing, name, run) {
  const button = make("button", { class: "button ghost size-s", type: "button", "aria-label": `${words}: ${name}` }, icon(drawing), make("span", { class: "button-label" }, words));
  button.addEventListener("click", run);
  return button;
}

export class UploadRow {
  #told = 0;
  #frame = 0;

  constructor(transfer, { pause, resume, cancel }) {
    this.transfer = transfer;
    this.record = null;
    this.arriving = false;
    this.bar = make("progress", { class: "progress", max: "100", value: "0", "aria-label": `Upload of ${transfer.name}` });
    this.word = make("span", { class: "upload-state" });
    this.figures = make("span", { class: "upload-figures tabular" });
    this.pauseButton = deed("Pause", "pause", transfer.name, pause);
    this.resumeButton = deed("Go on", "play", transfer.name, resume);
    this.cancelButton = deed("Cancel", "x", transfer.name, cancel);
    this.element = make(
      "li",
      { class: "upload" },
      make("div", { class: "upload-head" }, make("span", { class: "upload-name", translate: "no" }, transfer.name), this.word),
      this.bar,
      make("div", { class: "upload-foot" }, this.figures, make("span", { class: "upload-deeds" }, this.pauseButton, this.resumeButton, this.cancelButton)),
    );
    transfer.addEventListener("change", () => this.#later());
    this.show(transfer.state);
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.show(this.transfer.state);
    });
  }

  show(state) {
    const { transfer } = this;
    const verifying = state === "verifying";
    const share = (verifying ? transfer.verified : transfer.sent) / transfer.size;
    this.element.dataset.state = state;
    this.word.textContent = WORDS[state] ?? state;
    if (verifying && transfer.verified === 0) this.bar.removeAttribute("value");
    else this.bar.value = share * 100;
    this.figures.textContent = state === "failed" ? transfer.problem : this.#figures(state);
    this.pauseButton.hidden = state !== "sending" && state !== "stalled";
    this.resumeButton.hidden = state !== "paused" && state !== "failed";
    this.cancelButton.hidden = verifying || state === "done";
    if (state === "sending") this.#announce(share * 100);
  }

  #figures(state) {
    const { transfer } = this;
    const parts = [`${bytes(transfer.sent)} of ${bytes(transfer.size)}`];
    if (state === "sending" && transfer.speed > 0) {
      parts.push(`${bytes(transfer.speed)}/s`);
      if (transfer.left !== null) parts.push(`${duration(transfer.left)} left`);
    }
    if (state === "stalled") parts.push("goes on by itself");
    return parts.join(" · ");
  }

  #announce(percent) {
    const step = Math.floor(percent / ANNOUNCE_EVERY);
    if (step <= this.#told || percent >= 100) return;
    this.#told = step;
    announce(`${this.transfer.name}: ${step * ANNOUNCE_EVERY} percent`);
  }

  /** The upload was cut off before: so much is there, and the file must be had again. */
  interrupted(sent, handle) {
    this.element.dataset.state = "interrupted";
    this.bar.value = (sent / this.transfer.size) * 100;
    this.word.textContent = "Interrupted";
    this.figures.textContent = `${bytes(sent)} of ${bytes(this.transfer.size)} is there. ${handle ? "Go on when you like." : "Choose the file again to go on."}`;
    this.pauseButton.hidden = true;
    this.resumeButton.hidden = false;
    this.cancelButton.hidden = false;
  }

  failed(why) {
    this.transfer.state = "failed";
    this.transfer.problem = why;
    this.show("failed");
  }

  say(words) {
    this.figures.textContent = words;
    this.word.textContent = "";
  }
}
