"""`/posts/with/{version}`: pictures by others, made with a version; the model's page brings its first ones along."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.catalog.documents import image_path
from civitas.domains.catalog.naming import VersionName, version_names
from civitas.domains.gallery import community
from civitas.domains.gallery.community import Posted
from civitas.faces.http.units import Reading
from civitas.faces.web import pictures
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.props import Picture
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor
from civitas.kit.errors import NotFound

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture in the grid; it leads to its post."""

    id: int
    picture: Picture
    href: str
    username: str | None


@dataclass(frozen=True, slots=True)
class CommunityPage:
    """Pictures made with a version."""

    version: VersionName
    tiles: tuple[Tile, ...]
    next_href: str | None

    @property
    def here(self) -> str:
        """The address of the first page."""
        return f"/posts/with/{self.version.id}"


@router.get("/posts/with/{version_id:int}")
async def show(
    request: Request, visitor: Visitor, session: Reading, version_id: int, cursor: str | None = None
) -> Response:
    """The page, or for the model's page its first pictures."""
    version = (await version_names(session, visitor, version_ids=[version_id])).get(version_id)
    if version is None:
        raise NotFound("This version was not found.", code="version_not_found")
    found = await community.page(session, visitor, version_id=version_id, cursor=cursor)
    eyes = eyes_of(visitor)
    page = CommunityPage(
        version=version,
        tiles=tuple(_tile(one, eyes) for one in found.items),
        next_href=f"/posts/with/{version_id}?cursor={found.next_cursor}" if found.next_cursor else None,
    )
    return render(request, "posts/with.html", page, block=("by_others", "results"))


def _tile(one: Posted, eyes: Eyes) -> Tile:
    image = one.image
    stated = {
        "url": image_path(image.key, str(image.id)),
        "width": image.width,
        "height": image.height,
        "hash": image.blurhash,
        "nsfwLevel": image.nsfw_level,
        "meta": None if image.hide_meta else image.meta,
    }
    return Tile(
        id=image.id,
        picture=pictures.of_document(stated, eyes, alt=image.note or ""),
        href=f"/posts/{image.post_id}#picture-{image.id}",
        username=one.username,
    )
