"""`/create`: write what is to be seen, see what it costs, and watch it being made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import SAFE_MASK, Actor
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.studio import blocking, controls, families, generations, labels, made, presets
from civitas.domains.studio.families import Family
from civitas.domains.studio.remixing import Missing
from civitas.domains.studio.tables import Preset
from civitas.faces.http.media_links import links_of
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import create_begin, create_form, forms
from civitas.faces.web.create_chosen import Picked, picked
from civitas.faces.web.create_cost import Cost, cost_of
from civitas.faces.web.create_feed import GenerationView, rules_of, view_of
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import fragment, render, toast_header
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit import paging
from civitas.kit.errors import Fault

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/create"
LONGEST_FORM: Final = 12_000_000
# Fields that lie behind "More settings".
IN_MORE: Final = (
    "sampler", "steps", "cfg_scale", "seed", "clip_skip", "control", "control_image", "control_weight", "control_start",
    "control_end", "controls",
)  # fmt: skip
EXAMPLE: Final = "a red circle above a blue square, night sky"
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]


@dataclass(frozen=True, slots=True)
class Usual:
    """What a family usually has, as the empty fields of the form say it."""

    sampler: str = "Euler a"
    steps: str = "30"
    steps_least: int = 1
    steps_most: int = 150
    cfg: str = "7"
    cfg_least: str = "1"
    cfg_most: str = "30"
    clip_skip: str | None = None


@dataclass(frozen=True, slots=True)
class CreatePage:
    """The form, and what was made before."""

    form: Entered
    checkpoint: Picked | None
    networks: tuple[Picked, ...]
    vae: Picked | None
    control: Picked | None
    control_url: str | None
    family: Family | None
    usual: Usual
    samplers: tuple[tuple[str, str], ...]
    sizes: Sequence[tuple[str, str, bool]]
    most: int
    presets: tuple[Preset, ...]
    missing: tuple[Missing, ...]
    source_url: str | None
    may_be_mature: bool
    doubtful: bool
    open_more: bool
    warning: str | None
    cost: Cost | None
    cost_problem: str | None
    generations: tuple[GenerationView, ...]
    next_href: str | None
    tag: str
    q: str
    # Tags of one's own, and what may be looked for by them.
    tags: Sequence[str]
    # Ways of making, less those that this kind of model does not have.
    workflows: Sequence[tuple[str, str]]
    workflow: str
    priorities: Sequence[tuple[str, str]] = create_form.PRIORITIES
    formats: Sequence[tuple[str, str]] = create_form.FORMATS
    control_kinds: Sequence[tuple[str, str]] = controls.KINDS
    example: str = EXAMPLE


@dataclass(frozen=True, slots=True)
class CostPart:
    """The line of the cost, by itself."""

    cost: Cost | None
    cost_problem: str | None


@router.get(HERE)
async def show(
    request: Request,
    visitor: Visitor,
    session: Reading,
    tag: Annotated[str, Query(max_length=40)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
    cursor: Cursor = None,
) -> Response:
    """The form as one came to it: empty, with a model, from a preset, from something made before."""
    begun = await create_begin.begin(request, session, visitor)
    page = await _page(request, session, visitor, begun.form, begun.missing, tag=tag, q=q, cursor=cursor)
    return render(request, "create/page.html", page, block="made")


@router.post(HERE)
async def create(request: Request, member: Member) -> Response:
    """Submit the form; what was refused comes back with every value in place."""
    form = await forms.read(request, LONGEST_FORM)
    database = state_of(request).database
    try:
        recipe = create_form.recipe_of(form)
        async with database.unit() as session:
            started = await generations.generate(session, member, recipe)
    except blocking.PromptBlocked as fault:
        async with database.unit() as session:
            counted = await blocking.count(
                session, member, findings=fault.findings, prompt=form.get("prompt")
            )
        return await _refused(request, member, form, fault, warning=counted.warning)
    except Fault as fault:
        return await _refused(request, member, form, fault)
    if request.headers.get("hx-request") == "true":
        async with database.reading() as session:
            one = await made.one(session, member, started.workflow_id, rules=rules_of(request))
        view = view_of(request, one)
        return fragment(
            request, "create/card.html", "card", {"view": view}, headers={"HX-Trigger": "create:sent"}
        )
    return redirect(request, f"{HERE}#made-{started.workflow_id}")


@router.get("/create/generations/{workflow_id}")
async def one(request: Request, member: Member, session: Reading, workflow_id: str) -> Response:
    """One generation as its card: what the live feed puts in the place of the one that moved."""
    found = await made.one(session, member, workflow_id[:64], rules=rules_of(request))
    view = {"view": view_of(request, found)}
    if request.headers.get("hx-request") == "true":
        return fragment(request, "create/card.html", "card", view)
    return render(request, "create/card.html", view)


@router.post("/create/cost")
async def cost(request: Request, visitor: Visitor, session: Reading) -> Response:
    """What the form as it stands would cost, by the same function that charges."""
    form = await forms.read(request, LONGEST_FORM)
    found, problem = await _cost(session, visitor, form)
    return render(request, "create/cost.html", CostPart(found, problem))


@router.post("/create/presets")
async def keep(request: Request, member: Member) -> Response:
    """Keep the form's settings under a name; the prompt stays with them, pictures do not."""
    form = await forms.read(request, LONGEST_FORM)
    values = create_form.recipe_of(form).model_dump(
        by_alias=True, exclude_none=True, exclude={"source_image", "mask_image", "remix_of", "acknowledged"}
    )
    async with state_of(request).database.unit() as session:
        keep = presets.replace if form.get("replace") else presets.make
        kept = await keep(session, member, name=form.get("name"), settings=values)
    if request.headers.get("hx-request") == "true":
        return Response(status_code=204, headers=toast_header("ok", f"Kept as {kept.name}."))
    return redirect(request, f"{HERE}?preset={kept.id}", text=f"Kept as {kept.name}.")


