"""`/tip`: a tip for a person or a thing; the same form stands in a dialog on their pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.contracts.subjects import Subject, SubjectFacts
from civitas.domains.accounts import queries
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.earning import tips
from civitas.domains.buzz.earning.tips import Purse
from civitas.domains.buzz.economy import economy, rules
from civitas.domains.buzz.errors import InsufficientFunds, WalletFrozen
from civitas.domains.buzz.types import Currency
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render, toast_header
from civitas.faces.web.visits import Member, local_path, redirect
from civitas.kit import money
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid
from civitas.kit.ids import new_uuid, row_id

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

TIP: Final = "/tip"


@dataclass(frozen=True, slots=True)
class TipPage:
    """The form. `done` is what was given, once it was."""

    facts: SubjectFacts
    owner: str
    form: Entered
    purses: tuple[Purse, ...]
    presets: tuple[int, ...]
    least: int
    most: int
    tipped: int
    count: int
    key: str
    chosen: str
    longest: int = tips.LONGEST_MESSAGE
    done: int = 0
    problem: str | None = None


@router.get(TIP)
async def show(
    request: Request,
    member: Member,
    session: Reading,
    kind: Annotated[str, Query(max_length=40)],
    subject: Annotated[int, Query(alias="id", ge=1, le=2**62)],
) -> Response:
    """The form, as a page or inside a dialog."""
    page = await _page(session, member, Subject(kind, subject), Entered())
    return render(request, "buzz/tip.html", page, block="tip_form")


@router.post(TIP)
async def give(request: Request, member: Member) -> Response:
    """Give the tip; the form's key makes it once however often it is sent."""
    form = await forms.read(request)
    subject = Subject(form.get("kind")[:40], row_id(form.get("id")) or 0)
    database = state_of(request).database
    inside = request.headers.get("hx-target") == "tip-form"
    try:
        amount = money.parse(form.get("custom").strip() or form.get("amount"))
        async with database.unit() as session:
            given = await tips.give(
                session,
                member,
                subject=subject,
                amount=amount,
                colour=_colour(form.get("colour")),
                message=form.get("message"),
                key=form.get("key")[:100] or None,
            )
    except (Invalid, Conflict, InsufficientFunds, WalletFrozen) as fault:
        if fault.code in {"self_tip", "nobody_to_tip"}:
            raise Forbidden(fault.message, code=fault.code) from fault
        async with database.reading() as session:
            page = await _page(session, member, subject, form.failed(fault), fault=fault)
        return render(request, "buzz/tip.html", page, block="tip_form", status=forms.status_of(fault))
    text = f"{money.shown(given.amount)} Buzz given. Thank you!"
    if not inside:
        return redirect(request, local_path(form.get("back"), "/buzz"), text=text)
    async with database.reading() as session:
        page = await _page(session, member, subject, Entered(), done=given.amount)
    return render(request, "buzz/tip.html", page, block="tip_form", headers=toast_header("ok", text))


def _colour(word: str) -> Currency:
    try:
        return Currency(word)
    except ValueError:
        raise Invalid(
            "Choose a colour.", code="wrong_colour", fields={"colour": "Choose a colour."}
        ) from None


async def _page(
    session: AsyncSession,
    member: Actor,
    subject: Subject,
    form: Entered,
    *,
    fault: Fault | None = None,
    done: int = 0,
) -> TipPage:
    facts = await tips.target(session, member, subject=subject)
    purses = tuple(await tips.purses(session, member, facts))
    bounds = economy.current().tips
    cards = await queries.by_ids(session, [facts.owner_id or 0])
    tipped, count = await tips.total(session, subject)
    fullest = max(purses, key=lambda purse: purse.balance, default=None)
    return TipPage(
        facts=facts,
        owner=next((card.username for card in cards.values()), ""),
        form=form,
        purses=purses,
        presets=tuple(rules.quarters(one) for one in bounds.presets),
        least=rules.quarters(bounds.least),
        most=rules.quarters(bounds.most),
        tipped=tipped,
        count=count,
        key=form.get("key") or new_uuid().hex,
        chosen=form.get("colour") or (fullest.colour.value if fullest else ""),
        done=done,
        problem=fault.message if fault else None,
    )


def tip_href(kind: str, subject_id: int) -> str:
    """The page on which this is tipped."""
    return f"{TIP}?{urlencode({'kind': kind, 'id': subject_id})}"
