"""What connected agents see in posted pictures: tags (`wdTagging`) and how mature they are (`mediaRating`).

Where no such agent is connected nothing is asked, and nothing is made up. A tag that a machine named is shown as automatic
and takes part in votes; its picture's owner, or enough votes, take it away. A rating only ever makes a picture stricter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import ImageChanged
from civitas.domains.accounts.types import BLOCKED, PG, PG13, XXX, R, X
from civitas.domains.gallery import image_tags, levels, previews
from civitas.domains.gallery.processing import media_key
from civitas.domains.gallery.tables import Image, ImageTag, Post
from civitas.domains.orchestration import asking
from civitas.domains.orchestration.templates import StepTemplate
from civitas.infra.media.arrived import Arrived
from civitas.infra.queue.outbox import publish

TAGGER: Final = "wdTagging"
RATER: Final = "mediaRating"
# In the notes of the question: which picture it is about.
ABOUT: Final = "image"
THRESHOLD: Final = 0.4
MOST_TAGS: Final = 12
# Wide enough to see everything in it, and no more than that.
WIDE_ENOUGH: Final = 448
_SHOWN: Final = {"webp": "image/webp", "jpeg": "image/jpeg", "jpg": "image/jpeg", "png": "image/png"}
_LEVELS: Final = {"pg": PG, "pg13": PG13, "r": R, "x": X, "xxx": XXX}
_QUESTIONS: Final = (
    "includeAgeClassification",
    "includeAIRecognition",
    "includeAnimeRecognition",
    "includeBodyAgeClassification",
    "includeFaceRecognition",
    "includeHumanRecognition",
)
_BREAKS: Final = re.compile(r"[_\s]+")


@dataclass(frozen=True, slots=True)
class Seeable:
    """Where the bytes lie that an agent is shown."""

    storage_key: str
    media_type: str


async def asked(session: AsyncSession) -> set[str]:
    """Which of the two a connected agent answers."""
    return await asking.served(session, TAGGER, RATER)


async def seeable(session: AsyncSession, *, image_id: int) -> Seeable | None:
    """A copy of the picture to look at, or of a video's first frame; None when it is gone or has nothing to be seen."""
    image = await session.get(Image, image_id)
    if image is None or image.deleted_at is not None or image.status != "ready" or image.kind == "audio":
        return None
    copies = sorted((one["width"], one["format"]) for one in image.variants if one["format"] in _SHOWN)
    if not copies:
        return None
    width, form = next((one for one in copies if one[0] >= WIDE_ENOUGH), copies[-1])
    return Seeable(media_key(image.key, width, form), _SHOWN[form])


async def ask(session: AsyncSession, *, image_id: int, picture: Arrived, questions: set[str]) -> None:
    """Put the questions about a picture whose copy for them lies in the store."""
    blob = await asking.lend(session, picture)
    about = {ABOUT: image_id}
    if TAGGER in questions:
        step = StepTemplate(TAGGER, {"mediaUrl": blob, "threshold": THRESHOLD})
        await asking.ask(session, step, about=about)
    if RATER in questions:
        step = StepTemplate(RATER, {"image": blob, **dict.fromkeys(_QUESTIONS, False)})
        await asking.ask(session, step, about=about)


async def answered(session: AsyncSession, *, workflow_id: str) -> None:
    """Note what an agent saw. Told twice, or about a picture that is gone, it changes nothing."""
    said = await asking.answer(session, workflow_id=workflow_id)
    image_id = said.about.get(ABOUT) if said else None
    if said is None or not isinstance(image_id, int):
        return
    image = await session.scalar(
        select(Image).where(Image.id == image_id, Image.deleted_at.is_(None)).with_for_update()
    )
    if image is None:
        return
    if isinstance(tags := said.output.get("tags"), dict):
        await _tag(session, image, tags)
    elif (level := _level(said.output)) and not image.nsfw_level_locked:
        await _rate(session, image, level)


async def _tag(session: AsyncSession, image: Image, tags: Mapping[str, Any]) -> None:
    room = image_tags.MOST - int(
        await session.scalar(select(func.count()).where(ImageTag.image_id == image.id)) or 0
    )
    sure = sorted(
        (
            (float(share), _BREAKS.sub(" ", name).strip())
            for name, share in tags.items()
            if isinstance(share, int | float) and THRESHOLD <= share <= 1
        ),
        reverse=True,
    )
    named = {name: round(share * 100) for share, name in sure[: max(0, min(MOST_TAGS, room))] if name}
    if named:
        await image_tags.name_by_machine(session, image_id=image.id, tags=named)
        await publish(session, ImageChanged(image.id, image.post_id))


def _level(output: Mapping[str, Any]) -> int:
    return BLOCKED if output.get("isBlocked") else _LEVELS.get(str(output.get("nsfwLevel")), 0)


async def _rate(session: AsyncSession, image: Image, level: int) -> None:
    stricter = levels.stricter(image.nsfw_level, level)
    if stricter == image.nsfw_level:
        return
    image.nsfw_level = stricter
    await session.flush()
    await levels.settle(session, post_id=image.post_id)
    post = await session.get_one(Post, image.post_id)
    if post.showcase and post.version_id is not None:
        await previews.refresh(session, post.version_id)
    await publish(session, ImageChanged(image.id, image.post_id))
