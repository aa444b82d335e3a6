// What this browser remembers of uploads that are not finished, so that they go on after a reload or a crash.
const NAME = "civitas-uploads";
const STORE = "uploads";
// Where the browser keeps nothing (private windows of some), at least this page remembers.
const here = new Map();
let opened = null;

function open() {
  opened ??= new Promise((resolve) => {
    let request;
    try {
      request = indexedDB.open(NAME, 1);
    } catch {
      return resolve(null);
    }
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null);
  });
  return opened;
}

async function run(mode, act) {
  const database = await open();
  if (!database) return undefined;
  return new Promise((resolve, reject) => {
    const request = act(database.transaction(STORE, mode).objectStore(STORE));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** {id, name, size, purpose, version, href, fingerprint, checksums, handle?, at}: all of them, the oldest first. */
export async function records() {
  const found = (await run("readonly", (store) => store.getAll()).catch(() => undefined)) ?? [...here.values()];
  return found.sort((a, b) => a.at - b.at);
}

export async function remember(record) {
  here.set(record.id, record);
  try {
    await run("readwrite", (store) => store.put(record));
  } catch {
    // A handle that cannot be kept must not cost the record.
    await run("readwrite", (store) => store.put({ ...record, handle: null })).catch(() => undefined);
  }
}

export async function forget(id) {
  here.delete(id);
  await run("readwrite", (store) => store.delete(id)).catch(() => undefined);
}
