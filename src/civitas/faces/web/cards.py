"""Models as cards in a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from civitas.domains.accounts import badges
from civitas.faces.web import pictures
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.props import Creator, ModelCard, Picture, Stat
from civitas.kit import clock
from civitas.kit.text import slug

if TYPE_CHECKING:
    from civitas.infra.db.readpool import ReadPool

NEW: Final = timedelta(days=3)


def model_href(model_id: int, name: str, version_id: int | None = None) -> str:
    """The address of a model's page, of one version of it when `version_id` is given."""
    path = f"/models/{model_id}/{slug(name)}"
    return f"{path}?modelVersionId={version_id}" if version_id is not None else path


def first_picture(document: Mapping[str, Any], eyes: Eyes) -> Picture | None:
    """The picture that stands for a model: the first still of its newest version that has one."""
    for version in document["modelVersions"]:
        for image in version["images"]:
            if image["type"] == "image":
                return pictures.of_document(image, eyes, alt=document["name"])
    return None


def creator_of(document: Mapping[str, Any], note: str | None = None) -> Creator | None:
    """Whose model it is; None for people who left."""
    creator = document["creator"]
    return Creator(creator["username"], creator["image"], note) if creator["username"] else None


def badge_of(document: Mapping[str, Any]) -> str | None:
    """The one word that a card shouts: early access, new, updated."""
    versions = document["modelVersions"]
    now = clock.now()
    ends = [moment for v in versions if (moment := _moment(v["earlyAccessEndsAt"])) is not None]
    if any(moment > now for moment in ends):
        return "Early access"
    published, last = _moment(document["publishedAt"]), _moment(document["lastVersionAt"])
    if published is not None and now - published < NEW:
        return "New"
    if last is not None and now - last < NEW:
        return "Updated"
    return None


def card_of(document: Mapping[str, Any], eyes: Eyes, *, note: str | None = None) -> ModelCard:
    """The card of a model's document."""
    stats, versions = document["stats"], document["modelVersions"]
    picture = first_picture(document, eyes)
    return ModelCard(
        id=document["id"],
        name=document["name"],
        href=model_href(document["id"], document["name"]),
        type=document["type"],
        base_model=versions[0]["baseModel"] if versions else None,
        picture=picture,
        creator=creator_of(document),
        stats=(
            Stat("download", stats["downloadCount"], "downloads"),
            Stat("heart", stats["favoriteCount"], "favourites"),
        ),
        level=picture.level if picture else None,
        badge=badge_of(document),
        note=note,
    )


def cards_of(found: Iterable[Mapping[str, Any]], eyes: Eyes) -> tuple[ModelCard, ...]:
    """The cards of documents, in their order."""
    return tuple(card_of(document, eyes) for document in found)


async def with_badges(reads: ReadPool, cards: Sequence[ModelCard]) -> tuple[ModelCard, ...]:
    """The same cards with the badge of the membership beside each creator's name; one question for all of them."""
    names = {card.creator.username for card in cards if card.creator is not None}
    found = await badges.of_names(reads, names)
    return tuple(
        replace(card, creator=replace(card.creator, badge=found[card.creator.username.lower()]))
        if card.creator is not None and card.creator.username.lower() in found
        else card
        for card in cards
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
