"""What pictures were made with, over the API: recipes, resources, tools, tags and their votes, lineage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi import Path as Given
from pydantic import Field

from civitas.domains.gallery import image_recipes, image_tags, resources, tools, twins
from civitas.domains.gallery.image_recipes import Recipe
from civitas.faces.http.actors import actor_of
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.links import base_url
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer

router = APIRouter(tags=["Images"], dependencies=[CheckedForm])

TagName = Annotated[str, Given(min_length=1, max_length=120)]


class ResourceUse(Body):
    """How strongly a model was used."""

    strength: float | None = Field(default=None, ge=-10, le=10)


class ToolUse(Body):
    """A tool or technique of the list, and words about it."""

    kind: Literal["tool", "technique"]
    name: str = Field(max_length=60)
    note: str | None = Field(default=None, max_length=500)


class ToolsUsed(Body):
    """Every tool and technique that the picture was made with."""

    tools: list[ToolUse] = Field(max_length=20)


class TagsWanted(Body):
    """Every tag of the owner's."""

    tags: list[str] = Field(max_length=30)


class TagVote(Body):
    """1 for it, -1 against it, 0 to take the vote back."""

    vote: Literal[-1, 0, 1]


class TagScore(Answer):
    """Votes for it less those against it."""

    score: int


class UsedResource(Answer):
    """A version that the picture was made with."""

    version_id: int
    version_name: str
    model_id: int
    model_name: str
    model_type: str
    base_model: str
    strength: float | None
    source: str


class UsedTool(Answer):
    """A tool or technique."""

    kind: str
    name: str
    type: str
    homepage: str | None
    note: str | None


class ShownTag(Answer):
    """A tag of the picture, and the caller's vote on it."""

    name: str
    source: str
    score: int
    vote: int


class ImageRecipe(Answer):
    """How a picture was made; `meta` and `parameters` are null when its owner keeps that to themselves."""

    image_id: int
    meta: dict[str, Any] | None
    format: str | None
    faults: list[str]
    parameters: str | None
    resources: list[UsedResource]
    tools: list[UsedTool]
    tags: list[ShownTag]
    remix_of_id: int | None
    remix_ids: list[int]


class OfferedTool(Answer):
    """An entry of the list."""

    kind: str
    name: str
    type: str
    homepage: str | None


class LooksAlike(Answer):
    """A picture of the post, and one of one's own from before that looks like it."""

    image_id: int
    other_id: int
    other_post_id: int
    other_title: str | None
    distance: int
    other_url: str


@router.get("/images/{image_id}/recipe", operation_id="getImageRecipe", summary="Get An Image's Recipe")
async def recipe(request: Request, image_id: int, session: Reading) -> ImageRecipe:
    """Prompt, settings, models, tools and tags of a picture, and what it was remixed from."""
    return told(await image_recipes.one(session, await actor_of(request), image_id=image_id))


@router.put(
    "/images/{image_id}/resources/{version_id}",
    status_code=204,
    operation_id="addImageResource",
    summary="Name A Model Of An Image",
)
async def add(image_id: int, version_id: int, body: ResourceUse, actor: Writer, session: Unit) -> None:
    """Say that one's picture was made with a version, twenty at most; saying it again changes the strength."""
    hundredths = round(body.strength * 100) if body.strength is not None else None
    await resources.add(session, actor, image_id=image_id, version_id=version_id, strength=hundredths)


@router.delete(
    "/images/{image_id}/resources/{version_id}",
    status_code=204,
    operation_id="removeImageResource",
    summary="Take A Model From An Image",
)
async def remove(image_id: int, version_id: int, actor: Writer, session: Unit) -> None:
    """Take a version from what one's picture was made with."""
    await resources.remove(session, actor, image_id=image_id, version_id=version_id)


@router.put(
    "/images/{image_id}/tools", status_code=204, operation_id="setImageTools", summary="Name An Image's Tools"
)
async def set_tools(image_id: int, body: ToolsUsed, actor: Writer, session: Unit) -> None:
    """The picture was made with these tools and techniques, and no others."""
    chosen = [(one.kind, one.name, one.note) for one in body.tools]
    await tools.set_tools(session, actor, image_id=image_id, chosen=chosen)


@router.put(
    "/images/{image_id}/tags", status_code=204, operation_id="setImageTags", summary="Set An Image's Tags"
)
async def set_tags(image_id: int, body: TagsWanted, actor: Writer, session: Unit) -> None:
    """The owner's tags are these; what others voted for stays."""
    await image_tags.set_tags(session, actor, image_id=image_id, tags=body.tags)


@router.put(
    "/images/{image_id}/tags/{tag}/vote", operation_id="voteImageTag", summary="Vote On An Image's Tag"
)
async def vote(image_id: int, tag: TagName, body: TagVote, actor: Writer, session: Unit) -> TagScore:
    """Vote a tag up or down; voting up what is not there proposes it."""
    return TagScore(score=await image_tags.vote(session, actor, image_id=image_id, tag=tag, value=body.vote))


@router.get("/tools", operation_id="listTools", summary="List Tools And Techniques")
async def listed() -> list[OfferedTool]:
    """What pictures can be said to be made with."""
    kinds: tuple[tools.Kind, ...] = ("tool", "technique")
    return [
        OfferedTool(
            kind=kind, name=one.name, type=one.type, homepage=str(one.homepage) if one.homepage else None
        )
        for kind in kinds
        for one in tools.offered(kind)
    ]


@router.get(
    "/posts/{post_id}/duplicates", operation_id="listPostDuplicates", summary="List What Was Posted Before"
)
async def duplicates(request: Request, post_id: int, actor: Owner, session: Unit) -> list[LooksAlike]:
    """Pictures of one's post that look like earlier ones of one's own."""
    found = await twins.of_post(session, actor, post_id=post_id)
    return [
        LooksAlike(
            image_id=one.image_id,
            other_id=one.other_id,
            other_post_id=one.other_post_id,
            other_title=one.other_title,
            distance=one.distance,
            other_url=f"{base_url(request)}/posts/{one.other_post_id}",
        )
        for one in found
    ]


def told(found: Recipe) -> ImageRecipe:
    """A recipe in the API's words."""
    return ImageRecipe(
        image_id=found.image_id,
        meta=dict(found.meta) if found.meta is not None else None,
        format=found.format,
        faults=list(found.faults),
        parameters=found.parameters,
        resources=[
            UsedResource(
                version_id=one.version_id,
                version_name=one.version,
                model_id=one.model_id,
                model_name=one.model,
                model_type=one.type,
                base_model=one.base_model,
                strength=one.strength / 100 if one.strength is not None else None,
                source=one.source,
            )
            for one in found.resources
        ],
        tools=[
            UsedTool(kind=one.kind, name=one.name, type=one.type, homepage=one.homepage, note=one.note)
            for one in found.tools
        ],
        tags=[
            ShownTag(name=one.name, source=one.source, score=one.score, vote=one.mine) for one in found.tags
        ],
        remix_of_id=found.remix_of_id,
        remix_ids=list(found.remix_ids),
    )
