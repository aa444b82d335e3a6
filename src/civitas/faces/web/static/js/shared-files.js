// What another app shared waits on this device until a post takes it: [data-uploader] of the editor gets it as if it
// were dropped. Beginning a post says what waits ([data-shared-note]).
import { $ } from "./dom.js";
import { toast } from "./toast.js";

const SHARED = "shared";

async function waiting() {
  if (!globalThis.caches || !(await caches.has(SHARED))) return [];
  const cache = await caches.open(SHARED);
  return Promise.all(
    (await cache.keys()).map(async (key) => {
      const found = await cache.match(key);
      const name = decodeURIComponent(found.headers.get("x-name") ?? "shared");
      return new File([await found.blob()], name, { type: found.headers.get("content-type") ?? "" });
    }),
  );
}

const files = new URLSearchParams(location.search).has("shared") ? await waiting().catch(() => []) : [];
const note = $("[data-shared-note]");
if (files.length && note) {
  note.hidden = false;
  $("[data-shared-wish]").disabled = false;
  note.textContent = files.length === 1 ? `${files[0].name} goes into this post.` : `${files.length} files go into this post.`;
}
const input = $("[data-uploader] input[type=file]");
if (files.length && input) {
  const carried = new DataTransfer();
  for (const file of files) carried.items.add(file);
  input.files = carried.files;
  input.dispatchEvent(new Event("change"));
  await caches.delete(SHARED);
  toast(files.length === 1 ? "What you shared is being added." : `${files.length} shared files are being added.`);
}
