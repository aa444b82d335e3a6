// [data-open-uploads]: says where an unfinished upload goes on, when this browser began it.
import { $, make } from "./dom.js";
import { records } from "./upload-records.js";

const list = $("[data-open-uploads]");
if (list) {
  for (const record of await records()) {
    const place = $(`[data-upload="${CSS.escape(record.id ?? "")}"] [data-go-on]`, list);
    if (!place || !/^\/models\/\d+\//.test(record.href)) continue;
    place.hidden = false;
    place.append(make("a", { class: "button secondary size-s", href: record.href }, make("span", { class: "button-label" }, "Go on")));
  }
}
