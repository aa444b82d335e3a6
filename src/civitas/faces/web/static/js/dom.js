// Small ground that the other modules stand on.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const starters = [];

/** Run `start(root)` now and for each piece of page that arrives later. `start` must bear being run twice. */
export function onContent(start) {
  starters.push(start);
  start(document);
}

/** Tell every module that `root` is new on the page. */
export function arrived(root) {
  for (const start of starters) start(root);
}

document.addEventListener("htmx:load", (event) => {
  if (event.detail.elt !== document.body) arrived(event.detail.elt);
});

/** Elements below `root`, and `root` itself, that match and were not claimed under `name` before. */
export function claim(root, selector, name) {
  const found = $$(selector, root);
  if (root instanceof Element && root.matches(selector)) found.unshift(root);
  return found.filter((element) => {
    const key = `on${name}`;
    if (element.dataset[key]) return false;
    element.dataset[key] = "1";
    return true;
  });
}

/** An icon of the sprite. */
export function icon(name, size = 18) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("width", `${size / 16}rem`);
  svg.setAttribute("height", `${size / 16}rem`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(ns, "use");
  use.setAttribute("href", `${document.body.dataset.sprite}#${name}`);
  svg.append(use);
  return svg;
}

/** An element with attributes and children; strings become text, never markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Say `text` to a screen reader. */
export function announce(text) {
  const live = $("#live");
  if (!live) return;
  live.textContent = "";
  setTimeout(() => (live.textContent = text), 60);
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Whether the person is typing, so that single keys belong to them. */
export function typing(event) {
  const target = event.target;
  return target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName);
}

/** The CSRF token of this page, for requests that modules send. */
export const csrfToken = () => $('meta[name="csrf-token"]')?.content ?? "";

/** What this browser remembers between visits; null where storage is refused. */
export const memory = {
  get(key, store = localStorage) {
    try {
      return JSON.parse(store.getItem(key));
    } catch {
      return null;
    }
  },
  set(key, value, store = localStorage) {
    try {
      store.setItem(key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  },
};