async def _refused(
    request: Request, member: Actor, form: Entered, fault: Fault, *, warning: str | None = None
) -> Response:
    """The page with what was entered, and what was wrong beside it."""
    names = {"negativePrompt": "negative_prompt", "cfgScale": "cfg_scale", "sourceImage": "source_image"}
    failed = form.failed(fault, **names)
    async with state_of(request).database.reading() as session:
        page = await _page(request, session, member, failed, (), warning=warning)
    doubtful = fault.code == "prompt_doubtful"
    page = replace(page, doubtful=doubtful, open_more=page.open_more or doubtful)
    headers = {"HX-Retarget": "body", "HX-Reswap": "innerHTML"}
    return render(request, "create/page.html", page, status=forms.status_of(fault), headers=headers)


async def _cost(session: AsyncSession, visitor: Actor, form: Entered) -> tuple[Cost | None, str | None]:
    if not visitor.signed_in:
        return None, None
    try:
        recipe = create_form.recipe_of(form)
        return await cost_of(session, visitor, recipe), None
    except Fault as fault:
        # The fields say so themselves when it is confirmed; before that the first of them is enough.
        return None, next(iter(fault.details.get("fields", {}).values()), fault.message)


async def _page(
    request: Request,
    session: AsyncSession,
    actor: Actor,
    form: Entered,
    missing: tuple[Missing, ...],
    *,
    tag: str = "",
    q: str = "",
    cursor: str | None = None,
    warning: str | None = None,
) -> CreatePage:
    chosen = await _chosen(request, session, actor, form)
    checkpoint = chosen.get(next(iter(create_form.ids(form, "checkpoint")), 0))
    family = families.of_base_model(checkpoint.usable.base_model) if checkpoint else None
    limits = await entitlements(session, actor.id)
    kept: Sequence[Preset] = ()
    tags: list[str] = []
    feed: paging.Page[made.Generation] = paging.Page([], None)
    if actor.signed_in:
        kept = (await presets.page(session, actor)).items
        tags = await labels.used(session, actor)
        feed = await made.page(
            session, actor, tags=(tag,) if tag else (), query=q, cursor=cursor, rules=rules_of(request)
        )
    next_href = None
    if feed.next_cursor:
        next_href = f"{HERE}?{urlencode({'tag': tag, 'q': q, 'cursor': feed.next_cursor})}"
    workflows = create_form.workflows(family)
    return CreatePage(
        form=form,
        checkpoint=checkpoint,
        networks=tuple(chosen[one] for one in create_form.ids(form, "resource") if one in chosen),
        vae=chosen.get(next(iter(create_form.ids(form, "vae")), 0)),
        control=chosen.get(next(iter(create_form.ids(form, "control")), 0)),
        control_url=_source_url(request, form.get("control_image")),
        family=family,
        usual=_usual(family),
        workflows=workflows,
        workflow=form.get("workflow") if form.get("workflow") in dict(workflows) else workflows[0][0],
        samplers=tuple((name, name) for name in (family.samplers if family else ("Euler a",))),
        sizes=create_form.sizes(family, form) if family else [],
        most=limits.tier.images_per_request,
        presets=tuple(kept),
        missing=missing,
        source_url=_source_url(request, form.get("source_image")),
        may_be_mature=bool(actor.mask & ~SAFE_MASK),
        doubtful=False,
        open_more=any(form.error(name) for name in IN_MORE)
        or bool(form.get("control") or form.get("control_image")),
        warning=warning,
        cost=None,
        cost_problem=None,
        generations=tuple(view_of(request, one) for one in feed.items),
        next_href=next_href,
        tag=tag,
        q=q,
        tags=tags if tag in ("", made.FAVOURITE, *tags) else [tag, *tags],
    )


async def _chosen(request: Request, session: AsyncSession, actor: Actor, form: Entered) -> dict[int, Picked]:
    wanted = [
        one for name in ("checkpoint", "resource", "vae", "control") for one in create_form.ids(form, name)
    ]
    strengths = {one: form.get(f"strength-{one}") for one in create_form.ids(form, "resource")}
    return await picked(request, session, actor, wanted[:60], strengths)


def _usual(family: Family | None) -> Usual:
    if family is None:
        return Usual()
    return Usual(
        sampler=family.sampler,
        steps=f"{family.steps.usual:g}",
        steps_least=int(family.steps.least),
        steps_most=int(family.steps.most),
        cfg=f"{family.cfg.usual:g}",
        cfg_least=f"{family.cfg.least:g}",
        cfg_most=f"{family.cfg.most:g}",
        clip_skip=f"{family.clip_skip.usual:g}" if family.clip_skip else None,
    )


def _source_url(request: Request, source: str) -> str | None:
    """Where the picture to begin from can be looked at: a blob of ours, or a picture of this site."""
    if not source:
        return None
    if source.startswith(("/", "data:image/")):
        return source
    return links_of(request).blob_url(source)[0] if source.isalnum() else None
