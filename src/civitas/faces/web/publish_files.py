"""The third step: a version's files, what the safety scan says of each, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.blobs import uploading
from civitas.domains.blobs.tables import Upload
from civitas.domains.blobs.types import Purpose
from civitas.domains.catalog import drafts, filenames, files, queries, tagging, versions
from civitas.domains.catalog.files import Duplicate
from civitas.domains.catalog.forms import QUANTISATIONS, FilePatch, ModelPatch, VersionPatch
from civitas.domains.catalog.queries import EditFile, Suggestions
from civitas.domains.catalog.types import PRECISIONS, FileFormat, FileType, ScanStatus, Visibility
from civitas.faces.http.state import state_of
from civitas.faces.web import forms, publish_frame
from civitas.faces.web.form_values import blank, validated
from civitas.faces.web.props import ScanState
from civitas.faces.web.publish_frame import Creator, Frame
from civitas.faces.web.templating import render, toast_header
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Fault, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

LIST: Final = "file_list"
SCAN_STATES: Final[Mapping[str, ScanState]] = {
    ScanStatus.CLEAN: "ok",
    ScanStatus.SUSPICIOUS: "warn",
    ScanStatus.DANGEROUS: "blocked",
    ScanStatus.PENDING: "pending",
    ScanStatus.ERROR: "error",
}
VISIBILITIES: Final = (
    (Visibility.PUBLIC.value, "Everybody"),
    (Visibility.PRIVATE.value, "Only you"),
)
WORDS_OF_SCANS: Final[Mapping[str, str]] = {
    ScanStatus.PENDING: "It is being read for code that could run, and its header is checked. This page follows along.",
    ScanStatus.CLEAN: "Nothing in it can run, and its header holds what it says. Others may download it.",
    ScanStatus.SUSPICIOUS: "It asks for something that is neither known to be good nor known to be bad, so it is held "
    "back. Save it as safetensors if you can, or ask the moderators to look.",
    ScanStatus.DANGEROUS: "Loading it would run code. Nobody else can download it. Save the weights as safetensors and "
    "upload that instead.",
    ScanStatus.ERROR: "The check could not finish, and an unfinished check is never a pass. It is tried again by itself.",
}
SHORTEST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class FileView:
    """A file for its owner."""

    found: EditFile
    state: ScanState
    explained: str
    reasons: tuple[str, ...]
    duplicates: tuple[Duplicate, ...] = ()
    hashes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FilesPage:
    """The list, what the main file suggests, and what the uploader must know. Sizes in bytes, waits in seconds."""

    frame: Frame
    views: tuple[FileView, ...]
    suggestions: tuple[tuple[str, str, str], ...]
    guess: Suggestions | None
    open_uploads: tuple[Upload, ...]
    wait: float | None
    asked: int
    plain_limit: int
    max_size: int
    endings: str = ",".join(f".{ending}" for ending in filenames.ENDINGS)
    types: tuple[tuple[str, str], ...] = tuple((kind.value, kind.value) for kind in FileType)
    formats: tuple[tuple[str, str], ...] = tuple((kind.value, kind.value) for kind in FileFormat)
    precisions: tuple[str, ...] = PRECISIONS
    quantisations: tuple[str, ...] = QUANTISATIONS
    visibilities: tuple[tuple[str, str], ...] = VISIBILITIES


@router.get("/models/{model_id:int}/versions/{number:int}/files")
async def show(
    request: Request,
    creator: Creator,
    model_id: int,
    number: int,
    asked: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> Response:
    """The files; a list that waits for a scan asks again, a little later each time."""
    async with state_of(request).database.reading() as session:
        page = await _read(request, session, creator, model_id, number, asked)
    settled = page.wait is None and request.headers.get("hx-target") == "file-list"
    headers = publish_frame.CHANGED if settled else None
    return render(request, "publish/files.html", page, block=LIST, headers=headers)


@router.post("/models/{model_id:int}/versions/{number:int}/files/{file_id:int}")
async def change(request: Request, creator: Creator, model_id: int, number: int, file_id: int) -> Response:
    """Change how a file is shown; its bytes never change."""
    form = await forms.read(request)
    values: dict[str, Any] = {
        "name": form.get("name"),
        "type": form.get("type"),
        "format": form.get("format"),
        "visibility": form.get("visibility", "Public"),
        "size": blank(form.get("size")),
        "fp": blank(form.get("fp")),
        "quant_type": blank(form.get("quant_type")),
    }

    async def do(session: AsyncSession) -> str:
        await files.update(session, creator, file_id=file_id, patch=validated(FilePatch, values))
        return "Saved."

    return await _done(request, creator, model_id, number, do)


@router.post("/models/{model_id:int}/versions/{number:int}/files/{file_id:int}/{deed}")
async def act(
    request: Request, creator: Creator, model_id: int, number: int, file_id: int, deed: str
) -> Response:
    """Make it the main file, remove it, or scan it again."""

    async def do(session: AsyncSession) -> str:
        if deed == "primary":
            await files.update(session, creator, file_id=file_id, patch=FilePatch(primary=True))
            return "It is the main file now."
        if deed == "remove":
            await files.remove(session, creator, file_id=file_id)
            return "The file is removed. Its hashes go on answering."
        if deed == "rescan":
            await files.rescan(session, creator, file_id=file_id)
            return "It is scanned again."
        raise Invalid("There is nothing of this name to do with a file.", code="unknown_deed")

    return await _done(request, creator, model_id, number, do)


@router.post("/models/{model_id:int}/versions/{number:int}/suggestions/{name}")
async def take_over(request: Request, creator: Creator, model_id: int, number: int, name: str) -> Response:
    """Write what the main file says of itself into the version, or the model: one thing at a time."""

    async def do(session: AsyncSession) -> str:
        found = await queries.suggestions(session, creator, version_id=number)
        if found is None:
            raise Invalid("The file says nothing of itself yet.", code="no_suggestions")
        if name == "tags":
            kept = [*await tagging.tags_of(session, model_id), *found.frequent_tags]
            patch = validated(ModelPatch, {"tags": kept[: tagging.MAX_TAGS]})
            await drafts.update(session, creator, model_id=model_id, patch=patch)
            return "The tags are added."
        values = {
            "base_model": found.base_model,
            "trained_words": list(found.trained_words),
            "steps": found.steps,
            "epochs": found.epochs,
            "clip_skip": found.clip_skip,
        }
        if not values.get(name):
            raise Invalid("The file does not say this.", code="no_suggestions")
        changed = validated(VersionPatch, {name: values[name]})
        await versions.update_version(session, creator, version_id=number, patch=changed)
        return "Taken over from the file."

    return await _done(request, creator, model_id, number, do)


async def _done(request: Request, creator: Actor, model_id: int, number: int, do: Any) -> Response:
    """Do it in one transaction; then the list again for htmx, or the page."""
    here = publish_frame.href("files", model_id, number)
    partial = request.headers.get("hx-target") == "file-list"
    try:
        async with state_of(request).database.unit() as session:
            await publish_frame.load(session, creator, model_id=model_id, place="files", version_id=number)
            text = await do(session)
        kind = "ok"
    except Fault as fault:
        text, kind = publish_frame.fault_in_short(fault), "danger"
    if not partial:
        return redirect(request, here, kind="ok" if kind == "ok" else "danger", text=text)
    async with state_of(request).database.reading() as session:
        page = await _read(request, session, creator, model_id, number, 0)
    headers = toast_header("ok" if kind == "ok" else "danger", text) | publish_frame.CHANGED
    return render(request, "publish/files.html", page, block=LIST, headers=headers)


async def _read(
    request: Request, session: AsyncSession, creator: Actor, model_id: int, number: int, asked: int
) -> FilesPage:
    frame = await publish_frame.load(session, creator, model_id=model_id, place="files", version_id=number)
    found = frame.version.files if frame.version else ()
    guess = await queries.suggestions(session, creator, version_id=number)
    waits = any(file.row.scan_status == ScanStatus.PENDING for file in found)
    site = state_of(request).settings.site
    return FilesPage(
        frame=frame,
        views=tuple([await _view(session, creator, file) for file in found]),
        suggestions=_offers(frame, guess),
        guess=guess,
        open_uploads=tuple(
            upload
            for upload in await uploading.of_person(session, creator, status="open")
            if upload.purpose == Purpose.FILE
        ),
        wait=min(SHORTEST_WAIT_S * 1.4**asked, LONGEST_WAIT_S) if waits else None,
        asked=asked + 1,
        plain_limit=int(site.max_body_mb * 2**20) - 64 * 1024,
        max_size=int(site.max_file_gb * 2**30),
    )


async def _view(session: AsyncSession, creator: Actor, found: EditFile) -> FileView:
    checks = found.scan.checks if found.scan is not None else []
    status = found.row.scan_status
    reasons = [_reason(check) for check in checks if check.get("verdict") not in ("clean", None)]
    twins = await files.duplicates(session, creator, file_id=found.row.id) if status != "pending" else ()
    return FileView(
        found=found,
        state=SCAN_STATES[status],
        explained=WORDS_OF_SCANS[status],
        reasons=tuple(dict.fromkeys(reasons)) if status not in ("clean", "pending") else (),
        duplicates=tuple(twins[:5]),
        hashes=tuple(found.hashes.items()),
    )


def _reason(check: Mapping[str, Any]) -> str:
    """Why a check did not pass, with the names that it stumbled over."""
    names = (check.get("details") or {}).get("names")
    told = str(check.get("reason") or check.get("name") or "")
    return f"{told} ({', '.join(map(str, names[:12]))})" if isinstance(names, list) and names else told


def _offers(frame: Frame, guess: Suggestions | None) -> tuple[tuple[str, str, str], ...]:
    """(name, label, value) of what the file says and the version does not say yet."""
    if guess is None or frame.version is None or frame.editing is None:
        return ()
    row, tags = frame.version.row, set(frame.editing.tags)
    offers = []
    if guess.base_model and guess.base_model != row.base_model:
        offers.append(("base_model", "Base model", guess.base_model))
    if guess.trained_words and not row.trained_words:
        offers.append(("trained_words", "Trigger words", ", ".join(guess.trained_words[:6])))
    for name, label in (("steps", "Steps"), ("epochs", "Epochs"), ("clip_skip", "Clip skip")):
        value = getattr(guess, name)
        if value and getattr(row, name) is None:
            offers.append((name, label, str(value)))
    fresh = [tag for tag in guess.frequent_tags if tagging.fold_tag(tag) not in tags]
    if fresh and len(tags) < 3:
        offers.append(("tags", "Tags from its captions", ", ".join(fresh[:6])))
    return tuple(offers)
