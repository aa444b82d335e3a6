// time[datetime]: the exact moment, shown on hover, is that of the visitor's own clock.
import { claim, onContent } from "./dom.js";

const format = new Intl.DateTimeFormat(document.documentElement.lang || undefined, {
  dateStyle: "long",
  timeStyle: "short",
});

onContent((root) => {
  for (const element of claim(root, "time[datetime]", "Time")) {
    const moment = new Date(element.dateTime);
    if (!Number.isNaN(moment.valueOf())) element.title = format.format(moment);
  }
});
