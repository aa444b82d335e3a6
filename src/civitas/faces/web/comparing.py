"""`/models/{id}/compare`: two versions side by side, also of different models."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.catalog import comparing, showing
from civitas.domains.catalog.comparing import Comparison, Difference, FilePair, Sample, SamplePair, Side
from civitas.domains.catalog.showing import Shot
from civitas.faces.http.state import state_of
from civitas.faces.web import formats, pictures
from civitas.faces.web.cards import model_href
from civitas.faces.web.model_page import ModelId
from civitas.faces.web.pictures import SAMPLE_WIDTHS, Eyes
from civitas.faces.web.props import CompareRow, Picture
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor
from civitas.kit.errors import NotFound
from civitas.kit.ids import row_id

router = APIRouter(include_in_schema=False)

MAX_DIFF: Final = 400
_LABELS: Final = {
    "baseModel": "Base model",
    "baseModelType": "Variant",
    "trainedWords": "Trigger words",
    "steps": "Training steps",
    "epochs": "Epochs",
    "clipSkip": "Clip skip",
    "strength": "Suggested strength",
    "minStrength": "Least strength",
    "maxStrength": "Most strength",
    "usageControl": "Use",
    "publishedAt": "Published",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One of the two versions in the heading."""

    id: int
    model: str
    version: str
    href: str


@dataclass(frozen=True, slots=True)
class Slide:
    """Two pictures of one prompt, one over the other."""

    prompt: str
    same_seed: bool
    left: Picture
    right: Picture


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of the changelogs: `+` only right, `-` only left, a space in both."""

    sign: str
    text: str


@dataclass(frozen=True, slots=True)
class CompareView:
    """The context of the comparison's template; without `left` there is nothing to compare yet."""

    model_id: int
    name: str
    href: str
    options: tuple[tuple[int, str], ...]
    left_id: int | None
    right_id: int | None
    left: Column | None = None
    right: Column | None = None
    same_model: bool = True
    fields: tuple[CompareRow, ...] = ()
    files: tuple[CompareRow, ...] = ()
    training: tuple[CompareRow, ...] = ()
    metadata: tuple[CompareRow, ...] = ()
    tensors: comparing.TensorDifference | None = None
    slides: tuple[Slide, ...] = ()
    changes: tuple[DiffLine, ...] = ()
    swap_href: str = ""
    api: str = ""


@router.get("/models/{model_id:int}/compare")
async def show(request: Request, actor: Visitor, model_id: ModelId) -> Response:
    """The comparison. `left` and `right` are version ids of any models; this model's newest two without them."""
    state = state_of(request)
    frame = await showing.frame(state.reads, actor, model_id=model_id)
    if frame.dead or frame.document is None or not frame.suits(actor):
        raise NotFound("There is nothing to compare here.", code="model_not_found")
    versions: Sequence[Mapping[str, Any]] = frame.document["modelVersions"]
    options = tuple((version["id"], version["name"]) for version in versions)
    left_id, right_id = chosen(request.query_params, [number for number, _ in options])
    href = model_href(model_id, frame.name)
    if left_id is None or right_id is None or left_id == right_id:
        context = CompareView(model_id, frame.name, href, options, left_id, right_id)
        return render(request, "compare/compare.html", context)
    async with state.database.reading() as session:
        found = await comparing.compare(session, actor, left_id=left_id, right_id=right_id)
    context = view_of(found, model_id, frame.name, href, options, eyes_of(actor))
    return render(request, "compare/compare.html", context)


def chosen(params: Mapping[str, str], versions: Sequence[int]) -> tuple[int | None, int | None]:
    """The two ids asked for, each filled with a version of this model that the other is not."""

    def number(name: str) -> int | None:
        text = params.get(name, "").strip().lstrip("@")
        return row_id(text)

    left, right = number("other") or number("left"), number("right")
    if right is None:
        right = next((version for version in versions if version != left), None)
    if left is None:
        later = versions[versions.index(right) + 1 :] if right in versions else []
        left = next(iter([*later, *(version for version in versions if version != right)]), None)
    return left, right


def view_of(
    found: Comparison,
    model_id: int,
    name: str,
    href: str,
    options: tuple[tuple[int, str], ...],
    eyes: Eyes,
) -> CompareView:
    """Put the page together."""
    left, right = found.left, found.right
    return CompareView(
        model_id=model_id,
        name=name,
        href=href,
        options=options,
        left_id=left.version_id,
        right_id=right.version_id,
        left=_column(left),
        right=_column(right),
        same_model=left.model_id == right.model_id,
        fields=tuple(_row(one, _LABELS.get(one.name, one.name)) for one in found.fields if _told(one)),
        files=tuple(_file_row(pair) for pair in found.files),
        training=tuple(_row(one, _spaced(one.name)) for one in found.training if one.name != "tags"),
        metadata=tuple(_row(one, one.name) for one in found.metadata),
        tensors=found.tensors,
        slides=tuple(_slide(pair, eyes) for pair in found.samples),
        changes=_changes(left.changelog, right.changelog),
        swap_href=f"/models/{model_id}/compare?left={right.version_id}&right={left.version_id}",
        api=f"/api/v1/model-versions/compare?left={left.version_id}&right={right.version_id}",
    )


def _column(side: Side) -> Column:
    return Column(
        side.version_id,
        side.model_name,
        side.version_name,
        model_href(side.model_id, side.model_name, side.version_id),
    )


def _told(difference: Difference) -> bool:
    return difference.left not in (None, [], "") or difference.right not in (None, [], "")


def _row(difference: Difference, label: str) -> CompareRow:
    return CompareRow(label, _text(difference.left), _text(difference.right))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%-d %b %Y}"
    if isinstance(value, list | tuple):
        return ", ".join(_text(part) for part in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return formats.number(value)
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text[:300] + "…" if len(text) > 300 else text


def _spaced(name: str) -> str:
    words = "".join(f" {ch.lower()}" if ch.isupper() else ch for ch in name)
    return words[:1].upper() + words[1:]


def _file_row(pair: FilePair) -> CompareRow:
    known = pair.left or pair.right or {}
    label = f"{known.get('type', 'File')}{', the same bytes' if pair.identical else ''}"
    return CompareRow(label, _file(pair.left), _file(pair.right))


def _file(file: Mapping[str, Any] | None) -> str:
    if file is None:
        return ""
    parts = [
        file["name"],
        formats.size(file["size"]),
        file["format"],
        file["precision"],
        file["quantisation"],
    ]
    return " · ".join(part for part in parts if part)


def _slide(pair: SamplePair, eyes: Eyes) -> Slide:
    return Slide(pair.prompt, pair.same_seed, _sample(pair.left, pair, eyes), _sample(pair.right, pair, eyes))


def _sample(sample: Sample, pair: SamplePair, eyes: Eyes) -> Picture:
    shot = Shot(sample.key, sample.name, sample.width, sample.height, sample.blurhash, sample.nsfw_level)
    return pictures.of_shot(shot, eyes, alt=pair.prompt[:160], widths=SAMPLE_WIDTHS)


def _changes(left: str, right: str) -> tuple[DiffLine, ...]:
    before, after = left[:40_000].splitlines()[:MAX_DIFF], right[:40_000].splitlines()[:MAX_DIFF]
    lines = [line for line in difflib.ndiff(before, after) if not line.startswith("?")]
    return tuple(DiffLine(line[:1], line[2:]) for line in lines[:MAX_DIFF] if line[2:].strip())
