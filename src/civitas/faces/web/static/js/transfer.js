// One file on its way to the storage: parts in parallel, each with its SHA-256, sent again when one is lost,
// paused and gone on with, also after the page was closed. It knows nothing of how it is shown.
import { csrfToken } from "./dom.js";

const API = "/api/v1";
const PARTS_AT_ONCE = 4;
const SIGNED_AHEAD = 4;
const TRIES = 9;
const LONGEST_PAUSE_MS = 30_000;
const SPEED_OVER_MS = 6_000;
const QUIET_AFTER_MS = 4_000;
const STALLED_AFTER_MS = 90_000;

/** What a server said no to. `code` is its stable word, `later` whether the same request may succeed soon. */
export class Refused extends Error {
  constructor(message, { status = 0, code = "", retryAfter = 0 } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }

  get later() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500 || this.code === "part_busy";
  }
}

/** One request to our API; JSON in and out. Raises Refused, or AbortError. */
export async function call(path, { method = "GET", body, signal } = {}) {
  const headers = { accept: "application/json", "x-csrf-token": csrfToken() };
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(API + path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The server cannot be reached.");
  }
  const told = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return told;
  throw new Refused(told?.error ?? "That did not work.", {
    status: response.status,
    code: told?.code,
    retryAfter: Number(response.headers.get("retry-after")) || 0,
  });
}

const stopped = () => new DOMException("stopped", "AbortError");

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(stopped());
    const timer = setTimeout(done, ms);
    // Back on line, there is no reason to wait out the rest.
    addEventListener("online", done, { once: true });
    signal?.addEventListener("abort", fail, { once: true });
    function clean() {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal?.removeEventListener("abort", fail);
    }
    function done() {
      clean();
      resolve();
    }
    function fail() {
      clean();
      reject(stopped());
    }
  });
}

/** Do it again after growing pauses while it fails for reasons that pass. */
export async function persist(task, { signal, onWait = () => {}, tries = TRIES } = {}) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await task();
    } catch (error) {
      if (!(error instanceof Refused) || !error.later || attempt >= tries) throw error;
      const grown = Math.min(500 * 2 ** (attempt - 1), LONGEST_PAUSE_MS) * (0.6 + Math.random() * 0.8);
      onWait(error);
      await pause(Math.max(grown, error.retryAfter * 1000), signal);
    }
  }
}

/** So many things at once and no more, over all transfers of the page. */
class Slots {
  #free;
  #waiting = [];

  constructor(number) {
    this.#free = number;
  }

