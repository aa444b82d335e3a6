// [data-uploader]: sends what is dropped, pasted or chosen, shows how far each file is, and adds it to the version.
// Attributes: data-version, or data-attach (where in the API a finished upload is added), data-accept (endings), data-max-size, data-list and data-list-href (the list to refresh),
// data-own-zone (takes what is dropped into it alone). `upload:added` tells what the API answered.
import { $, $$, announce, claim, make, onContent } from "./dom.js";
import { toast } from "./toast.js";
import { asked, dropped, fromHandle, picked } from "./chosen-files.js";
import { Refused, Transfer, call, fingerprint, persist } from "./transfer.js";
import { forget, records, remember } from "./upload-records.js";
import { UploadRow } from "./upload-row.js";

const FILES_AT_ONCE = 3;
const KINDS = { file: "files", image: "images" };
const active = new Set();

addEventListener("beforeunload", (event) => {
  if (active.size > 0) event.preventDefault();
});

class Uploader {
  constructor(form) {
    this.form = form;
    this.purpose = form.dataset.uploader;
    this.version = form.dataset.version ?? form.dataset.attach;
    this.endings = form.dataset.accept.split(",").map((ending) => ending.trim().toLowerCase());
    this.maxSize = Number(form.dataset.maxSize);
    this.list = $("[data-uploads]", form);
    this.input = $("input[type=file]", form);
    this.waiting = [];
    this.running = 0;
    this.#listen();
    this.#recover();
  }

