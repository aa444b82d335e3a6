"""`/buzz`: what one has, what is held, what moved last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import Colour
from civitas.domains.buzz.ledger import holds, statement, statistics, wallets
from civitas.domains.buzz.ledger.statement import Movement
from civitas.domains.buzz.ledger.statistics import Day, Lifetime, Total
from civitas.domains.buzz.ledger.tables import Hold
from civitas.domains.buzz.ledger.wallets import Wallet
from civitas.domains.buzz.types import TYPE_LABELS, Currency, EntryType
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.charts import Bars, bars
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member
from civitas.kit import money

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/buzz"
SHOWN_HOLDS: Final = 20
SHOWN_MOVEMENTS: Final = 12


@dataclass(frozen=True, slots=True)
class OpenHold:
    """A hold as its owner sees it."""

    hold: Hold
    label: str
    left: Mapping[Currency, int]


@dataclass(frozen=True, slots=True)
class WalletPage:
    """Everything of a wallet on one page."""

    wallet: Wallet
    colours: Mapping[Currency, Colour]
    holds: tuple[OpenHold, ...]
    recent: tuple[Movement, ...]
    lifetime: Lifetime
    by_type: tuple[tuple[Total, str], ...]
    chart: Bars


@router.get(HERE)
async def show(request: Request, member: Member, session: Reading) -> Response:
    """The wallet."""
    person = member.require(Scope.BUZZ_READ)
    days = await statistics.days(session, person)
    lifetime = await statistics.lifetime(session, person)
    open_holds = await holds.open_of(session, person, most=SHOWN_HOLDS)
    page = WalletPage(
        wallet=await wallets.of(session, person),
        colours=economy.current().colours,
        holds=tuple(_shown(hold) for hold in open_holds),
        recent=(await statement.page(session, person, limit=SHOWN_MOVEMENTS)).items,
        lifetime=lifetime,
        by_type=tuple((one, TYPE_LABELS[one.type]) for one in lifetime.totals if one.came or one.went),
        chart=chart_of(days),
    )
    return render(request, "buzz/wallet.html", page)


def chart_of(days: Sequence[Day]) -> Bars:
    """A wallet's days as bars."""
    came, went = sum(day.came for day in days), sum(day.went for day in days)
    told = f"{money.shown(came)} Buzz came in and {money.shown(went)} went out in {len(days)} days."
    return bars([(f"{day.day:%-d %b}", day.came, day.went) for day in days], told)


def _shown(hold: Hold) -> OpenHold:
    left = {Currency(colour): int(part) for colour, part in hold.remaining}
    return OpenHold(hold, hold.description or TYPE_LABELS[EntryType(hold.type)], left)
