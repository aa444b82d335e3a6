"""Programs and techniques that media are made with: a list that is data, and what owners say of their pictures (FEATURES C12)."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError
from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.gallery import previews
from civitas.domains.gallery.tables import Image, ImageTool, Tool
from civitas.kit.errors import Invalid
from civitas.kit.text import clean_line

MOST: Final = 12
MAX_NOTE: Final = 500

Kind = Literal["tool", "technique"]


class Offered(BaseModel):
    """An entry of the list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=60)
    type: Literal[
        "Image", "Video", "MotionCapture", "Upscalers", "Audio", "Compute", "GameEngines", "Editor", "LLM"
    ]
    homepage: HttpUrl | None = None


class _List(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: tuple[Offered, ...] = ()
    technique: tuple[Offered, ...] = ()


@dataclass(frozen=True, slots=True)
class With:
    """A tool or technique of a picture."""

    image_id: int
    kind: str
    name: str
    type: str
    homepage: str | None
    note: str | None


_extra: _List | None = None


def use(extra: Path | None) -> None:
    """Offer the operator's entries, too, from now on. The process sets it once, at start. Raises Invalid."""
    global _extra
    _extra = None
    if extra is None:
        return
    try:
        _extra = _List.model_validate(tomllib.loads(extra.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise Invalid(f"The tools in {extra} cannot be used: {error}", code="bad_tools_file") from error


@cache
def _packaged() -> _List:
    text = resources.files(__package__).joinpath("tools.toml").read_text(encoding="utf-8")
    return _List.model_validate(tomllib.loads(text))


def offered(kind: Kind) -> tuple[Offered, ...]:
    """What can be chosen, the operator's entries last; of equal names the later one counts."""
    entries: list[Offered] = [*getattr(_packaged(), kind), *(getattr(_extra, kind) if _extra else ())]
    return tuple({entry.name.lower(): entry for entry in entries}.values())


async def set_tools(
    session: AsyncSession, actor: Actor, *, image_id: int, chosen: Sequence[tuple[Kind, str, str | None]]
) -> Image:
    """One's picture was made with these and no others: kind, name and an optional note of each.

    Raises NotFound, Forbidden, Invalid (`unknown_tool`, `too_many_tools`, `note_too_long`).
    """
    image, shows = await previews.editable(session, actor, image_id)
    wanted: dict[tuple[str, str], str | None] = {}
    for kind, name, note in chosen:
        entry = next((one for one in offered(kind) if one.name.lower() == name.strip().lower()), None)
        if entry is None:
            raise Invalid(f"{name[:60]!r} is not in the list of {kind}s.", code="unknown_tool")
        cleaned = clean_line(note or "")
        if len(cleaned) > MAX_NOTE:
            raise Invalid(f"A note has at most {MAX_NOTE} characters.", code="note_too_long")
        wanted[kind, entry.name.lower()] = cleaned or None
    if len(wanted) > MOST:
        raise Invalid(f"A picture names at most {MOST} tools and techniques.", code="too_many_tools")
    ids = await _ids(session, list(wanted))
    await session.execute(delete(ImageTool).where(ImageTool.image_id == image.id))
    if ids:
        await session.execute(
            insert(ImageTool).values(
                [{"image_id": image.id, "tool_id": ids[key], "note": note} for key, note in wanted.items()]
            )
        )
    await previews.changed(session, image, shows)
    return image


async def of_images(session: AsyncSession, image_ids: Sequence[int]) -> dict[int, list[With]]:
    """What pictures were made with, by picture, in one statement."""
    found: dict[int, list[With]] = {image_id: [] for image_id in image_ids}
    if image_ids:
        rows = await session.execute(
            select(ImageTool.image_id, Tool.kind, Tool.name, Tool.type, Tool.homepage, ImageTool.note)
            .join(Tool, Tool.id == ImageTool.tool_id)
            .where(ImageTool.image_id.in_(image_ids))
            .order_by(ImageTool.image_id, Tool.kind.desc(), Tool.name)
        )
        for row in rows:
            found[row[0]].append(With(*row))
    return found


async def _ids(session: AsyncSession, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Rows of the entries, made where there are none yet."""
    if not wanted:
        return {}
    values: list[dict[str, Any]] = [
        {
            "kind": kind,
            "name": entry.name,
            "type": entry.type,
            "homepage": str(entry.homepage) if entry.homepage else None,
        }
        for kind, name in sorted(wanted)
        for entry in offered("tool" if kind == "tool" else "technique")
        if entry.name.lower() == name
    ]
    await session.execute(insert(Tool).values(values).on_conflict_do_nothing())
    folded = func.lower(Tool.name)
    rows = await session.execute(
        select(Tool.kind, folded, Tool.id).where(tuple_(Tool.kind, folded).in_(list(wanted)))
    )
    return {(row[0], row[1]): row[2] for row in rows}
