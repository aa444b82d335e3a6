"""Writing to a server what a person publishes or mirrors: every step is remembered, so none is done twice."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civitas.faces.cli.client import SiteClient
from civitas.faces.cli.downloading import Settings
from civitas.faces.cli.exits import NetworkFault, Unsafe
from civitas.faces.cli.hashing import HashCache, Interrupted
from civitas.faces.cli.manifest import Manifest, ManifestVersion
from civitas.faces.cli.records import Json, RemoteFile, as_dict, as_dicts, as_int, as_text
from civitas.faces.cli.states import State
from civitas.faces.cli.uploading import Upload
from civitas.kit.errors import Gone, Invalid, NotFound

Memory = dict[str, Any]
PICTURES_TAKE = 60.0
_READY_SOON = frozenset({"no-posts", "scan-pending"})
_WAITING = frozenset({"", "pending", "scanning", "running"})
_CLEAN = frozenset({"success", "clean", "skipped", "notapplicable"})


@dataclass(frozen=True, slots=True)
class Writer:
    """The steps of publishing on one server. Each takes the memory it may use and saves it through `state`."""

    client: SiteClient
    state: State
    settings: Settings
    cache: HashCache

    def model(self, memory: Memory, body: Mapping[str, Any], *, refresh: bool = False) -> int:
        """The model's id: made now, or the one remembered when it still exists and is ours.

        `refresh` gives a remembered one what `body` says now.
        """
        if memory.get("modelId"):
            if self.own(int(memory["modelId"])) is not None:
                if refresh:
                    self.client.ask("PATCH", f"/models/{memory['modelId']}", body=body)
                return int(memory["modelId"])
            self.settings.notify("the draft of the last run is gone; starting again")
            memory.clear()
        memory["modelId"] = self._id(self.client.ask("POST", "/models", body=body))
        self.state.save()
        return int(memory["modelId"])

    def own(self, model_id: int) -> Json | None:
        """One's own model with its drafts, None when there is no such one."""
        try:
            return as_dict(self.client.ask("GET", f"/me/models/{model_id}"))
        except (NotFound, Gone):
            return None

    def version(
        self, memory: Memory, model_id: int, body: Mapping[str, Any], *, refresh: bool = False
    ) -> int:
        """The version's id: made now, or the one remembered when it still exists; `refresh` as for `model`."""
        if memory.get("versionId"):
            rows = as_dicts((self.own(model_id) or {}).get("modelVersions"))
            if memory["versionId"] in [as_int(row.get("id")) for row in rows]:
                if refresh:
                    self.client.ask("PATCH", f"/model-versions/{memory['versionId']}", body=body)
                return int(memory["versionId"])
            memory.clear()
        memory["versionId"] = self._id(self.client.ask("POST", f"/models/{model_id}/versions", body=body))
        self.state.save()
        return int(memory["versionId"])

    def sha256(self, path: Path) -> str:
        """SHA-256 of a local file with progress, from the cache when it is known."""
        known = self.cache.get(path)
        if known:
            return known
        size = path.stat().st_size
        self.settings.watcher.begin(path.name, size, 0)
        self.settings.watcher.phase("hashing", size)
        try:
            return self.cache.sha256(path, moved=self.settings.watcher.move, stop=self.settings.stop)
        except Interrupted:
            raise KeyboardInterrupt from None
        finally:
            self.settings.watcher.end()

    def upload(self, memory: Memory, path: Path, purpose: str, sha256: str | None) -> str:
        """The id of a verified upload of this file."""
        return Upload(
            self.client,
            path,
            purpose=purpose,
            memory=memory,
            save=self.state.save,
            settings=self.settings,
            sha256=sha256,
        ).run()

    def attach(self, memory: Memory, version_id: int, kind: str, body: Mapping[str, Any]) -> int:
        """Attach an upload to the version as one of its `files` or `images`, once."""
        answer = as_dict(self.client.ask("POST", f"/model-versions/{version_id}/{kind}", body=body))
        memory["attached"] = self._id(answer)
        self.state.save()
        return int(memory["attached"])

    def drop_stale(self, memories: Memory, wanted: Collection[str], route: str) -> None:
        """Take away what an earlier run attached and this one no longer has, such as a file that was replaced."""
        for key in [key for key in memories if key not in wanted]:
            if memories[key].get("attached"):
                with contextlib.suppress(NotFound, Gone):
                    self.client.ask("DELETE", f"/{route}/{memories[key]['attached']}")
            del memories[key]
        self.state.save()

    def scanned(self, model_id: int, version_ids: Collection[int]) -> None:
        """Wait until every file of these versions has been scanned, and say how it goes.

        Raises Unsafe with the server's reasons when a file is not clean.
        """
        told: set[tuple[int, str]] = set()
        pause = 0.2
        while True:
            rows = as_dicts((self.own(model_id) or {}).get("modelVersions"))
            mine = [row for row in rows if as_int(row.get("id")) in version_ids]
            files = [file for row in mine for file in as_dicts(row.get("files"))]
            for file in files:
                seen = (as_int(file.get("id")), as_text(file.get("scanStatus")))
                if seen not in told:
                    told.add(seen)
                    self.settings.notify(f"safety scan of {as_text(file.get('name'))}: {seen[1]}")
            bad = [file for file in files if as_text(file.get("scanStatus")) not in ("pending", "clean")]
            if bad:
                raise Unsafe("; ".join(_verdict(file) for file in bad))
            if all(as_text(file.get("scanStatus")) == "clean" for file in files):
                return
            if self.settings.stop.wait(pause):
                raise KeyboardInterrupt
            pause = min(pause * 1.4, 3.0)

    def pictured(self, version_id: int) -> None:
        """Wait until the pictures of a version were decoded, and tell of those that were refused."""
        waited = 0.0
        while True:
            rows = as_dicts(self.client.ask("GET", f"/model-versions/{version_id}/images"))
            if waited >= PICTURES_TAKE or not any(as_text(row.get("status")) == "pending" for row in rows):
                break
            waited += 0.5
            if self.settings.stop.wait(0.5):
                raise KeyboardInterrupt
        for row in rows:
            if as_text(row.get("failure")):
                self.settings.notify(f"picture {as_text(row.get('name'))}: {as_text(row['failure'])}")

    def publish(self, kind: str, subject_id: int) -> None:
        """Publish a model (`models`) with its versions, or one version (`model-versions`).

        Pictures are made ready in the background, so a refusal for their lack alone is waited out for a while.
        """
        waited = 0.0
        while True:
            try:
                self.client.ask("POST", f"/{kind}/{subject_id}/publish", body={})
            except Invalid as fault:
                missing = {as_text(row.get("code")) for row in as_dicts(fault.details.get("missing"))}
                if not missing or missing - _READY_SOON or waited >= PICTURES_TAKE:
                    raise
            else:
                return
            waited += 1.0
            if self.settings.stop.wait(1.0):
                raise KeyboardInterrupt

    @staticmethod
    def _id(answer: object) -> int:
        tree = as_dict(answer)
        found = as_int(tree.get("id")) or as_int(as_dict(tree.get("item")).get("id"))
        if not found:
            raise NetworkFault("The server's answer carries no id; is this a Civitas?")
        return found


