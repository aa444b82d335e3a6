"""The operator's own adverts: words, a picture and a link from a file, never markup (FEATURES I64)."""

from __future__ import annotations

import hashlib
import random
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from civitas.kit import clock
from civitas.kit.errors import Invalid

MOST: Final = 50
LARGEST_FILE: Final = 256 * 1024
LARGEST_PICTURE: Final = 512 * 1024
_MARKS: Final = ((b"\x89PNG\r\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))


class AdvertRow(BaseModel):
    """One advert as its file has it. `picture` is a file beside it; `from` and `until` are days in UTC."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    title: str = Field(min_length=1, max_length=80)
    text: str = Field(default="", max_length=240)
    link: str = Field(max_length=500, pattern=r"^(https://[^\s<>\"]+|/[^/\s<>\"\\][^\s<>\"]*|/)$")
    picture: str | None = Field(default=None, max_length=100, pattern=r"^[\w][\w.-]*$")
    alt: str = Field(default="", max_length=160)
    start: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in memory, named by its content."""

    name: str
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class HouseAdvert:
    """An advert that can be shown."""

    row: AdvertRow
    picture: Picture | None

    def runs_on(self, day: date) -> bool:
        """Whether it is shown on this day."""
        return (self.row.start is None or self.row.start <= day) and (
            self.row.until is None or day <= self.row.until
        )


_current: list[tuple[HouseAdvert, ...]] = [()]


def load(path: Path) -> tuple[HouseAdvert, ...]:
    """Read a file of `[[adverts]]` and the pictures beside it. Raises Invalid that says what is wrong where."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise Invalid(f"{path} is larger than {LARGEST_FILE // 1024} KiB.")
        given = tomllib.loads(path.read_text(encoding="utf-8"))
        rows = [AdvertRow.model_validate(row) for row in given.get("adverts", [])]
    except OSError as error:
        raise Invalid(f"The adverts in {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is no TOML: {error}") from error
    except ValidationError as error:
        found = error.errors()[0]
        where = ".".join(str(part) for part in found["loc"])
        raise Invalid(f"An advert in {path} is wrong at {where}: {found['msg']}") from error
    if len(rows) > MOST:
        raise Invalid(f"{path} has {len(rows)} adverts; {MOST} are the most.")
    if len({row.key for row in rows}) < len(rows):
        raise Invalid(f"Two adverts in {path} have the same key.")
    return tuple(
        HouseAdvert(row, _picture(path.parent / row.picture) if row.picture else None) for row in rows
    )


def use(adverts: Sequence[HouseAdvert]) -> None:
    """Show these from now on in this process; none turns the slot off."""
    _current[0] = tuple(adverts)


@contextmanager
def using(adverts: Sequence[HouseAdvert]) -> Iterator[None]:
    """`use`, until the block ends."""
    before = _current[0]
    use(adverts)
    try:
        yield
    finally:
        use(before)


def running() -> tuple[HouseAdvert, ...]:
    """Those that are shown today."""
    day = clock.now().date()
    return tuple(advert for advert in _current[0] if advert.runs_on(day))


def pick() -> HouseAdvert | None:
    """One of those that run, each as likely as the others."""
    found = running()
    return random.choice(found) if found else None  # noqa: S311 - nothing depends on it being hard to guess


def picture(name: str) -> Picture | None:
    """A picture by its name."""
    return next((one.picture for one in _current[0] if one.picture and one.picture.name == name), None)


def _picture(path: Path) -> Picture:
    try:
        if path.stat().st_size > LARGEST_PICTURE:
            raise Invalid(f"{path} is larger than {LARGEST_PICTURE // 1024} KiB.")
        body = path.read_bytes()
    except OSError as error:
        raise Invalid(f"The picture {path} cannot be read: {error.strerror}.") from error
    media_type = next((kind for mark, kind in _MARKS if body.startswith(mark)), None)
    if media_type is None or (media_type == "image/webp" and body[8:12] != b"WEBP"):
        raise Invalid(f"{path} is no PNG, JPEG or WebP.")
    return Picture(hashlib.sha256(body).hexdigest()[:24], media_type, body)
