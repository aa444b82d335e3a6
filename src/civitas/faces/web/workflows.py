"""`/workflows`: what programs of one's own submitted: steps, jobs, costs, and what was told to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Scope
from civitas.domains.orchestration import blobs, cancelling, inputs, queries
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.delivering import delivery_log, signing_secrets
from civitas.domains.orchestration.delivering.delivery_log import DeliveryFacts
from civitas.domains.orchestration.delivering.signing import CallbackKey
from civitas.domains.orchestration.delivering.signing_secrets import SecretFacts
from civitas.domains.orchestration.dispatch import estimating
from civitas.domains.orchestration.dispatch.estimating import Outlook
from civitas.domains.orchestration.shown import ShownJob, ShownStep, ShownWorkflow
from civitas.domains.orchestration.types import Status
from civitas.faces.http.media_links import links_of
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit import paging

router = APIRouter(prefix="/workflows", dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/workflows"
TAKE: Final = 30
# How long the secret before a new one goes on signing.
OVERLAP: Final = timedelta(hours=24)
LONGEST_SHOWN: Final = 20_000
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
TONES: Final[Mapping[Status, str]] = {
    Status.SUCCEEDED: "ok",
    Status.FAILED: "danger",
    Status.EXPIRED: "warn",
    Status.CANCELED: "neutral",
    Status.PROCESSING: "accent",
}


@dataclass(frozen=True, slots=True)
class WorkflowLine:
    """A workflow in the list."""

    workflow: ShownWorkflow
    tone: str
    types: str


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of workflows."""

    lines: tuple[WorkflowLine, ...]
    tag: str
    q: str
    next_href: str | None


@dataclass(frozen=True, slots=True)
class BlobLine:
    """A blob that came out: where it is, and what."""

    id: str
    url: str | None
    facts: BlobFacts | None


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job; while it is open also what may be expected of it."""

    job: ShownJob
    tone: str
    outlook: Outlook | None


@dataclass(frozen=True, slots=True)
class StepView:
    """A step with its input and output as text, and its blobs."""

    step: ShownStep
    tone: str
    given: str
    came: str | None
    blobs: tuple[BlobLine, ...]
    jobs: Sequence[JobLine]


@dataclass(frozen=True, slots=True)
class WorkflowPage:
    """One workflow in full."""

    workflow: ShownWorkflow
    tone: str
    own: bool
    steps: tuple[StepView, ...]
    deliveries: tuple[DeliveryFacts, ...]


@dataclass(frozen=True, slots=True)
class CallbacksPage:
    """Secrets that sign, and the log. `fresh` is a secret just made, shown this once."""

    secrets: tuple[SecretFacts, ...]
    deliveries: tuple[DeliveryFacts, ...]
    state: str
    states: tuple[tuple[str, str], ...]
    next_href: str | None
    fresh: str | None


@router.get("")
async def index(
    request: Request,
    member: Member,
    session: Reading,
    tag: Annotated[str, Query(max_length=200)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
    cursor: Cursor = None,
) -> Response:
    """One's own workflows, the newest first."""
    wanted = queries.Filter(tags=(tag,) if tag else (), query=q)
    found = await queries.page(session, member, wanted=wanted, cursor=cursor, take=TAKE)
    next_href = None
    if found.next_cursor:
        next_href = f"{HERE}?{urlencode({'tag': tag, 'q': q, 'cursor': found.next_cursor})}"
    page = ListPage(tuple(_line(one) for one in found.items), tag, q, next_href)
    return render(request, "workflows/list.html", page, block="workflow_list")


@router.get("/callbacks")
async def callbacks(
    request: Request, member: Member, session: Reading, state: str = "", cursor: Cursor = None
) -> Response:
    """What signs one's callbacks, and what was told to whom."""
    member.require(Scope.AI_SERVICES_READ)
    log = await delivery_log.page(session, member, state=state or None, cursor=cursor)
    page = CallbacksPage(
        secrets=tuple(await signing_secrets.of_person(session, member)),
        deliveries=tuple(log.items),
        state=state,
        states=(("", "All"), *((one, one.replace("_", " ").capitalize()) for one in delivery_log.STATES)),
        next_href=_more(state, log.next_cursor),
        fresh=None,
    )
    return render(request, "workflows/callbacks.html", page, block="delivery_list")


