"""`/images/{id}`: one picture large, with its recipe, and the way along the feed it was opened from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request
from markupsafe import Markup
from starlette.responses import Response

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor
from civitas.domains.gallery import image_recipes
from civitas.domains.gallery.feeds import cards, looking, neighbours
from civitas.domains.gallery.feeds.looking import Looked
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import image_filters, picture_panels, pictures, placed, structured
from civitas.faces.web.image_filters import FeedQuery
from civitas.faces.web.picture_panels import PostPicture
from civitas.faces.web.pictures import avatar_url
from civitas.faces.web.placed import Placed
from civitas.faces.web.props import Creator
from civitas.faces.web.reaction_bars import ReactionBar, bar_of
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor
from civitas.kit import clock

router = APIRouter(include_in_schema=False)

ImageId = Annotated[int, Path(ge=1, lt=2**62)]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The picture before or after: its page, and what to fetch ahead."""

    href: str
    ahead: str | None


@dataclass(frozen=True, slots=True)
class Viewing:
    """What the viewer's template takes."""

    image_id: int
    title: str
    shown: PostPicture
    creator: Creator
    person_id: int
    post_id: int
    published_at: datetime
    bar: ReactionBar
    before: Neighbour | None
    after: Neighbour | None
    feed_href: str
    canonical: str
    description: str
    og_image: str | None
    json_ld: Markup
    listed: bool
    mature: bool
    placed: Placed
    stickers_off: bool


@router.get("/images/{image_id:int}")
async def show(request: Request, actor: Visitor, session: Reading, image_id: ImageId) -> Response:
    """The picture's page."""
    found = await looking.at(session, actor, image_id=image_id)
    recipe = (await image_recipes.of_images(session, actor, [found.image]))[image_id]
    eyes = eyes_of(actor)
    path = f"/{request.query_params.get('in', 'images')}"
    query = image_filters.read(path if path in {"/images", "/videos"} else "/images", request.query_params)
    shown = picture_panels.shown(found.image, 1, recipe, eyes)
    base = base_url(request)
    mature = bool(found.image.nsfw_level & ~3)
    before, after = await _neighbours(request, actor, query, image_id)
    canonical = f"{base}/images/{image_id}"
    public = found.post.published_at is not None and found.post.published_at <= clock.now()
    context = Viewing(
        image_id=image_id,
        title=shown.picture.alt[:90] if not shown.picture.alt.startswith("Picture 1") else "Picture",
        shown=shown,
        creator=Creator(found.username, avatar_url(found.avatar_key)),
        person_id=found.image.person_id,
        post_id=found.post.id,
        published_at=found.post.published_at or found.image.created_at,
        bar=await bar_of(session, actor, Subject("image", image_id)),
        before=before,
        after=after,
        feed_href=query.href(),
        canonical=canonical,
        description=shown.picture.alt[:200],
        og_image=None if mature else base + pictures.at_width(shown.picture.src, 1280),
        json_ld=_structured(found, shown, canonical, base),
        listed=found.listed and not mature,
        mature=mature,
        placed=await placed.on_picture(
            session, actor, image=found.image, post_id=found.post.id, public=public, eyes=eyes
        ),
        stickers_off=request.query_params.get("stickers") == "off",
    )
    headers = {} if context.listed else {"X-Robots-Tag": "noindex"}
    return render(request, "images/viewer.html", context, headers=headers)


async def _neighbours(
    request: Request, actor: Actor, query: FeedQuery, image_id: int
) -> tuple[Neighbour | None, Neighbour | None]:
    reads = state_of(request).reads
    ids = await neighbours.around(reads, actor, query.filters(actor.mask), image_id=image_id)
    ahead = {facts.id: facts for facts in await cards.images(reads, [one for one in ids if one is not None])}
    eyes = eyes_of(actor)

    def neighbour(number: int | None) -> Neighbour | None:
        if number is None:
            return None
        facts = ahead.get(number)
        blurred = facts is None or facts.kind != "image" or eyes.blurs(facts.level)
        source = None if blurred or facts is None else f"/img/{facts.key}/width=1280/{facts.id}.webp"
        return Neighbour(query.image_href(number), source)

    return neighbour(ids[0]), neighbour(ids[1])


def _structured(found: Looked, shown: PostPicture, canonical: str, base: str) -> Markup:
    return structured.script(
        {
            "@context": "https://schema.org",
            "@type": "VideoObject" if found.image.kind == "video" else "ImageObject",
            "@id": canonical,
            "url": canonical,
            "name": shown.picture.alt[:120],
            "contentUrl": base + (shown.film or shown.full),
            "thumbnailUrl": base + shown.picture.src,
            "width": found.image.width,
            "height": found.image.height,
            "uploadDate": clock.rfc3339(found.post.published_at or found.image.created_at),
            "creator": {"@type": "Person", "name": found.username, "url": f"{base}/user/{found.username}"},
        }
    )
