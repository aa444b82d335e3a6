// [data-theme-switch]: radios named theme with the values system, light, dark.
import { $$, announce } from "./dom.js";

export const THEMES = ["system", "light", "dark"];

export function current() {
  return document.documentElement.dataset.theme ?? "system";
}

export function choose(theme) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const age = theme === "system" ? 0 : 31536000;
  document.cookie = `theme=${theme}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  show();
}

function show() {
  for (const radio of $$('[data-theme-switch] input[name="theme"]')) radio.checked = radio.value === current();
}

// A page that was kept from before the choice shows it all the same.
function kept() {
  const found = document.cookie.match(/(?:^|; )theme=(light|dark)(?:;|$)/);
  if (found) document.documentElement.dataset.theme = found[1];
  else delete document.documentElement.dataset.theme;
}

document.addEventListener("change", (event) => {
  if (!event.target.matches('[data-theme-switch] input[name="theme"]')) return;
  choose(event.target.value);
  announce(`Theme: ${event.target.value}`);
});

kept();
show();
