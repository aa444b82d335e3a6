"""The home page's blocks over the API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from civitas.domains.community.boards import reading as boards
from civitas.domains.gallery.home import blocks
from civitas.domains.gallery.home.blocks import Block, BlockKind
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Writer

router = APIRouter(tags=["Home"], dependencies=[CheckedForm])


class BlockSettings(Body):
    """What a block needs: `collection` a collection's id, `models` ids, `tag` a name, `board` a
    leaderboard's key, `text` Markdown."""

    collection: int | None = None
    models: list[Annotated[int, Field(strict=True)]] | None = Field(None, max_length=blocks.MOST_MODELS)
    tag: str | None = None
    board: str | None = None
    text: str | None = None


class BlockWanted(Body):
    """One block."""

    kind: BlockKind
    title: str = ""
    settings: BlockSettings = Field(default_factory=BlockSettings)


class BlocksWanted(Body):
    """The blocks in their order; none brings back the usual ones."""

    blocks: list[BlockWanted] = Field(max_length=blocks.MOST)


class BlockShown(Answer):
    """One block."""

    kind: str
    title: str
    settings: dict[str, Any]


def _shown(found: tuple[Block, ...]) -> list[BlockShown]:
    return [BlockShown(kind=one.kind.value, title=one.title, settings=dict(one.settings)) for one in found]


def _wanted(body: BlocksWanted) -> list[Block]:
    for one in body.blocks:
        if one.kind is BlockKind.LEADERBOARD and one.settings.board:
            boards.board_of(one.settings.board)
    return [Block(one.kind, one.title, one.settings.model_dump(exclude_none=True)) for one in body.blocks]


@router.get("/home/blocks", operation_id="listHomeBlocks", summary="List Home Blocks")
async def listed(request: Request, actor: Viewer, session: Reading) -> list[BlockShown]:
    """What the home page shows you, in order."""
    await take(request, "read")
    return _shown(await blocks.of(session, actor.id))


@router.put("/me/home", operation_id="setMyHome", summary="Set My Home Page")
async def set_own(body: BlocksWanted, actor: Writer, session: Unit) -> list[BlockShown]:
    """Arrange the home page for yourself."""
    await blocks.arrange(session, actor, blocks=_wanted(body), site=False)
    return _shown(await blocks.of(session, actor.id))


@router.put("/staff/home", operation_id="setSiteHome", summary="Set The Site's Home Page")
async def set_site(body: BlocksWanted, actor: Writer, session: Unit) -> list[BlockShown]:
    """Arrange the home page for everybody, as staff."""
    await blocks.arrange(session, actor, blocks=_wanted(body), site=True)
    return _shown(await blocks.of(session, None))
