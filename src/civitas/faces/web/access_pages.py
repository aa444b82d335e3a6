"""Buying access to a version and giving towards its goal; what one bought and what one sold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import access_buying, access_reads
from civitas.domains.catalog.access_reads import Line
from civitas.domains.catalog.access_types import Permission
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import access_view, forms
from civitas.faces.web.access_view import OfferView
from civitas.faces.web.cards import model_href
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit import money, paging
from civitas.kit.errors import Fault

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

PURCHASES: Final = "/buzz/access"
SALES: Final = "/buzz/sales"
WORDS: Final = {
    "kept": "In escrow",
    "paid": "Paid out",
    "returning": "Going back",
    "returned": "Given back",
}
VersionId = Annotated[int, Path(ge=1, lt=2**63)]
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]


@dataclass(frozen=True, slots=True)
class OfferPage:
    """The page on which one buys without script, and sees what was wrong."""

    view: OfferView
    form: Entered


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment of a list."""

    line: Line
    href: str
    what: str
    status: str


@dataclass(frozen=True, slots=True)
class PaymentsPage:
    """A page of payments; `totals` are sums in quarters by where the money is, for sales."""

    sales: bool
    rows: tuple[PaymentRow, ...]
    totals: tuple[tuple[str, int], ...]
    next_href: str | None


@router.get("/model-versions/{version_id:int}/access")
async def show(request: Request, actor: Visitor, version_id: VersionId) -> Response:
    """What a version costs and what one gets."""
    return await _page(request, actor, version_id, Entered())


async def _page(
    request: Request, actor: Actor, version_id: int, form: Entered, status: int = 200
) -> Response:
    async with state_of(request).database.reading() as session:
        view = await access_view.view_of(session, actor, version_id=version_id)
    return render(request, "access/offer.html", OfferPage(view, form), status=status)


@router.post("/model-versions/{version_id:int}/access/buy")
async def buy(request: Request, actor: Member, version_id: VersionId) -> Response:
    """Buy what the form names, at the price that was shown."""
    form = await forms.read(request)
    permission = Permission.GENERATE if form.get("permission") == "Generate" else Permission.DOWNLOAD

    async def do(session: AsyncSession) -> str:
        await access_buying.buy(
            session,
            actor,
            version_id=version_id,
            permission=permission,
            price=money.parse(form.get("price"), name="price"),
            key=form.get("key") or None,
        )
        return "It is yours. Thank you for supporting its creator."

    return await _done(request, actor, version_id, form, do)


@router.post("/model-versions/{version_id:int}/access/donate")
async def donate(request: Request, actor: Member, version_id: VersionId) -> Response:
    """Give towards the goal."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> str:
        given = await access_buying.donate(
            session,
            actor,
            version_id=version_id,
            amount=money.parse(form.get("amount")),
            key=form.get("key") or None,
        )
        return f"You gave {money.shown(given.amount)} Buzz towards the goal. Thank you."

    return await _done(request, actor, version_id, form, do)


async def _done(
    request: Request, actor: Actor, version_id: int, form: Entered, do: Callable[[Any], Awaitable[str]]
) -> Response:
    try:
        async with state_of(request).database.unit() as session:
            text = await do(session)
            offer = await access_reads.offer(session, actor, version_id=version_id)
    except Fault as fault:
        if fault.kind == "not_found":
            raise
        return await _page(request, actor, version_id, form.failed(fault), forms.status_of(fault))
    return redirect(request, model_href(offer.model_id, offer.model, version_id), text=text)


@router.get(PURCHASES)
async def purchases(request: Request, member: Member, session: Reading, cursor: Cursor = None) -> Response:
    """What one bought and gave."""
    return await _list(request, member, session, cursor, sales=False)


@router.get(SALES)
async def sales(request: Request, member: Member, session: Reading, cursor: Cursor = None) -> Response:
    """What others bought of one's versions."""
    return await _list(request, member, session, cursor, sales=True)


async def _list(
    request: Request, member: Actor, session: AsyncSession, cursor: str | None, *, sales: bool
) -> Response:
    found = await access_reads.payments(session, member, sales=sales, cursor=cursor)
    totals: tuple[tuple[str, int], ...] = ()
    if sales:
        sums = await access_reads.sales_totals(session, member)
        totals = tuple((WORDS[name], sums[name]) for name in ("kept", "paid", "returned"))
    rows = tuple(
        PaymentRow(
            line, model_href(line.model_id, line.model, line.version_id), _what(line), WORDS[line.status]
        )
        for line in found.items
    )
    here = SALES if sales else PURCHASES
    next_href = f"{here}?cursor={quote(found.next_cursor)}" if found.next_cursor else None
    page = PaymentsPage(sales, rows, totals, next_href)
    return render(request, "access/payments.html", page, block="payments_list")


def _what(line: Line) -> str:
    if line.kind == "donation":
        return "Donation"
    return "Download" if line.permissions & Permission.DOWNLOAD else "Generating"