  async use(task) {
    if (this.#free > 0) this.#free--;
    else await new Promise((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

const slots = new Slots(PARTS_AT_ONCE);

async function sha256(blob) {
  // Only pages on https or localhost may use it (Web Cryptography API, secure contexts).
  const digest = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
  return new Uint8Array(digest);
}

const canHash = () => Boolean(globalThis.crypto?.subtle);

/** What a file is known by when it is chosen again: its size and its two ends. */
export async function fingerprint(file) {
  if (!canHash()) return `${file.size}:${file.name}:${file.lastModified}`;
  const end = 256 * 1024;
  const ends = new Blob([file.slice(0, end), file.slice(Math.max(0, file.size - end))]);
  const digest = await sha256(ends);
  return `${file.size}:${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Events: `change` whenever state or figures are different. States: waiting sending stalled paused verifying done failed. */
export class Transfer extends EventTarget {
  #control = null;
  #moving = new Map();
  #samples = [];
  #confirmed = 0;

  constructor({ name, size, purpose, file = null, id = null, checksums = canHash() }) {
    super();
    Object.assign(this, { name, size, purpose, file, id, checksums });
    this.state = "waiting";
    this.problem = "";
    this.verified = 0;
  }

  get sent() {
    let bytes = this.#confirmed;
    for (const loaded of this.#moving.values()) bytes += loaded;
    return Math.min(bytes, this.size);
  }

  /** Bytes a second of late. */
  get speed() {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || last === first) return 0;
    return Math.max(0, ((last.sent - first.sent) / (performance.now() - first.at)) * 1000);
  }

  /** Seconds to go, or null while nobody can tell. */
  get left() {
    return this.speed > 0 ? (this.size - this.sent) / this.speed : null;
  }

  get running() {
    return this.#control !== null;
  }

  #be(state, problem = "") {
    this.state = state;
    this.problem = problem;
    this.dispatchEvent(new Event("change"));
  }

  #sample() {
    const at = performance.now();
    this.#samples.push({ at, sent: this.sent });
    while (this.#samples.length > 2 && at - this.#samples[0].at > SPEED_OVER_MS) this.#samples.shift();
    this.dispatchEvent(new Event("change"));
  }

  /** Send what is not there yet, wait until every byte was read again; true once it is done. `begun` learns the id. */
  async run(begun = async () => {}) {
    if (this.running) return false;
    this.#control = new AbortController();
    this.#samples = [];
    const watch = setInterval(() => this.#look(), 1_000);
    try {
      await this.#run(begun);
      this.#be("done");
      return true;
    } catch (error) {
      if (error.name === "AbortError") this.#be("paused");
      else this.#be("failed", error instanceof Refused ? error.message : "Something went wrong in this browser.");
      if (!(error instanceof Refused) && error.name !== "AbortError") console.error(error);
      return false;
    } finally {
      clearInterval(watch);
      this.#control = null;
      this.#moving.clear();
    }
  }

  /** A server that neither takes nor refuses anything leaves the figures as they are: say that one waits. */
  #look() {
    const quiet = performance.now() - (this.#samples.at(-1)?.at ?? performance.now());
    if (this.state === "sending" && quiet > QUIET_AFTER_MS) this.#be("stalled", "The server does not answer.");
  }

  /** Stop sending; `run` goes on with what is missing. */
  stop() {
    this.#control?.abort();
  }

  /** Give the upload up, here and on the server. */
  async cancel() {
    this.stop();
    if (this.id) await call(`/uploads/${this.id}`, { method: "DELETE" }).catch(() => {});
  }

  async #run(begun) {
    const { signal } = this.#control;
    const options = { signal, onWait: (error) => this.#be("stalled", error.message) };
    this.#be("sending");
    let found = this.id ? await this.#find(options) : null;
    if (found === null) {
      const body = { filename: this.name, size: this.size, purpose: this.purpose, checksums: this.checksums };
      found = await persist(() => call("/uploads", { method: "POST", body, signal }), options);
      this.id = found.id;
      await begun(found.id);
    }
    if (found.status === "open") {
      if (!this.file) throw new Refused("Choose the file again to go on.", { status: 400, code: "file_needed" });
      await this.#sendAll(found, options);
      const path = `/uploads/${this.id}/complete`;
      found = await persist(() => call(path, { method: "POST", signal }), options);
    }
    await this.#follow(found, options);
  }

  async #find(options) {
    try {
      const found = await persist(() => call(`/uploads/${this.id}`, { signal: options.signal }), options);
      return found.status === "aborted" ? null : found;
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return null;
      throw error;
    }
  }

  async #sendAll(found, options) {
    const here = new Set(found.received.map((part) => part.number));
    this.#confirmed = found.received.reduce((sum, part) => sum + part.size, 0);
    const missing = [];
    for (let number = 1; number <= found.partCount; number++) if (!here.has(number)) missing.push(number);
    const links = [];
    let signing = Promise.resolve();
    const next = () => {
      signing = signing.then(async () => {
        if (links.length === 0 && missing.length > 0) links.push(...(await this.#sign(missing.splice(0, SIGNED_AHEAD), found, options)));
        return links.shift();
      });
      return signing;
    };
    const worker = async () => {
      for (let link = await next(); link; link = await next()) await slots.use(() => this.#sendPart(link, found, options));
    };
    const workers = Array.from({ length: Math.min(PARTS_AT_ONCE, missing.length) }, worker);
    try {
      await Promise.all(workers);
    } catch (error) {
      this.#control?.abort();
      await Promise.allSettled(workers);
      throw error;
    }
  }

  #slice(number, found) {
    const from = (number - 1) * found.partSize;
    return this.file.slice(from, Math.min(from + found.partSize, this.size));
  }

  async #sign(numbers, found, options) {
    const body = { numbers };
    if (this.checksums) {
      delete body.numbers;
      body.parts = [];
      for (const number of numbers) {
        const digest = await this.#read(() => sha256(this.#slice(number, found)));
        body.parts.push({ number, checksum: btoa(String.fromCharCode(...digest)) });
      }
    }
    const path = `/uploads/${this.id}/parts`;
    return persist(() => call(path, { method: "POST", body, signal: options.signal }), options);
  }

  async #read(task) {
    try {
      return await task();
    } catch (error) {
      // The browser refuses to read a file that was changed, moved or unplugged meanwhile.
      if (error.name === "NotReadableError" || error.name === "NotFoundError") {
        throw new Refused("The file was moved or changed. Choose it again to go on.", { status: 400, code: "file_needed" });
      }
      throw error;
    }
  }

  async #sendPart(link, found, options) {
    let current = link;
    await persist(async () => {
      try {
        await this.#put(current, this.#slice(current.number, found), options.signal);
      } catch (error) {
        // A link holds some hours; a laptop may sleep longer.
        if (error instanceof Refused && error.status === 403) {
          [current] = await this.#sign([current.number], found, options);
          throw new Refused(error.message, { status: 503 });
        }
        throw error;
      }
    }, options);
    this.#moving.delete(link.number);
    this.#confirmed += link.size;
    if (this.state === "stalled") this.#be("sending");
    this.#sample();
  }

  #put(link, blob, signal) {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(stopped());
      const request = new XMLHttpRequest();
      let alive = performance.now();
      // Whatever the request says of it, and whether it says anything: what is given up is over.
      const give = (why) => {
        end(why);
        request.abort();
      };
      const abort = () => give(stopped());
      const watch = setInterval(() => {
        if (performance.now() - alive > STALLED_AFTER_MS) give(new Refused("The connection stalled."));
      }, 5_000);
      const end = (outcome) => {
        clearInterval(watch);
        signal.removeEventListener("abort", abort);
        if (!outcome) return resolve();
        this.#moving.delete(link.number);
        return reject(outcome);
      };
      signal.addEventListener("abort", abort, { once: true });
      request.open("PUT", link.url);
      for (const [name, value] of Object.entries(link.headers ?? {})) request.setRequestHeader(name, value);
      request.upload.onprogress = (event) => {
        alive = performance.now();
        this.#moving.set(link.number, event.loaded);
        if (this.state === "stalled") this.#be("sending");
        this.#sample();
      };
      request.onload = () => end(request.status < 300 ? null : refusal(request));
      request.onerror = () => end(new Refused("The connection broke."));
      request.send(blob);
    });
  }

  async #follow(found, options) {
    let current = found;
    let wait = 300;
    this.#confirmed = this.size;
    this.#moving.clear();
    while (current.status === "verifying") {
      this.verified = current.verifiedBytes;
      this.#be("verifying");
      await pause(wait, options.signal);
      wait = Math.min(wait * 1.4, 5_000);
      current = await persist(() => call(`/uploads/${this.id}`, { signal: options.signal }), options);
    }
    if (current.status !== "done") {
      throw new Refused(current.error?.message ?? "The upload was cancelled.", { status: 400, code: current.error?.code ?? "ended" });
    }
  }
}

function refusal(request) {
  let told = {};
  try {
    told = JSON.parse(request.responseText);
  } catch {
    told = {};
  }
  const changed = told.code === "part_exists" || told.code === "part_checksum";
  return new Refused(changed ? "The file was changed while it was sent. Cancel this upload and begin again." : told.error ?? "A part was refused.", {
    status: request.status,
    code: told.code,
    retryAfter: Number(request.getResponseHeader("retry-after")) || 0,
  });
}
