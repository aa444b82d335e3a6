"""How a picture was made, as a panel beside it and as text that other programs read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from civitas.faces.web import pictures
from civitas.faces.web.pictures import SAMPLE_WIDTHS, Eyes
from civitas.faces.web.props import Picture
from civitas.kit.generation_text import write_parameters

MAX_TEXT: Final = 6000
_ROWS: Final = (
    ("Model", "Model"),
    ("Sampler", "sampler"),
    ("Schedule", "scheduler"),
    ("Steps", "steps"),
    ("Guidance (CFG)", "cfgScale"),
    ("Seed", "seed"),
    ("Size", "Size"),
    ("Clip skip", "clipSkip"),
    ("Denoising", "denoise"),
    ("VAE", "VAE"),
    ("Software", "Version"),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The prompt and settings of a picture; `text` is the form that A1111 and its kin paste."""

    prompt: str
    negative: str
    rows: tuple[tuple[str, str], ...]
    resources: tuple[tuple[str, str, str], ...]
    text: str
    has_graph: bool


@dataclass(frozen=True, slots=True)
class SamplePicture:
    """A picture of a version in its gallery."""

    image_id: int
    picture: Picture
    full: str
    original: str
    caption: str
    recipe: Recipe | None


def recipe_of(meta: Mapping[str, Any] | None) -> Recipe | None:
    """The recipe in a picture's metadata; None when it holds nothing that one could repeat."""
    if not meta or not (meta.get("prompt") or meta.get("seed") or meta.get("comfy")):
        return None
    rows = tuple((label, str(meta[key])[:200]) for label, key in _ROWS if meta.get(key) not in (None, ""))
    found = meta.get("resources")
    resources = tuple(
        (
            str(one.get("name") or one.get("hash") or "?")[:120],
            str(one.get("type") or ""),
            str(one.get("weight") or ""),
        )
        for one in (found if isinstance(found, list) else [])[:30]
        if isinstance(one, Mapping)
    )
    return Recipe(
        prompt=str(meta.get("prompt") or "")[:MAX_TEXT],
        negative=str(meta.get("negativePrompt") or "")[:MAX_TEXT],
        rows=rows,
        resources=resources,
        text=write_parameters(meta)[: 2 * MAX_TEXT],
        has_graph=bool(meta.get("comfy")),
    )


def samples_of(version: Mapping[str, Any], name: str, eyes: Eyes) -> tuple[SamplePicture, ...]:
    """The pictures of a version's document, in their order."""
    made = []
    for place, image in enumerate(version["images"], 1):
        if image["type"] != "image":
            continue
        recipe = recipe_of(image["meta"])
        shown = pictures.alt_of(image["meta"]) or f"Sample {place} of {name}"
        made.append(
            SamplePicture(
                image_id=image["id"],
                picture=pictures.of_document(image, eyes, alt=shown, widths=SAMPLE_WIDTHS),
                full=pictures.at_width(image["url"], 2048, "webp"),
                original=pictures.at_width(image["url"], 450).replace("/width=450/", "/original=true/"),
                caption=(recipe.prompt[:280] if recipe else ""),
                recipe=recipe,
            )
        )
    return tuple(made)
