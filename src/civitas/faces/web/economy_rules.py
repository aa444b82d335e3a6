"""`/buzz/rules` and `/buzz/transparency`: what the rules are, how they changed, and where all Buzz is. For everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.economy import Version
from civitas.domains.buzz.economy.rules import Economy
from civitas.domains.buzz.ledger import statistics
from civitas.domains.buzz.ledger.statistics import HouseMonth, Supply
from civitas.domains.buzz.types import COLOURS, Currency
from civitas.faces.http.units import Reading
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Visitor
from civitas.kit import money, paging

router = APIRouter(include_in_schema=False)

RULES: Final = "/buzz/rules"
_PURPOSES: Final = {
    "wallet": "In people's wallets", "held": "Held for what is under way", "bank": "Banked by creators",
    "pending": "Cash on its way to creators", "settled": "Cash that creators can withdraw",
    "escrow": "Kept safe for others", "pool": "In the creators' pools", "revenue": "Earned by the site",
    "mint": "Ever made", "burn": "Out of circulation", "world": "Paid in from outside, less what was paid out",
}  # fmt: skip
# Told in tables of their own.
_SHOWN: Final = {"colours", "spend_order", "packs", "bulk_bonuses", "rewards", "tiers"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One number of the rules in words."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class RulesPage:
    """All rules."""

    rules: Economy
    activities: tuple[str, ...]
    orders: tuple[tuple[str, str], ...]
    chapters: tuple[tuple[str, tuple[Rule, ...]], ...]
    versions: tuple[Version, ...]
    next_href: str | None


@dataclass(frozen=True, slots=True)
class TransparencyPage:
    """Where all Buzz is and what was made and ended."""

    months: tuple[HouseMonth, ...]
    lies: tuple[tuple[str, Mapping[str, int]], ...]
    currencies: tuple[str, ...] = tuple(Currency)


@router.get(RULES)
async def rules(
    request: Request,
    visitor: Visitor,
    session: Reading,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """Every rule in force, and how they changed."""
    current = economy.current()
    changed = await economy.versions(session, cursor=cursor)
    tree = current.model_dump(mode="python", by_alias=True)
    activities = tuple(dict.fromkeys(name for colour in COLOURS for name in current.colours[colour].pays_for))
    page = RulesPage(
        rules=current,
        activities=activities,
        orders=tuple(
            (_ORDERS.get(name, words(name)), ", then ".join(colour.value for colour in order))
            for name, order in current.spend_order.items()
        ),
        chapters=tuple(
            (words(name), tuple(_leaves(value))) for name, value in tree.items() if name not in _SHOWN
        ),
        versions=tuple(changed.items),
        next_href=f"{RULES}?cursor={quote(changed.next_cursor)}" if changed.next_cursor else None,
    )
    return render(request, "buzz/rules.html", page, block="changes_list")


@router.get("/buzz/transparency")
async def transparency(request: Request, visitor: Visitor, session: Reading) -> Response:
    """The transparency report."""
    supply = await statistics.supply(session)
    page = TransparencyPage(await statistics.months(session), lies(supply))
    return render(request, "buzz/transparency.html", page)


def lies(supply: tuple[Supply, ...]) -> tuple[tuple[str, Mapping[str, int]], ...]:
    """Where all Buzz is, in words, by currency."""
    found: dict[str, dict[str, int]] = {}
    for one in supply:
        amount = -one.amount if one.purpose in ("mint", "world") else one.amount
        found.setdefault(one.purpose, {})[one.currency] = amount
    return tuple((label, found[purpose]) for purpose, label in _PURPOSES.items() if purpose in found)


def words(name: str) -> str:
    """`extraction_closes_hours_before` as people read it."""
    return name.replace("_", " ").capitalize()


_ORDERS: Final = {"green": "On the safe site", "main": "Everywhere else", "mature": "Mature things",
                  "api": "Over the API"}  # fmt: skip


def _leaves(value: Any, path: tuple[str, ...] = ()) -> list[Rule]:
    if isinstance(value, Mapping):
        return [rule for key, inner in value.items() for rule in _leaves(inner, (*path, str(key)))]
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        return [
            rule for place, inner in enumerate(value, 1) for rule in _leaves(inner, (*path, f"step {place}"))
        ]
    if isinstance(value, list | tuple):
        return [Rule(_name(path), ", ".join(_told(path, item) for item in value) or "none")]
    return [Rule(_name(path), _told(path, value))]


def _name(path: tuple[str, ...]) -> str:
    return words(", ".join(part.replace("_cents", "") for part in path)) or "It is"


def _told(path: tuple[str, ...], value: Any) -> str:
    named = path[-1] if path else ""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and value == -1:
        return "no limit"
    if isinstance(value, int) and "cents" in named:
        return money.dollars(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, str):
        return value.replace("_", " ")
    if not isinstance(value, Decimal):
        value = Decimal(str(value)) if isinstance(value, float) else value
    if not isinstance(value, Decimal):
        return str(value)
    if named.endswith(("share", "rate")) or named in ("taxes", "portion"):
        return f"{value * 100:f}".rstrip("0").rstrip(".") + " %"
    return f"{value.normalize():,f}"