@router.post("/callbacks/secrets")
async def new_secret(request: Request, member: Member) -> Response:
    """A new secret, shown on the page that answers and never again; the one before it signs for another day."""
    state = state_of(request)
    async with state.database.unit() as session:
        made = await signing_secrets.issue(session, member, key=CallbackKey(state.secret), overlap=OVERLAP)
    async with state.database.reading() as session:
        log = await delivery_log.page(session, member)
        secrets = await signing_secrets.of_person(session, member)
    states = (("", "All"), *((one, one.replace("_", " ").capitalize()) for one in delivery_log.STATES))
    page = CallbacksPage(
        tuple(secrets), tuple(log.items), "", states, _more("", log.next_cursor), made.secret
    )
    return render(request, "workflows/callbacks.html", page, headers={"Cache-Control": "no-store"})


@router.post("/callbacks/secrets/{secret_id}/revoke")
async def revoke_secret(request: Request, member: Member, session: Unit, secret_id: int) -> Response:
    """Let a secret sign nothing more."""
    await signing_secrets.revoke(session, member, secret_id=secret_id)
    return redirect(request, f"{HERE}/callbacks", text="It signs nothing more.")


@router.post("/callbacks/{delivery_id}/again")
async def again(request: Request, member: Member, session: Unit, delivery_id: int) -> Response:
    """Tell an event again, under its own id and after all that waits."""
    await delivery_log.again(session, member, delivery_id=delivery_id)
    return redirect(request, f"{HERE}/callbacks", text="It is told again, after what waits for this address.")


@router.get("/{workflow_id}")
async def show(request: Request, member: Member, session: Reading, workflow_id: str) -> Response:
    """One workflow: its steps with what went in and came out, their jobs, its cost, its callbacks."""
    shown = await queries.shown(session, member, workflow_id[:64])
    own = shown.person_id == member.id
    ids = {blob for step in shown.steps for blob in inputs.blobs_in(step.output or {})}
    facts = await blobs.links(session, ids)
    steps = _flat(shown)
    open_jobs = [job.id for step in steps for job in step.jobs if not job.status.final]
    outlooks = await estimating.outlooks(session, open_jobs, rules=state_of(request).settings.agents)
    log = await delivery_log.page(session, member, workflow_id=shown.id) if own else paging.Page([], None)
    page = WorkflowPage(
        workflow=shown,
        tone=TONES.get(shown.status, "neutral"),
        own=own,
        steps=tuple(
            _step(request, step, facts, outlooks, shows=own and not shown.withheld) for step in steps
        ),
        deliveries=tuple(log.items),
    )
    return render(request, "workflows/workflow.html", page, block="workflow")


@router.post("/{workflow_id}/cancel")
async def cancel(request: Request, member: Member, session: Unit, workflow_id: str) -> Response:
    """Stop it; what was not delivered comes back."""
    await cancelling.cancel(session, member, workflow_id)
    return redirect(
        request, f"{HERE}/{workflow_id}", text="Cancelled. What was not delivered comes back to your wallet."
    )


@router.post("/{workflow_id}/delete")
async def delete(request: Request, member: Member, session: Unit, workflow_id: str) -> Response:
    """Take it out of the list; it is cancelled first when it is under way."""
    await cancelling.delete(session, member, workflow_id)
    return redirect(request, HERE, text="Removed.")


def _line(shown: ShownWorkflow) -> WorkflowLine:
    names = list(dict.fromkeys(step.type for step in shown.steps))
    told = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return WorkflowLine(shown, TONES.get(shown.status, "neutral"), told)


def _flat(shown: ShownWorkflow) -> list[ShownStep]:
    """The steps, each loop followed by its turns."""
    found: list[ShownStep] = []
    for step in shown.steps:
        found += [step, *step.turns]
    return found[:200]


def _step(
    request: Request,
    step: ShownStep,
    facts: Mapping[str, BlobFacts],
    outlooks: Mapping[str, Outlook],
    *,
    shows: bool,
) -> StepView:
    links = links_of(request)
    made = []
    for blob in inputs.blobs_in(step.output or {}):
        known = facts.get(blob)
        url = links.blob_url(blob)[0] if shows and known is not None and known.available else None
        made.append(BlobLine(blob, url, known))
    return StepView(
        step=step,
        tone=TONES.get(step.status, "neutral"),
        given=_text(step.input),
        came=_text(step.output) if step.output is not None and step.status.final else None,
        blobs=tuple(made),
        jobs=[JobLine(job, TONES.get(job.status, "neutral"), outlooks.get(job.id)) for job in step.jobs],
    )


def _text(value: Mapping[str, Any]) -> str:
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "\n… (the API has all of it)"


def _more(state: str, cursor: str | None) -> str | None:
    return f"{HERE}/callbacks?{urlencode({'state': state, 'cursor': cursor})}" if cursor else None
