"""What was made, taken further: tried again, made larger, judged, several taken along or put away at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.studio import OutputRated
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.orchestration import cancelling, charging, editing, estimating, submitting
from civitas.domains.orchestration.media import archives
from civitas.domains.orchestration.media.reading import own
from civitas.domains.orchestration.media_tables import BlobArchive
from civitas.domains.orchestration.shown import Estimate
from civitas.domains.orchestration.templates import StepTemplate, Template
from civitas.domains.studio import blocking, generations, made
from civitas.domains.studio.generations import TAG, Started
from civitas.domains.studio.made import DISLIKED, FAVOURITE, LIKED, Generation
from civitas.domains.studio.recipes import Recipe
from civitas.infra.queue.outbox import publish
from civitas.kit.errors import Conflict, Invalid

# How often a picture is made twice as large at once.
DOUBLINGS: Final = (1, 2)
MOST_AT_ONCE: Final = 50


async def retry(session: AsyncSession, actor: Actor, *, workflow_id: str) -> Started:
    """Submit once more what did not come out: the same recipe, and the seed that it had. It is paid as the first was.

    Raises UnknownWorkflow, Conflict (`still_going`, `not_repeatable`), and as `generations.generate`.
    """
    before = await made.one(session, actor, workflow_id)
    if before.under_way:
        raise Conflict("It is still being made; cancel it first.", code="still_going")
    return await generations.generate(session, actor, recipe_of(before))


def recipe_of(generation: Generation) -> Recipe:
    """The recipe of something made, with the seed of its first picture. Raises Conflict (`not_repeatable`)."""
    fields = dict(generation.recipe)
    seeds = [one.seed for one in generation.pictures if one.seed is not None]
    if fields.get("seed") is None and seeds:
        fields["seed"] = seeds[0]
    try:
        return Recipe.model_validate(fields)
    except ValidationError:
        raise Conflict(
            "What it was made from is not known any more, so that it cannot be made again.",
            code="not_repeatable",
        ) from None


async def enlarging(
    session: AsyncSession, actor: Actor, *, blob_id: str, doublings: int = 1, of: str | None = None
) -> Template:
    """The workflow that makes a picture twice, or four times, as large. Raises NotFound, Invalid (`bad_doublings`)."""
    actor.require(Scope.AI_SERVICES_WRITE)
    if doublings not in DOUBLINGS:
        raise Invalid("A picture is made two or four times as large.", code="bad_doublings")
    await blocking.may_generate(session, actor)
    facts = await own(session, actor, blob_id=blob_id)
    notes: dict[str, Any] = {}
    if of is not None:
        before = await made.one(session, actor, of)
        notes["recipe"] = {**before.recipe, "workflow": "img2img:upscale"}
    return Template(
        steps=(StepTemplate("imageUpscaler", {"image": facts.id, "numberOfRepeats": doublings}),),
        tags=(TAG, "img", "process:upscale"),
        notes=notes,
        tips=charging.usual_tips(),
    )


async def enlarge(
    session: AsyncSession, actor: Actor, *, blob_id: str, doublings: int = 1, of: str | None = None
) -> str:
    """Make a picture larger; the id of the workflow. Raises as `enlarging`, and as `submitting.submit` does."""
    template = await enlarging(session, actor, blob_id=blob_id, doublings=doublings, of=of)
    return await submitting.submit(session, actor, template)


async def enlarging_cost(
    session: AsyncSession, actor: Actor, *, blob_id: str, doublings: int = 1
) -> Estimate:
    """What making it larger would cost, by the function that charges. Raises as `enlarging`."""
    template = await enlarging(session, actor, blob_id=blob_id, doublings=doublings)
    return await estimating.estimate(session, actor, template)


async def pack(session: AsyncSession, actor: Actor, *, workflow_ids: Sequence[str]) -> BlobArchive:
    """All pictures of these generations in one zip, which is put together while it is sent, and holds for a week.

    Raises UnknownWorkflow, Invalid (`too_many`), Conflict (`nothing_made`).
    """
    entries = []
    for workflow_id in _few(workflow_ids):
        one = await made.one(session, actor, workflow_id)
        there = [picture for picture in one.pictures if picture.available and not one.withheld]
        entries += [
            {"blobId": picture.blob_id, "fileName": f"{one.id}-{number}"}
            for number, picture in enumerate(there, 1)
        ]
    if not entries:
        raise Conflict("There are no pictures to take along yet.", code="nothing_made")
    name = workflow_ids[0] if len(set(workflow_ids)) == 1 else "pictures"
    return await archives.make(session, person_id=actor.require(), entries=entries, name=name)


async def judge(session: AsyncSession, actor: Actor, *, workflow_id: str, liked: bool | None) -> None:
    """Say whether something came out well, otherwise, or no more than that it was made (FEATURES G16).

    Raises UnknownWorkflow, Conflict (`nothing_made`) before there is a picture.
    """
    one = await made.one(session, actor, workflow_id)
    if not any(picture.available for picture in one.pictures):
        raise Conflict("There is nothing to judge yet.", code="nothing_made")
    for tag, on in ((LIKED, liked is True), (DISLIKED, liked is False)):
        if on != (tag in one.tags):
            await (editing.add_tag if on else editing.remove_tag)(session, actor, one.id, tag=tag)
    if liked is not None and liked != one.liked:
        await publish(session, OutputRated(actor.require(), one.id, liked))


async def mark(session: AsyncSession, actor: Actor, *, workflow_ids: Sequence[str], on: bool) -> None:
    """Mark several as favourites, or take the mark away. Raises UnknownWorkflow, Invalid (`too_many`)."""
    for workflow_id in _few(workflow_ids):
        await (editing.add_tag if on else editing.remove_tag)(session, actor, workflow_id, tag=FAVOURITE)


async def remove(session: AsyncSession, actor: Actor, *, workflow_ids: Sequence[str]) -> None:
    """Remove several with their pictures. Raises UnknownWorkflow, Invalid (`too_many`)."""
    for workflow_id in _few(workflow_ids):
        await cancelling.delete(session, actor, workflow_id)


def _few(workflow_ids: Sequence[str]) -> list[str]:
    chosen = list(dict.fromkeys(workflow_ids))
    if not chosen:
        raise Invalid("Choose some first.", code="nothing_chosen")
    if len(chosen) > MOST_AT_ONCE:
        raise Invalid(f"At most {MOST_AT_ONCE} at once.", code="too_many")
    return chosen
