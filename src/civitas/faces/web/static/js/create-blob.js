// Pictures of the generator's form on their way to the site: what may be sent, how, and where it may be dropped.
import { $, csrfToken } from "./dom.js";
import { toast } from "./toast.js";

const LARGEST = 50 * 1024 * 1024;

/** Whether a file is a picture that is not too large; says so when it is not. */
export function fits(file) {
  if (!file?.type.startsWith("image/")) toast("That is not a picture.", { kind: "warn" });
  else if (file.size > LARGEST) toast("A picture has at most 50 MB.", { kind: "warn" });
  else return true;
  return false;
}

/** Keeps a file as a blob; throws an error with a sentence when it could not be kept. */
export async function keep(file, type) {
  const answer = await fetch("/v2/consumer/blobs", {
    method: "POST",
    headers: { "Content-Type": type, "X-CSRF-Token": csrfToken() },
    body: file,
  });
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.detail || told.title || "The picture could not be kept; try again.");
  }
  return answer.json();
}

/** Tells the form that its cost has to be asked for again. */
export function changed() {
  $("#create-form").dispatchEvent(new CustomEvent("create:changed", { bubbles: true }));
}

/** Lets a file be dropped on a place. */
export function droppable(place, take) {
  for (const name of ["dragenter", "dragover"]) {
    place.addEventListener(name, (event) => {
      event.preventDefault();
      place.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) place.addEventListener(name, () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
}
