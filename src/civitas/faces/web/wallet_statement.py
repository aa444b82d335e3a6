"""`/buzz/statement`: every movement with filters, as a page and as CSV; one entry by its number."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.ledger import statement, statement_csv
from civitas.domains.buzz.ledger.statement import Filter, Movement
from civitas.domains.buzz.types import COLOURS, Currency
from civitas.faces.http.limits import take
from civitas.faces.http.state import State, state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member
from civitas.kit import clock, paging
from civitas.kit.errors import NotFound
from civitas.kit.text import clean_line

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/buzz/statement"
ACCOUNTS: Final = (("wallet", "Wallet"), ("bank", "Bank"), ("cash", "Cash"))
TYPES: Final = (
    ("", "Everything"), ("earned", "Earned"), ("tips", "Tips and donations"), ("bought", "Bought and codes"),
    ("generation", "Generation and training"), ("shop", "Shop and access"), ("bounties", "Bounties"),
    ("programme", "Creator programme"), ("refunds", "Refunds"),
)  # fmt: skip
_COLOURS: Final = (("", "All colours"), *((colour.value, colour.value.capitalize()) for colour in COLOURS))


@dataclass(frozen=True, slots=True)
class StatementView:
    """A page of the statement and its filters."""

    items: tuple[Movement, ...]
    next_href: str | None
    csv_href: str
    account: str
    colour: str
    type: str
    direction: str
    since: str
    until: str
    words: str
    problems: Mapping[str, str]
    sifted: bool
    accounts: tuple[tuple[str, str], ...] = ACCOUNTS
    colours: tuple[tuple[str, str], ...] = _COLOURS
    types: tuple[tuple[str, str], ...] = TYPES


@dataclass(frozen=True, slots=True)
class EntryView:
    """What one entry did to one's own accounts."""

    entry_id: int
    items: tuple[Movement, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters of an address: what was understood, how it is written, what was wrong."""

    chosen: Filter
    pairs: tuple[tuple[str, str], ...]
    problems: Mapping[str, str]


def asked(request: Request) -> Asked:
    """Filters as the address has them; what makes no sense is left out and said."""
    given = {name: request.query_params.get(name, "")[:40] for name in
             ("account", "colour", "type", "direction", "since", "until", "words")}  # fmt: skip
    problems: dict[str, str] = {}
    days: dict[str, date | None] = {}
    for name in ("since", "until"):
        try:
            days[name] = date.fromisoformat(given[name]) if given[name] else None
        except ValueError:
            days[name], problems[name] = None, "Not a day."
    known: dict[str, Any] = {
        "account": given["account"] if given["account"] in dict(ACCOUNTS) else "wallet",
        "colour": given["colour"] if given["colour"] in COLOURS else "",
        "type": given["type"] if given["type"] in statement.GROUPS else "",
        "direction": given["direction"] if given["direction"] in ("in", "out") else "",
    }
    chosen = Filter(
        kind=known["account"],
        colour=Currency(known["colour"]) if known["colour"] else None,
        types=statement.GROUPS.get(known["type"], ()),
        way={"in": 1, "out": -1}.get(known["direction"], 0),
        since=days["since"],
        until=days["until"],
        words=clean_line(given["words"]),
    )
    pairs = [
        (name, value) for name, value in known.items() if value and (name, value) != ("account", "wallet")
    ]
    if chosen.words:
        pairs.append(("words", chosen.words))
    pairs += [(name, day.isoformat()) for name, day in days.items() if day]
    return Asked(chosen, tuple(pairs), problems)


@router.get(HERE)
async def show(
    request: Request,
    member: Member,
    session: Reading,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """The statement."""
    what = asked(request)
    found = await statement.page(session, member.require(Scope.BUZZ_READ), chosen=what.chosen, cursor=cursor)
    values = dict(what.pairs)
    next_href = None
    if found.next_cursor:
        next_href = f"{HERE}?{urlencode([*what.pairs, ('cursor', found.next_cursor)])}"
    view = StatementView(
        items=found.items,
        next_href=next_href,
        csv_href=f"{HERE}.csv" + (f"?{urlencode(what.pairs)}" if what.pairs else ""),
        account=what.chosen.kind,
        colour=values.get("colour", ""),
        type=values.get("type", ""),
        direction=values.get("direction", ""),
        since=values.get("since", ""),
        until=values.get("until", ""),
        words=values.get("words", ""),
        problems=what.problems,
        sifted=bool(what.pairs),
    )
    return render(request, "buzz/statement.html", view, block="movements_list")


@router.get(f"{HERE}.csv")
async def export(request: Request, member: Member) -> Response:
    """The same as CSV, whole."""
    person = member.require(Scope.BUZZ_READ)
    await take(request, "write")
    name = f"buzz-{member.username}-{clock.now().date().isoformat()}.csv"
    return StreamingResponse(
        _csv(state_of(request), person, asked(request).chosen),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


async def _csv(state: State, person: int, chosen: Filter) -> AsyncIterator[str]:
    yield statement_csv.head()
    async for chunk in statement.everything(state.database.reading, person, chosen=chosen):
        yield statement_csv.lines(chunk)


@router.get("/buzz/entries/{entry_id:int}")
async def entry(request: Request, member: Member, session: Reading, entry_id: int) -> Response:
    """One entry, as far as it is about the visitor's own accounts."""
    person = member.require(Scope.BUZZ_READ)
    items = await statement.of_entry(session, person, entry_id)
    if not items:
        raise NotFound("There is no such entry in your statement.", code="no_such_entry")
    return render(request, "buzz/entry.html", EntryView(entry_id, items))