def scan_state(file: RemoteFile) -> str:
    """`pending`, `clean`, or the first scan result that is neither, in lower case.

    A server without a virus scanner leaves that result pending for ever; what it has scanned then counts.
    """
    results = [file.virus_scan.lower(), file.pickle_scan.lower()]
    bad = [result for result in results if result not in _WAITING | _CLEAN]
    if bad:
        return bad[0]
    scanned = results[1] in _CLEAN and (results[0] in _CLEAN or bool(file.raw.get("scannedAt")))
    return "clean" if scanned else "pending"


def _verdict(file: Json) -> str:
    reason = as_text(file.get("scanMessage"))
    told = f"{as_text(file.get('name'))} is {as_text(file.get('scanStatus'))}"
    return f"{told} ({reason})" if reason else told


@dataclass(frozen=True, slots=True)
class Order:
    """What to publish and how far to go."""

    manifest: Manifest
    model_id: int | None = None
    draft: bool = False


def publish(writer: Writer, order: Order) -> dict[str, Any]:
    """Create, upload, verify, wait for the scans and publish; the result as JSON-ready data.

    Raises Unsafe when a scan fails (the draft stays with its owner), and what uploads and the client raise.
    """
    state, client = writer.state, writer.client
    root = state.branch("work")
    model_id = order.model_id or writer.model(root, order.manifest.model.body(), refresh=True)
    results = []
    for number, version in enumerate(order.manifest.version):
        # A remembered version belongs to the remembered model; a new model starts with fresh ones.
        memory = state.branch("work", "versions", str(number))
        version_id = writer.version(memory, model_id, version.body(), refresh=True)
        results.append(_filled(writer, memory, version_id, version))
    status = "Draft"
    if not order.draft:
        writer.scanned(model_id, [result["id"] for result in results])
        for result in results:
            writer.pictured(result["id"])
        if order.model_id is None:
            writer.publish("models", model_id)
        # A version that was not ready when its model went public has to be told again; others do not mind.
        for result in results:
            writer.publish("model-versions", result["id"])
        status = "Published"
        state.forget()
    return {
        "id": model_id,
        "name": order.manifest.model.name or None,
        "url": f"{client.url}/models/{model_id}",
        "status": status,
        "versions": results,
    }


def _filled(writer: Writer, memory: Memory, version_id: int, version: ManifestVersion) -> dict[str, Any]:
    keys: dict[str, set[str]] = {"files": set(), "images": set()}
    files, images = [], []
    for file in version.file:
        digest = writer.sha256(file.path)
        keys["files"].add(f"{file.path}:{digest}")
        kept = _branch(memory, "files", f"{file.path}:{digest}")
        if not kept.get("attached"):
            upload_id = writer.upload(kept, file.path, "file", digest)
            writer.attach(kept, version_id, "files", file.body(upload_id))
        files.append({"id": kept["attached"], "name": file.path.name, "sha256": digest})
    for image in version.image:
        digest = writer.sha256(image.path)
        keys["images"].add(f"{image.path}:{digest}")
        kept = _branch(memory, "images", f"{image.path}:{digest}")
        if not kept.get("attached"):
            upload_id = writer.upload(kept, image.path, "image", digest)
            writer.attach(kept, version_id, "images", image.body(upload_id))
        images.append({"id": kept["attached"], "name": image.path.name})
    # New ones first: a version that is public must not be without a file for a moment.
    writer.drop_stale(_branch(memory, "files"), keys["files"], "model-files")
    writer.drop_stale(_branch(memory, "images"), keys["images"], "images")
    return {"id": version_id, "name": version.name, "files": files, "images": images}


def _branch(memory: Memory, *keys: str) -> Memory:
    node = memory
    for key in keys:
        node = node.setdefault(key, {})
    return node
