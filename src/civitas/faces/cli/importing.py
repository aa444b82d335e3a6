"""Mirroring models from one server of this kind to another, with their maker's name and permissions kept."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from civitas.faces.cli.client import SiteClient
from civitas.faces.cli.downloading import Outcome, download
from civitas.faces.cli.exits import NetworkFault
from civitas.faces.cli.layouts import safe_name
from civitas.faces.cli.publishing import Writer
from civitas.faces.cli.records import (
    RemoteFile,
    RemoteImage,
    RemoteModel,
    RemoteVersion,
    as_dict,
    as_text,
)
from civitas.faces.cli.sidecars import MAX_IMAGE, image_kind, sized
from civitas.faces.cli.translating import file_body, image_body, model_body, refusal, version_body
from civitas.kit.errors import Conflict, Fault, Forbidden, Gone, Invalid, Limited, NotFound, Unauthorised

_ENDS_ALL = (Limited, Unauthorised, NetworkFault)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to mirror: one model, one version of it, or the models of a search."""

    model_id: int | None = None
    version_id: int | None = None
    params: tuple[tuple[str, str], ...] = ()
    limit: int = 20
    mature: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How to mirror."""

    files: bool = True
    images: bool = True
    max_images: int = 8
    draft: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class Report:
    """What became of one model. `status` is imported, present, skipped, planned or failed."""

    source_id: int
    name: str
    status: str = "present"
    target_id: int | None = None
    reason: str | None = None
    versions: list[dict[str, Any]] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        return {
            "sourceModelId": self.source_id,
            "name": self.name,
            "status": self.status,
            "modelId": self.target_id,
            "reason": self.reason,
            "versions": self.versions,
        }


class Mirror:
    """From `source`, read as anyone may, to `writer.client`, through its own write API."""

    def __init__(self, source: SiteClient, writer: Writer, plan: Plan) -> None:
        self._source = source
        self._writer = writer
        self._plan = plan
        self._platform = urlsplit(source.url).hostname or source.url
        base = platformdirs.user_cache_path("civitas", appauthor=False) / "import"
        self._folder = base / writer.state.path.stem

    def run(self, wanted: Wanted) -> Iterator[Report]:
        """Mirror model after model; one that fails is reported and the next one goes on.

        Raises what ends everything: Limited, Unauthorised, NetworkFault, an interrupt.
        """
        for model in self._models(wanted):
            report = Report(model.id, model.name)
            try:
                self._model(model, wanted.version_id, report)
            except _ENDS_ALL:
                raise
            except Fault as fault:
                report.status, report.reason = "failed", fault.message
            yield report
        shutil.rmtree(self._folder, ignore_errors=True)

    def _models(self, wanted: Wanted) -> Iterator[RemoteModel]:
        if wanted.version_id is not None:
            version = self._source.version(wanted.version_id)
            yield self._source.model(version.model_id, mature=wanted.mature)
        elif wanted.model_id is not None:
            yield self._source.model(wanted.model_id, mature=wanted.mature)
        else:
            for listed in self._source.models(wanted.params, limit=wanted.limit):
                # A list may leave out what the model's own page has, such as its description.
                yield self._source.model(listed.id, mature=wanted.mature)

    def _model(self, model: RemoteModel, only: int | None, report: Report) -> None:
        if model.mode in ("Archived", "TakenDown"):
            report.status, report.reason = "skipped", f"the source has it as {model.mode}"
            return
        memory = self._writer.state.branch("models", str(model.id))
        versions = [version for version in model.versions if only in (None, version.id)]
        present = self._present(versions)
        touched: list[int] = []
        # Oldest first, so that the newest one is made last and comes out on top there too.
        for version in reversed(versions):
            row: dict[str, Any] = {"sourceVersionId": version.id, "name": version.name}
            report.versions.append(row)
            files = [file for file in version.files if file.download_url and file.type != "Training Data"]
            remembered = as_dict(as_dict(memory.get("versions")).get(str(version.id)))
            if remembered.get("done"):
                row |= {"status": "present", "versionId": remembered.get("versionId")}
                report.target_id = memory.get("modelId")
                continue
            reason = refusal(version, files) if self._plan.files else None
            known = [present[file.sha256] for file in files if file.sha256 in present]
            if reason:
                row |= {"status": "skipped", "reason": reason}
            elif known and len(known) == len(files) and not remembered:
                row |= {"status": "present", "versionId": known[0][1]}
                report.target_id = known[0][0]
            elif self._plan.dry_run:
                row |= {"status": "planned", "bytes": sum(file.size for file in files), "files": len(files)}
            else:
                self._adopt(memory, list(present.values()))
                touched.append(self._version(memory, model, version, files, present, row))
        self._close(memory, report, touched)

    def _present(self, versions: list[RemoteVersion]) -> dict[str, tuple[int, int]]:
        """What the target has of these files: (model id, version id) by SHA-256."""
        digests = [file.sha256 for version in versions for file in version.files if file.sha256]
        client = self._writer.client
        found = client.ids_by_hashes(digests) if digests else {}
        models: dict[int, int] = {}
        for model_id, version_id in found.values():
            if not model_id and version_id not in models:
                try:
                    models[version_id] = client.version(version_id).model_id
                except (NotFound, Gone):
                    models[version_id] = 0
        whole = {
            key: (model_id or models[version_id], version_id) for key, (model_id, version_id) in found.items()
        }
        return {key: ids for key, ids in whole.items() if ids[0]}

    def _adopt(self, memory: dict[str, Any], known: list[tuple[int, int]]) -> None:
        """Go on with our own model when it has part of this already and the memory of it was lost."""
        if memory.get("modelId") or not known:
            return
        client = self._writer.client
        mine = as_text(client.me().get("username"))
        for model_id in dict.fromkeys(model_id for model_id, _version in known):
            if client.model(model_id).creator == mine:
                memory["modelId"] = model_id
                return

    def _close(self, memory: dict[str, Any], report: Report, touched: list[int]) -> None:
        statuses = {row["status"] for row in report.versions}
        for status in ("imported", "planned", "skipped"):
            if status in statuses:
                report.status = status
                break
        if not touched:
            return
        report.target_id = memory["modelId"]
        if self._plan.draft:
            return
        if self._plan.files:
            self._writer.scanned(memory["modelId"], touched)
        for version_id in touched:
            self._writer.pictured(version_id)
        if not memory.get("published"):
            self._writer.publish("models", memory["modelId"])
            memory["published"] = True
        for version_id in touched:
            self._writer.publish("model-versions", version_id)
        for remembered in memory.get("versions", {}).values():
            if remembered.get("versionId") in touched:
                remembered["done"] = True
        self._writer.state.save()

    def _version(
        self,
        memory: dict[str, Any],
        model: RemoteModel,
        version: RemoteVersion,
        files: list[RemoteFile],
        present: Mapping[str, tuple[int, int]],
        row: dict[str, Any],
    ) -> int:
        model_id = self._writer.model(memory, model_body(self._source.url, model))
        kept = memory.setdefault("versions", {}).setdefault(str(version.id), {})
        body = version_body(version)
        try:
            version_id = self._writer.version(kept, model_id, body)
        except Invalid as fault:
            if body["baseModel"] == "Other":
                raise
            self._writer.settings.notify(
                f"{version.name}: {fault.message} It is imported with base model Other."
            )
            version_id = self._writer.version(kept, model_id, {**body, "baseModel": "Other"})
        row |= {"status": "imported", "versionId": version_id, "files": [], "images": 0}
        if self._plan.files:
            for file in files:
                row["files"].append(self._file(kept, version, file, version_id, present))
        if self._plan.images:
            # The lists of a version inside a model are short; its own page may tell more of an image.
            for image in version.images[: self._plan.max_images]:
                row["images"] += self._image(kept, image, version_id)
        return version_id

    def _file(
        self,
        kept: dict[str, Any],
        version: RemoteVersion,
        file: RemoteFile,
        version_id: int,
        present: Mapping[str, tuple[int, int]],
    ) -> dict[str, Any]:
        memory = kept.setdefault("files", {}).setdefault(str(file.id or file.name), {})
        if not memory.get("attached") and file.sha256 in present:
            self._link(memory, version_id, file)
        if not memory.get("attached"):
            outcome = self._fetched(version, file)
            if not outcome.verified:
                self._writer.settings.notify(f"{file.name}: the source gives no hash to check it by")
            upload_id = self._writer.upload(memory, outcome.path, "file", outcome.sha256)
            self._attach_file(memory, version_id, file_body(file, outcome.path, upload_id))
            outcome.path.unlink(missing_ok=True)
        return {"name": file.name, "fileId": memory["attached"], "sha256": file.sha256}

    def _fetched(self, version: RemoteVersion, file: RemoteFile) -> Outcome:
        try:
            return download(
                self._source, version, file, self._folder / str(version.id), self._writer.settings
            )
        except Unauthorised as fault:
            if self._source.key is None:
                raise Unauthorised(
                    f"{self._platform} wants a key for downloads: sign in there with `civitas login`, or set "
                    "CIVITAS_SOURCE_KEY."
                ) from None
            # With a key, it is this file that is withheld, and others may not be.
            raise Forbidden(fault.message) from None

    def _link(self, memory: dict[str, Any], version_id: int, file: RemoteFile) -> None:
        """Use bytes that the target has already; it may refuse, and then they are sent."""
        body = {"sha256": file.sha256, "name": safe_name(file.name, "model"), "type": file.type}
        try:
            self._writer.attach(memory, version_id, "files", body)
        except (NotFound, Forbidden, Invalid, Conflict):
            return

    def _attach_file(self, memory: dict[str, Any], version_id: int, body: dict[str, Any]) -> None:
        """Attach with all that the source tells, else with what the target understands of it."""
        plainer = {key: body[key] for key in ("uploadId", "name", "type")}
        try:
            self._writer.attach(memory, version_id, "files", body)
        except Invalid:
            try:
                self._writer.attach(memory, version_id, "files", plainer)
            except Invalid:
                self._writer.attach(memory, version_id, "files", {**plainer, "type": "Other"})

    def _image(self, kept: dict[str, Any], image: RemoteImage, version_id: int) -> int:
        memory = kept.setdefault("images", {}).setdefault(image.url, {})
        if memory.get("attached"):
            return 1
        if image.type != "image" or memory.get("refused"):
            return 0
        try:
            body = self._source.bytes_of(sized(image.url, "original=true"), most=MAX_IMAGE)
        except (NotFound, Gone, Forbidden, Invalid) as fault:
            self._writer.settings.notify(f"an image is missing at the source: {fault.message}")
            return 0
        kind = image_kind(body)
        if kind is None:
            return 0
        path = self._folder / "images" / f"{hashlib.sha256(image.url.encode()).hexdigest()[:24]}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        try:
            upload_id = self._writer.upload(memory, path, "image", None)
            self._writer.attach(memory, version_id, "images", image_body(image, upload_id))
        except (Invalid, Conflict, Forbidden) as fault:
            memory["refused"] = fault.message
            self._writer.settings.notify(f"an image was refused: {fault.message}")
            return 0
        finally:
            path.unlink(missing_ok=True)
        return 1
