"""What the header of a model file says, for people: a guess, how it was trained, its tensors by the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from civitas.faces.web import formats

PAGE: Final = 60
MAX_VALUE: Final = 400
_TRAINING: Final[Mapping[str, str]] = {
    "baseModel": "Trained on",
    "baseVersion": "Base version",
    "outputName": "Output name",
    "networkModule": "Network module",
    "rank": "Rank",
    "alpha": "Alpha",
    "optimiser": "Optimiser",
    "learningRate": "Learning rate",
    "unetLearningRate": "Learning rate, UNet",
    "textEncoderLearningRate": "Learning rate, text encoder",
    "scheduler": "Schedule",
    "epochs": "Epochs",
    "steps": "Steps",
    "batchSize": "Batch size",
    "resolution": "Resolution",
    "clipSkip": "Clip skip",
    "seed": "Seed",
    "mixedPrecision": "Mixed precision",
    "images": "Images with repeats",
    "datasetImages": "Images",
    "datasets": "Folders of images",
    "finishedAt": "Finished",
    "comment": "Comment",
}


@dataclass(frozen=True, slots=True)
class TensorRow:
    """One tensor."""

    name: str
    dtype: str
    shape: str
    size: int


@dataclass(frozen=True, slots=True)
class HeaderView:
    """The context of the header's template. `tags` hold (word, count, share of the most frequent, 1 to 10)."""

    name: str
    model: str
    version: str
    href: str
    api: str
    guess: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]
    training: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, int, int], ...]
    spec: tuple[tuple[str, str], ...]
    metadata: tuple[tuple[str, str], ...]
    dtypes: tuple[tuple[str, int], ...]
    parameters: int
    tensor_count: int
    kept: int
    words: str
    rows: tuple[TensorRow, ...]
    found: int
    next_href: str | None
    first_page: bool


def header_of(
    told: Mapping[str, Any], *, model: str, version: str, href: str, here: str, words: str, page: int
) -> HeaderView:
    """Make the context from `reading.tensor_metadata`; `words` narrow the tensors by their names."""
    guess = told["architecture"] or {}
    training = told["training"] or {}
    tensors: Sequence[Mapping[str, Any]] = told["tensors"] or ()
    wanted = words.lower().split()
    matching = [t for t in tensors if all(word in t["name"].lower() for word in wanted)]
    page = max(1, page)
    shown = matching[(page - 1) * PAGE : page * PAGE]
    more = len(matching) > page * PAGE
    query = {"q": words} if words else {}
    return HeaderView(
        name=told["name"],
        model=model,
        version=version,
        href=href,
        api=f"/api/v1/model-files/{told['fileId']}/tensor-metadata",
        guess=_guess(guess),
        reasons=tuple(str(reason) for reason in guess.get("reasons") or ()),
        training=tuple(
            (label, _value(training[key]))
            for key, label in _TRAINING.items()
            if training.get(key) is not None
        ),
        tags=_tags(training.get("tags") or ()),
        spec=_pairs(guess.get("modelspec") or {}),
        metadata=_pairs(told["metadata"] or {}),
        dtypes=tuple((str(name), int(count)) for name, count in (guess.get("dtypes") or {}).items()),
        parameters=told["parameterCount"] or 0,
        tensor_count=told["tensorCount"] or 0,
        kept=len(tensors),
        words=words,
        rows=tuple(
            TensorRow(t["name"], t["dtype"], " × ".join(map(str, t["shape"])) or "scalar", t["size"])
            for t in shown
        ),
        found=len(matching),
        next_href=f"{here}?{urlencode({**query, 'page': page + 1})}" if more else None,
        first_page=page == 1,
    )


def _guess(guess: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    rows = []
    for label, key in (
        ("Looks like", "kind"),
        ("Base model", "baseModel"),
        ("Ecosystem", "ecosystem"),
        ("Variant", "variant"),
    ):
        if guess.get(key) and guess[key] != "Standard":
            rows.append((label, str(guess[key])))
    if guess.get("confidence"):
        rows.append(("Sure to", f"{float(guess['confidence']):.0%}"))
    return tuple(rows)


def _tags(found: Sequence[Any]) -> tuple[tuple[str, int, int], ...]:
    pairs = [
        (str(one["tag"]), int(one["count"])) if isinstance(one, Mapping) else (str(one[0]), int(one[1]))
        for one in found[:120]
    ]
    most = max((count for _, count in pairs), default=1)
    return tuple((tag, count, max(1, round(10 * count / most))) for tag, count in pairs)


def _pairs(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(key), _value(value)) for key, value in sorted(found.items()) if value not in (None, ""))


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " × ".join(str(part) for part in value[:8])
    if isinstance(value, int):
        return formats.number(value) if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text[:MAX_VALUE] + "…" if len(text) > MAX_VALUE else text
