"""The first steps of a new person: terms, profile, what to be shown, Buzz (FEATURES A3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts import onboarding, preferences, queries
from civitas.domains.accounts.preferences import Browsing
from civitas.domains.accounts.types import Actor, Onboarding
from civitas.faces.http.state import state_of
from civitas.faces.web import browsing_form, forms
from civitas.faces.web.browsing_form import LevelChoice
from civitas.faces.web.forms import Entered
from civitas.faces.web.props import Step
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, Visitor, local_path, redirect
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

NAMES = {
    Onboarding.TERMS: ("terms", "Terms"),
    Onboarding.PROFILE: ("profile", "Your name"),
    Onboarding.BROWSING_LEVELS: ("levels", "What you see"),
    Onboarding.BUZZ: ("buzz", "Buzz"),
}
STEP_OF = {name: step for step, (name, _) in NAMES.items()}


@dataclass(frozen=True, slots=True)
class WelcomePage:
    """One step."""

    form: Entered
    step: str
    steps: tuple[Step, ...]
    return_url: str
    username: str
    browsing: Browsing
    levels: tuple[LevelChoice, ...]


@dataclass(frozen=True, slots=True)
class TermsPage:
    """The terms alone."""

    operator_note: str


@router.get("/terms")
async def terms(request: Request, visitor: Visitor) -> Response:
    """The terms of use, for everybody."""
    return render(request, "account/terms.html", TermsPage(state_of(request).settings.site.region_note))


@router.get("/welcome")
async def show(
    request: Request,
    member: Member,
    step: str | None = None,
    return_to: Annotated[str, Query(alias="returnUrl")] = "/",
) -> Response:
    """The next step, or one that was taken already and is looked at again."""
    to = local_path(return_to)
    async with state_of(request).database.reading() as session:
        taken = await onboarding.taken(session, member)
    following = onboarding.next_step(taken)
    wanted = STEP_OF.get(step or "")
    if wanted is None or (wanted not in taken and wanted is not following):
        wanted = following
    if wanted is None:
        return redirect(request, to)
    return await _page(request, member, wanted, to, Entered())


@router.post("/welcome/{name}")
async def take_step(request: Request, member: Member, name: str) -> Response:
    """Take a step, and go on to the next."""
    form = await forms.read(request)
    to = local_path(form.get("returnUrl"))
    step = STEP_OF.get(name)
    if step is None:
        return redirect(request, "/welcome")
    try:
        async with state_of(request).database.unit() as session:
            taken = await _take(session, member, step, form)
    except (Invalid, Conflict, Forbidden) as fault:
        return await _page(request, member, step, to, form.failed(fault, **browsing_form.FIELDS), fault)
    if onboarding.next_step(taken) is None:
        return redirect(request, to, text="You are all set. Make yourself at home.")
    return redirect(request, f"/welcome?returnUrl={quote(to, safe='')}" if to != "/" else "/welcome")


async def _take(session: AsyncSession, member: Actor, step: Onboarding, form: Entered) -> Onboarding:
    if step is Onboarding.TERMS:
        if not form.flag("accept"):
            told = "Tick the box to go on; without the terms there is no account."
            raise Invalid(told, code="terms_needed", fields={"accept": told})
        return await onboarding.accept_terms(session, member)
    if step is Onboarding.PROFILE:
        return await onboarding.complete_profile(
            session, member, username=form.get("username").strip() or None
        )
    if step is Onboarding.BROWSING_LEVELS:
        return await onboarding.choose_levels(session, member, **browsing_form.wanted(form))
    return await onboarding.meet_buzz(session, member)


async def _page(
    request: Request, member: Actor, step: Onboarding, to: str, form: Entered, fault: Fault | None = None
) -> Response:
    async with state_of(request).database.reading() as session:
        taken = await onboarding.taken(session, member)
        account = await queries.account(session, member)
        chosen = await preferences.browsing(session, member.require())
    page = WelcomePage(
        form=form,
        step=NAMES[step][0],
        steps=_steps(step, taken, to),
        return_url=to,
        username=account.username or "",
        browsing=chosen,
        levels=browsing_form.choices(form, chosen),
    )
    status = forms.status_of(fault) if fault else 200
    return render(request, "account/welcome.html", page, status=status)


def _steps(current: Onboarding, taken: Onboarding, to: str) -> tuple[Step, ...]:
    made = []
    for step in onboarding.ORDER:
        name, label = NAMES[step]
        if step is current:
            made.append(Step(label, "current"))
        elif step in taken:
            made.append(Step(label, "done", f"/welcome?step={name}&returnUrl={quote(to, safe='')}"))
        else:
            made.append(Step(label))
    return tuple(made)
