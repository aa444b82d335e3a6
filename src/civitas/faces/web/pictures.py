"""Pictures of the catalogue as the components show them: variants, placeholders, and what is blurred for whom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from civitas.domains.accounts.types import MATURE_MASK, SAFE_MASK
from civitas.domains.catalog.documents import image_path
from civitas.domains.catalog.showing import Shot
from civitas.faces.web.props import Level, Picture

CARD_WIDTHS: Final = (320, 450, 640)
# Where several stand side by side on one card.
THUMB_WIDTHS: Final = (180, *CARD_WIDTHS)
SAMPLE_WIDTHS: Final = (450, 640, 960, 1280)

_WIDTH = re.compile(r"/width=\d+/")
_EXTENSION = re.compile(r"\.jpeg$")
_NAMES: Final[Mapping[int, Level]] = {1: "PG", 2: "PG-13", 4: "R", 8: "X", 16: "XXX", 32: "Blocked"}


def level_name(level: int) -> Level:
    """The name of the highest level among the bits; `?` for none."""
    return next((name for bit, name in sorted(_NAMES.items(), reverse=True) if level & bit), "?")


@dataclass(frozen=True, slots=True)
class Eyes:
    """How a viewer wants to see pictures: which levels at all, and which of those are blurred first."""

    mask: int = SAFE_MASK
    blur: int = MATURE_MASK

    def blurs(self, level: int) -> bool:
        """Whether a picture of this level is shown blurred."""
        return bool(level & self.blur)


def at_width(url: str, width: int, extension: str = "jpeg") -> str:
    """The address of the same picture at another width and in another format."""
    return _EXTENSION.sub(f".{extension}", _WIDTH.sub(f"/width={width}/", url, count=1))


def _srcset(url: str, widths: tuple[int, ...], extension: str, own: int) -> str:
    kept = [width for width in widths if width < own] or [min(widths)]
    if own > kept[-1] and len(kept) < len(widths):
        kept.append(own)
    return ", ".join(f"{at_width(url, width, extension)} {width}w" for width in kept)


def of_document(
    image: Mapping[str, Any], eyes: Eyes, *, alt: str = "", widths: tuple[int, ...] = CARD_WIDTHS
) -> Picture:
    """The picture of an image object of a document."""
    url, width = image["url"], image["width"] or 1
    return Picture(
        src=at_width(url, min(widths[-1], max(width, widths[0]))),
        width=width,
        height=image["height"] or 1,
        alt=alt or alt_of(image.get("meta")),
        blurhash=image["hash"],
        avif=_srcset(url, widths, "avif", width),
        webp=_srcset(url, widths, "webp", width),
        level=level_name(image["nsfwLevel"]),
        blurred=eyes.blurs(image["nsfwLevel"]),
    )


def of_shot(shot: Shot, eyes: Eyes, *, alt: str = "", widths: tuple[int, ...] = CARD_WIDTHS) -> Picture:
    """The picture of a row of the catalogue."""
    image = {
        "url": image_path(shot.key, shot.name),
        "width": shot.width,
        "height": shot.height,
        "hash": shot.blurhash,
        "nsfwLevel": shot.level,
    }
    return of_document(image, eyes, alt=alt, widths=widths)


def moving(url: str, ending: str | None, width: int = 450) -> str | None:
    """The address of a picture's copy that moves; None where it has none."""
    if ending == "mp4":
        return at_width(url, width, "mp4")
    return at_width(url, width, "webp").replace("/width=", "/anim=true,width=", 1) if ending else None


def avatar_url(key: str | None) -> str | None:
    """Where a person's picture is, at the size of a creator line."""
    return image_path(key, "avatar", width=96) if key else None


def alt_of(meta: Mapping[str, Any] | None) -> str:
    """What a picture shows, in the words it was made from; empty when nobody said."""
    prompt = str((meta or {}).get("prompt") or "")
    plain = " ".join(re.sub(r"<[^<>]{0,200}>|[(){}\[\]]|:\d+(\.\d+)?", " ", prompt).split())
    return plain[:157].rsplit(" ", 1)[0] + "…" if len(plain) > 160 else plain
