// Prompts: Ctrl and an arrow weigh the words that are marked, chips put trigger words in, faults are told while one types.
import { $, make, icon } from "./dom.js";

const STEP = 0.1;

/** The marked text, or the word at the caret, without the blanks around it. */
function marked(area) {
  let { selectionStart: start, selectionEnd: end } = area;
  const text = area.value;
  if (start === end) {
    while (start > 0 && !/[\s,()]/.test(text[start - 1])) start -= 1;
    while (end < text.length && !/[\s,()]/.test(text[end])) end += 1;
  }
  while (start < end && /\s/.test(text[start])) start += 1;
  while (end > start && /\s/.test(text[end - 1])) end -= 1;
  return { start, end };
}

function weigh(area, by) {
  let { start, end } = marked(area);
  if (start === end) return;
  const text = area.value;
  const before = text.slice(0, start), after = text.slice(end);
  const open = /\($/.exec(before), close = /^:([0-9.]+)\)/.exec(after);
  let word = text.slice(start, end), weight = 1, from = start, to = end;
  const whole = /^\((.*):([0-9.]+)\)$/s.exec(word);
  if (whole) {
    [, word, weight] = whole;
  } else if (open && close) {
    weight = close[1];
    from -= 1;
    to += close[0].length;
  }
  weight = Math.round((Number(weight) + by) * 100) / 100;
  weight = Math.min(3, Math.max(0.1, weight));
  const made = weight === 1 ? word : `(${word}:${weight})`;
  area.setRangeText(made, from, to, "preserve");
  const at = from + (weight === 1 ? 0 : 1);
  area.setSelectionRange(at, at + word.length);
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("keydown", (event) => {
  const area = event.target;
  if (!area.matches?.("textarea[data-prompt]") || !(event.ctrlKey || event.metaKey)) return;
  if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
  event.preventDefault();
  weigh(area, event.key === "ArrowUp" ? STEP : -STEP);
});

// The same by touch: what was marked last, in the prompt that was written in last, is weighed by the buttons below it.
let last = null;
document.addEventListener("focusin", (event) => {
  if (event.target.matches?.("textarea[data-prompt]")) last = event.target;
});
document.addEventListener("click", (event) => {
  const by = Number(event.target.closest("[data-weigh]")?.dataset.weigh);
  const area = last?.isConnected ? last : $("#f-prompt");
  if (!by || !area) return;
  area.focus();
  weigh(area, by);
});

document.addEventListener("click", (event) => {
  const chip = event.target.closest("[data-add-word]");
  const area = $("#f-prompt");
  if (!chip || !area) return;
  const word = chip.dataset.addWord, text = area.value.trimEnd();
  if (!text.toLowerCase().includes(word.toLowerCase())) {
    area.value = text ? `${text}${text.endsWith(",") ? "" : ","} ${word}` : word;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
  area.focus();
});

// --- what is found fault with, a moment after the last key
let timer = 0, asked = null;

async function look() {
  const area = $("#f-prompt"), notes = $("#prompt-notes");
  if (!area || !notes) return;
  if (!area.value.trim()) return notes.replaceChildren();
  asked?.abort();
  asked = new AbortController();
  try {
    const answer = await fetch("/api/v1/studio/prompts/look", {
      method: "POST",
      signal: asked.signal,
      headers: { "Content-Type": "application/json", "X-CSRF-Token": $('meta[name="csrf-token"]').content },
      body: JSON.stringify({ prompt: area.value, negativePrompt: $("#f-negative_prompt")?.value ?? "" }),
    });
    if (!answer.ok) return;
    const found = await answer.json();
    const told = found.faults.map((fault) => [fault.weight === "safe_only" ? "info" : "alert", fault.message]);
    for (const name of found.unknownSnippets) told.push(["info", `There are no snippets called #${name}.`]);
    notes.replaceChildren(
      ...told.map(([sign, text]) => make("p", { class: "small made-warning" }, icon(sign, 16), make("span", {}, text))),
    );
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

document.addEventListener("input", (event) => {
  if (!event.target.matches?.("textarea[data-prompt]")) return;
  clearTimeout(timer);
  timer = setTimeout(look, 700);
});
