// Files that somebody drops, pastes or chooses: folders opened, hidden files left out, handles kept where there are any.

const MOST = 500;

/** What was dropped, as [{file, handle}]; folders are walked through. */
export async function dropped(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  // Everything must be asked for before the first wait: the list is emptied when the event ends.
  const asked = items.map((item) => ({
    entry: item.webkitGetAsEntry?.() ?? null,
    file: item.getAsFile(),
    handle: item.getAsFileSystemHandle?.().catch(() => null) ?? null,
  }));
  const found = [];
  for (const { entry, file, handle } of asked) {
    if (entry?.isDirectory) await walk(entry, found);
    else if (file) found.push({ file, handle: await handle });
  }
  return found.slice(0, MOST);
}

async function walk(entry, found) {
  if (found.length >= MOST) return;
  if (entry.isFile) {
    if (!entry.name.startsWith(".")) found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), handle: null });
    return;
  }
  const reader = entry.createReader();
  // A reader hands out a hundred at a time, and an empty list at the end.
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const child of some) await walk(child, found);
  }
}

/** What an input holds. */
export const picked = (input) => [...input.files].filter((file) => !file.name.startsWith(".")).slice(0, MOST).map((file) => ({ file, handle: null }));

/** Ask with the browser's own picker, whose handles outlive the page; null where there is none. */
export async function asked(multiple, accept) {
  if (!globalThis.showOpenFilePicker) return null;
  try {
    const types = accept.length ? [{ description: "Files", accept: { "application/octet-stream": accept } }] : undefined;
    const handles = await showOpenFilePicker({ multiple, types, excludeAcceptAllOption: false });
    return Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), handle })));
  } catch (error) {
    return error.name === "AbortError" ? [] : null;
  }
}

/** The file behind a kept handle, once the person allows it; null otherwise. */
export async function fromHandle(handle) {
  try {
    if ((await handle.queryPermission({ mode: "read" })) !== "granted" && (await handle.requestPermission({ mode: "read" })) !== "granted") return null;
    return await handle.getFile();
  } catch {
    return null;
  }
}
