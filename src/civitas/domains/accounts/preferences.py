"""What a person wants to see and how (FEATURES A4, A10, A11, N6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import BrowsingChanged
from civitas.domains.accounts.actors import mask_of
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import ALL_MASK, MATURE_MASK, PG, SAFE_MASK, Actor, Scope
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Invalid

Word = Annotated[str, StringConstraints(max_length=60, pattern=r"^[\w .:/+-]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FilePreferences(_Part):
    """Which file a download picks when several would do."""

    format: Literal["SafeTensor", "PickleTensor", "GGUF", "Diffusers", "Core ML", "ONNX", "Other"] = (
        "SafeTensor"
    )
    size: Literal["full", "pruned"] = "pruned"
    fp: Literal[
        "fp32", "fp16", "bf16", "mxfp8", "fp8_mixed", "fp8_scaled", "fp8", "int8", "nf4", "nvfp4", "int4"
    ] = "fp16"
    image_format: Literal["optimized", "metadata"] = "metadata"
    quant_type: Word | None = None


class ContentPreferences(_Part):
    """How pages behave."""

    autoplay_animations: bool = True
    left_handed: bool = False
    reduced_data: bool = False
    preferred_generator: Word | None = None
    gallery_sort: Word | None = None
    gallery_period: Word | None = None


class HidePreferences(_Part):
    """Themes that a person does not want to meet, whatever their level."""

    anime: bool = False
    furry: bool = False
    gore: bool = False
    political: bool = False


class Preferences(_Part):
    """All of it. Everything has a default, so an old row never lacks a new setting."""

    theme: Literal["system", "light", "dark"] = "system"
    files: FilePreferences = Field(default_factory=FilePreferences)
    content: ContentPreferences = Field(default_factory=ContentPreferences)
    hide: HidePreferences = Field(default_factory=HidePreferences)
    # Kinds of notifications that are not wanted, and features that are switched on or off.
    muted_notifications: list[Word] = Field(default_factory=list, max_length=100)
    # Kinds that are pushed to devices; None while nobody chose.
    pushed_notifications: list[Word] | None = Field(default=None, max_length=100)
    features: dict[Word, bool] = Field(default_factory=dict, max_length=100)


@dataclass(frozen=True, slots=True)
class Browsing:
    """What a person asked to be shown, in masks of level bits. `mask` is what follows from it.

    Pictures of the levels of `blur_level` are blurred until one asks for each; a level that is not shown keeps its bit.
    """

    adult_confirmed: bool
    show_mature: bool
    blur_level: int
    browsing_level: int
    mask: int

    @property
    def blur_mature(self) -> bool:
        """Whether any mature level is blurred."""
        return bool(self.blur_level & MATURE_MASK)


async def of(session: AsyncSession, person_id: int) -> Preferences:
    """A person's preferences; parts that this version cannot read fall back to their defaults."""
    return read(await session.scalar(select(Person.settings).where(Person.id == person_id)))


async def change(session: AsyncSession, actor: Actor, *, changes: Mapping[str, Any]) -> Preferences:
    """Change some of the actor's preferences: a nested object with the names of `Preferences`.

    What is not named stays. Raises Invalid (`bad_preferences`) with every wrong field named.
    """
    person_id = actor.require(Scope.USER_WRITE)
    stored = await session.scalar(select(Person.settings).where(Person.id == person_id).with_for_update())
    merged = read(stored).model_dump()
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), dict):
            merged[key] = {**merged[key], **value}
        else:
            merged[key] = value
    try:
        wanted = Preferences.model_validate(merged)
    except ValidationError as error:
        fields = {".".join(str(part) for part in found["loc"]): str(found["msg"]) for found in error.errors()}
        raise Invalid("These settings cannot be saved.", code="bad_preferences", fields=fields) from None
    await session.execute(
        update(Person)
        .where(Person.id == person_id)
        .values(settings=wanted.model_dump(exclude_defaults=True))
        .execution_options(synchronize_session=False)
    )
    return wanted


async def browsing(session: AsyncSession, person_id: int) -> Browsing:
    """What a person asked to be shown."""
    row = (
        await session.execute(
            select(
                Person.adult_confirmed_at, Person.show_mature, Person.blur_level, Person.browsing_level
            ).where(Person.id == person_id)
        )
    ).one()
    return Browsing(
        adult_confirmed=row.adult_confirmed_at is not None,
        show_mature=row.show_mature,
        blur_level=row.blur_level,
        browsing_level=row.browsing_level,
        mask=mask_of(
            adult_confirmed_at=row.adult_confirmed_at,
            show_mature=row.show_mature,
            browsing_level=row.browsing_level,
        ),
    )


async def set_browsing(
    session: AsyncSession,
    actor: Actor,
    *,
    show_mature: bool,
    browsing_level: int = SAFE_MASK,
    blur_level: int = MATURE_MASK,
    adult_confirmed: bool = False,
) -> Browsing:
    """Choose what the actor is shown: `browsing_level` and `blur_level` are masks of level bits (FEATURES N1).

    Mature levels need `show_mature` and, once, `adult_confirmed`; PG is never blurred. Raises Invalid (`bad_level`,
    `adult_confirmation_needed`).
    """
    person_id = actor.require(Scope.USER_WRITE)
    if isinstance(browsing_level, bool) or not 0 < browsing_level <= ALL_MASK:
        told = "Choose at least one of PG, PG-13, R, X and XXX."
        raise Invalid(told, code="bad_level", fields={"browsingLevel": told})
    if isinstance(blur_level, bool) or blur_level & ~(ALL_MASK & ~PG):
        told = "Only pictures of PG-13, R, X and XXX can be blurred."
        raise Invalid(told, code="bad_level", fields={"blurLevel": told})
    confirmed = await session.scalar(
        select(Person.adult_confirmed_at).where(Person.id == person_id).with_for_update()
    )
    if adult_confirmed and confirmed is None:
        confirmed = clock.now()
    if show_mature and confirmed is None:
        told = "Confirm that you are 18 or older to see mature content."
        raise Invalid(told, code="adult_confirmation_needed", fields={"adultConfirmed": told})
    level = browsing_level if show_mature else browsing_level & SAFE_MASK or SAFE_MASK
    await session.execute(
        update(Person)
        .where(Person.id == person_id)
        .values(
            show_mature=show_mature,
            blur_level=blur_level,
            browsing_level=level,
            adult_confirmed_at=confirmed,
        )
    )
    chosen = await browsing(session, person_id)
    await publish(session, BrowsingChanged(person_id, chosen.mask))
    return chosen


def read(stored: Mapping[str, Any] | None) -> Preferences:
    """Preferences as they are stored; parts that this version cannot read fall back to their defaults."""
    kept = {key: value for key, value in (stored or {}).items() if key in Preferences.model_fields}
    while True:
        try:
            return Preferences.model_validate(kept)
        except ValidationError as error:
            # A setting of another version: forget that part, keep the rest.
            for found in error.errors():
                kept.pop(str(found["loc"][0]), None)