  #listen() {
    $("[data-plain-upload]", this.form).hidden = true;
    $("[data-uploader-tools]", this.form).hidden = false;
    const zone = $("[data-drop-zone]", this.form);
    this.input.addEventListener("change", () => {
      this.add(picked(this.input));
      this.input.value = "";
    });
    this.input.addEventListener("click", async (event) => {
      // The browser's own picker gives handles that outlive the page; pictures are small enough to be chosen again.
      if (!globalThis.showOpenFilePicker || this.purpose !== "file") return;
      event.preventDefault();
      const found = await asked(true, this.endings);
      if (found) this.add(found);
    });
    this.form.addEventListener("submit", (event) => event.preventDefault());
    for (const name of ["dragenter", "dragover"]) {
      document.addEventListener(name, (event) => {
        if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
        event.preventDefault();
        zone.classList.toggle("over", this.#meant(event.target));
      });
    }
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) zone.classList.remove("over");
    });
    document.addEventListener("drop", async (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
      event.preventDefault();
      zone.classList.remove("over");
      if (!this.#meant(event.target)) return;
      this.add(await dropped(event.dataTransfer));
    });
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length > 0 && this.#meant(event.target)) this.add(files.map((file) => ({ file, handle: null })));
    });
    $("[data-choose-folder]", this.form).addEventListener("click", () => this.#chooseFolder());
  }

  /** Whether what lands on `target` is for this form: its own place, or the page where it takes what falls anywhere. */
  #meant(target) {
    const other = target instanceof Element && target.closest("[data-uploader]");
    return other ? other === this.form : !this.form.hasAttribute("data-own-zone");
  }

  #chooseFolder() {
    const input = make("input", { type: "file", webkitdirectory: true, multiple: true });
    input.addEventListener("change", () => this.add(picked(input)));
    input.click();
  }

  /** Take files in; those of another kind are named and left out, and what was begun before goes on. */
  async add(found) {
    const taken = [];
    const refused = [];
    for (const { file, handle } of found) {
      const why = this.#refusal(file);
      if (why) refused.push(`${file.name}: ${why}`);
      else taken.push({ file, handle });
    }
    if (refused.length > 0) toast(refused.slice(0, 3).join(" ") + (refused.length > 3 ? ` And ${refused.length - 3} more.` : ""), { kind: "warn" });
    const known = await records();
    for (const { file, handle } of taken) {
      const mark = await fingerprint(file).catch(() => "");
      const record = known.find((one) => one.fingerprint === mark && one.version === this.version && one.purpose === this.purpose);
      if (record) this.#goOn(record, file);
      else this.#begin(file, handle, mark);
    }
    if (taken.length > 0) announce(taken.length === 1 ? `Uploading ${taken[0].file.name}` : `Uploading ${taken.length} files`);
  }

  #refusal(file) {
    const ending = `.${file.name.split(".").pop().toLowerCase()}`;
    if (!this.endings.includes(ending)) return "this kind of file is not taken here.";
    if (file.size === 0) return "the file is empty.";
    if (file.size > this.maxSize) return "the file is too large for this site.";
    return "";
  }

  #begin(file, handle, mark) {
    const transfer = new Transfer({ name: file.name, size: file.size, purpose: this.purpose, file });
    const record = { name: file.name, size: file.size, purpose: this.purpose, version: this.version, href: location.pathname };
    Object.assign(record, { fingerprint: mark, checksums: transfer.checksums, handle, at: Date.now() });
    this.#queue(this.#row(transfer, record));
  }

  #goOn(record, file) {
    const row = $$("li", this.list).map((item) => item.row).find((one) => one?.record.id === record.id);
    if (row) {
      if (row.transfer.running || row.transfer.state === "waiting") return;
      row.transfer.file = file;
      this.#queue(row);
      return;
    }
    const transfer = new Transfer({ ...record, file });
    this.#queue(this.#row(transfer, record));
  }

  #row(transfer, record) {
    const row = new UploadRow(transfer, {
      pause: () => transfer.stop(),
      resume: () => this.#resume(row),
      cancel: () => this.#cancel(row),
    });
    row.record = record;
    row.element.row = row;
    this.list.append(row.element);
    return row;
  }

  async #resume(row) {
    const { transfer, record } = row;
    if (!transfer.file && !row.arriving) {
      const file = record.handle ? await fromHandle(record.handle) : await this.#askAgain();
      if (!file) return;
      if ((await fingerprint(file)) !== record.fingerprint) {
        toast(`This is not the file that was begun: ${record.name}.`, { kind: "warn" });
        return;
      }
      transfer.file = file;
    }
    this.#queue(row);
  }

  #askAgain() {
    return new Promise((resolve) => {
      const input = make("input", { type: "file" });
      input.addEventListener("change", () => resolve(input.files[0] ?? null));
      input.addEventListener("cancel", () => resolve(null));
      input.click();
    });
  }

  async #cancel(row) {
    this.waiting = this.waiting.filter((one) => one !== row);
    row.element.remove();
    await row.transfer.cancel();
    if (row.transfer.id) await forget(row.transfer.id);
    announce(`Cancelled ${row.transfer.name}`);
  }

  #queue(row) {
    row.show("waiting");
    this.waiting.push(row);
    this.#next();
  }

  #next() {
    while (this.running < FILES_AT_ONCE && this.waiting.length > 0) {
      const row = this.waiting.shift();
      this.running++;
      this.#run(row).finally(() => {
        this.running--;
        this.#next();
      });
    }
  }

  async #run(row) {
    const { transfer, record } = row;
    active.add(row);
    try {
      const done = await alone(transfer.id, () =>
        transfer.run(async (id) => {
          record.id = id;
          await remember(record);
        }),
      );
      if (done === null) row.say("It goes on in another tab.");
      else if (done) await this.#attach(row);
    } finally {
      active.delete(row);
    }
  }

  async #attach(row) {
    let added;
    const path = this.form.dataset.attach ?? `/model-versions/${this.version}/${KINDS[this.purpose]}`;
    try {
      added = await persist(() => call(path, { method: "POST", body: { uploadId: row.transfer.id } }));
    } catch (error) {
      row.failed(error instanceof Refused ? error.message : "It could not be added.");
      return;
    }
    await forget(row.transfer.id);
    row.element.remove();
    announce(`${row.transfer.name} is added`);
    this.form.dispatchEvent(new CustomEvent("upload:added", { bubbles: true, detail: added }));
    refresh(this.form.dataset.list, this.form.dataset.listHref);
  }

  async #recover() {
    const mine = (await records()).filter((one) => one.version === this.version && one.purpose === this.purpose);
    for (const record of mine) {
      let found = null;
      try {
        found = await call(`/uploads/${record.id}`);
      } catch (error) {
        if (error instanceof Refused && error.status !== 404) continue;
      }
      if (found === null || found.status === "aborted" || found.status === "failed") await forget(record.id);
      else this.#recovered(record, found);
    }
  }

  #recovered(record, found) {
    const row = this.#row(new Transfer({ ...record, file: null }), record);
    if (found.status !== "open") {
      row.arriving = true;
      this.#queue(row);
      return;
    }
    const sent = found.received.reduce((sum, part) => sum + part.size, 0);
    row.interrupted(sent, Boolean(record.handle));
  }
}

/** Run it unless another tab does already; null then. */
function alone(id, task) {
  if (!id || !navigator.locks) return task();
  return navigator.locks.request(`civitas-upload-${id}`, { ifAvailable: true }, (lock) => (lock ? task() : null));
}

function refresh(target, href) {
  globalThis.htmx?.ajax("GET", href, { target, swap: "outerHTML" });
}

// A list that follows a scan must not take a form away that somebody is filling in.
document.addEventListener("htmx:beforeRequest", (event) => {
  const list = event.detail.elt;
  if (!list.matches?.("[data-follows]") || !$("details[open]", list)) return;
  event.preventDefault();
  setTimeout(() => {
    if (list.isConnected) refresh(`#${list.id}`, list.getAttribute("hx-get"));
  }, 3000);
});

onContent((root) => claim(root, "[data-uploader]", "Uploader").forEach((form) => new Uploader(form)));


