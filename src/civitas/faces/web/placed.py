"""What is placed on pictures as pages show it: stickers over a picture, remixes below it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog.documents import image_path
from civitas.domains.gallery.placements import reading, spaces
from civitas.domains.gallery.placements.reading import Shown
from civitas.domains.gallery.placements.spaces import Space
from civitas.domains.gallery.placements.types import WHOLE, Openness, Spot, Surface
from civitas.domains.gallery.tables import Image
from civitas.faces.http.portraits import portrait
from civitas.faces.web import pictures
from civitas.faces.web.assets import assets
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.props import Picture

# A sticker of scale 100 is so much of the shorter edge.
SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Laid:
    """A sticker over a picture, in the picture's own pixels."""

    id: int
    href: str
    name: str
    placer: str
    x: float
    y: float
    size: float
    turn: str
    removable: bool


@dataclass(frozen=True, slots=True)
class BelowCard:
    """A remix below a picture."""

    id: int
    href: str
    picture: Picture
    placer: str
    removable: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """All that is placed on a picture, and what may be placed by this viewer."""

    stickers: tuple[Laid, ...]
    remixes: tuple[BelowCard, ...]
    width: int
    height: int
    may_stick: bool
    may_remix: bool
    own: bool

    @property
    def any(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.stickers or self.remixes)

    @property
    def told(self) -> str:
        """The stickers in words."""
        return "Stickers: " + ", ".join(f"{one.name} by {one.placer}" for one in self.stickers)


def source_of(key: str | None, artwork_key: str | None) -> str:
    """Where a sticker's drawing is."""
    return assets().url(f"stickers/{key}.svg") if key else portrait(artwork_key, 320) or ""


def laid(shown: Shown, image: Image, *, removable: bool) -> Laid:
    """A sticker that is on a picture."""
    made = at(shown.spot, image, source_of(shown.row.sticker, shown.artwork_key), shown.name)
    return replace(made, id=shown.row.id, placer=shown.placer, removable=removable)


def at(spot: Spot, image: Image, href: str, name: str) -> Laid:
    """A sticker at a spot, turned about its own middle."""
    width, height = image.width or 1, image.height or 1
    size = round(min(width, height) * SHARE * spot.scale / 100, 1)
    x, y = width * spot.x / WHOLE, height * spot.y / WHOLE
    return Laid(
        id=0,
        href=href,
        name=name,
        placer="",
        x=round(x - size / 2, 1),
        y=round(y - size / 2, 1),
        size=size,
        turn=f"rotate({spot.rotation} {round(x, 1)} {round(y, 1)})",
        removable=False,
    )


def small(image: Image, eyes: Eyes, *, alt: str) -> Picture:
    """A picture as a card shows it."""
    return pictures.of_document(
        {
            "url": image_path(image.key, str(image.id)),
            "width": image.width,
            "height": image.height,
            "hash": image.blurhash,
            "nsfwLevel": image.nsfw_level,
        },
        eyes,
        alt=alt,
    )


async def on_picture(
    session: AsyncSession, actor: Actor, *, image: Image, post_id: int, public: bool, eyes: Eyes
) -> Placed:
    """What the viewer sees on a picture that they see: three statements at most."""
    found = await reading.on_image(session, actor, image=image)
    open_to = (
        await spaces.of_image(session, image_id=image.id, post_id=post_id, owner_id=image.person_id)
        if public
        else {}
    )
    own = actor.id == image.person_id
    may = _open(open_to) if not own else frozenset[Surface]()
    staff = own or actor.is_moderator

    def removable(one: Shown) -> bool:
        return staff or (actor.id is not None and one.row.placer_id == actor.id)

    return Placed(
        stickers=tuple(laid(one, image, removable=removable(one)) for one in found if one.remix is None),
        remixes=tuple(_below(found, eyes, removable)),
        width=image.width or 1,
        height=image.height or 1,
        may_stick=Surface.STICKER in may and image.kind == "image",
        may_remix=Surface.REMIX in may,
        own=own,
    )


def _open(found: Mapping[Surface, Space]) -> frozenset[Surface]:
    return frozenset(surface for surface, space in found.items() if space.mode is not Openness.OFF)


def _below(found: Iterable[Shown], eyes: Eyes, removable: Callable[[Shown], bool]) -> Iterable[BelowCard]:
    for one in found:
        if one.remix is not None:
            alt = f"A remix by {one.placer}"
            yield BelowCard(
                one.row.id,
                f"/images/{one.remix.id}",
                small(one.remix, eyes, alt=alt),
                one.placer,
                removable(one),
            )
