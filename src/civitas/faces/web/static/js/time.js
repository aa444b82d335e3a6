// <time datetime>: the moment in the visitor's own time and words, as the label that pointing at it shows.
let format = null;

// How a browser writes dates is slow to load: only when somebody wants to know.
document.addEventListener("pointerover", (event) => {
  const element = event.target.closest?.("time[datetime]:not([title])");
  const moment = element && new Date(element.dateTime);
  if (!element || Number.isNaN(moment.valueOf())) return;
  format ??= new Intl.DateTimeFormat(document.documentElement.lang || undefined, { dateStyle: "long", timeStyle: "short" });
  element.title = format.format(moment);
});
