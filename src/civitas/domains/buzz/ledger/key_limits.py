"""What an API key may spend: the limits of its owner, kept at the one place where wallets are charged.

Every spend with a key is a row of `key_spends`, whether the key has limits or not, so that a limit set later knows
what went before. What is given back (a refund, a hold that was released) is taken off the row of its spend.

The key's row is locked before any account, so two spends with one key are weighed one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.keys import BuzzRule, read_rules
from civitas.domains.accounts.tables import ApiKey
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.errors import KeyLimitReached
from civitas.domains.buzz.ledger.tables import KeySpend
from civitas.domains.buzz.types import Currency
from civitas.infra.db.statements import fetch
from civitas.kit import clock, money

_GIVE_BACK = text("""
    UPDATE key_spends s SET quarters = greatest(s.quarters - g.amount, 0)
      FROM unnest(:entries ::bigint[], :colours ::text[], :amounts ::bigint[]) AS g(entry_id, currency, amount)
     WHERE s.entry_id = g.entry_id AND s.currency = g.currency
""")
_RULES = "SELECT buzz_limit FROM api_keys WHERE id = %s"
_LOCKED_RULES = f"{_RULES} FOR NO KEY UPDATE"
_NOTE = """
    INSERT INTO key_spends (key_id, entry_id, currency, quarters, spent_at)
    SELECT %(key)s, %(entry)s, currency, quarters, %(now)s
      FROM unnest(%(colours)s::text[], %(amounts)s::bigint[]) AS s(currency, quarters)
"""
Amounts = Mapping[Currency, int]
# A month of a sliding rule is thirty days.
_UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
}
_LONGEST = timedelta(days=365 * 100)


@dataclass(frozen=True, slots=True)
class Allowance:
    """One rule of a key and how it stands; amounts in quarters."""

    rule: BuzzRule
    used: int

    @property
    def most(self) -> int:
        """What may be spent at all."""
        return money.buzz(self.rule.amount)

    @property
    def left(self) -> int:
        """What may be spent now; never less than nothing."""
        return max(0, self.most - self.used)


async def allowances(session: AsyncSession, key_id: int) -> list[Allowance]:
    """How each limit of a key stands now, in the order in which its owner wrote them; empty without limits."""
    rules = read_rules(await session.scalar(select(ApiKey.buzz_limit).where(ApiKey.id == key_id)))
    return [Allowance(rule, await _used(session, key_id, rule)) for rule in rules]


async def check(session: AsyncSession, actor: Actor, parts: Amounts) -> None:
    """Refuse what the actor's key may not spend now: `parts` in quarters by colour. Nothing without a key.

    For estimates; what is charged with `Entry.key_id` is weighed by the ledger itself. Raises KeyLimitReached.
    """
    if actor.key_id is not None:
        await _weigh(session, actor.key_id, await _rules(session, actor.key_id, lock=False), parts)


async def hold(session: AsyncSession, key_id: int) -> Sequence[BuzzRule]:
    """Take the key's lock until the transaction ends and read its limits. For the ledger, before any account."""
    return await _rules(session, key_id, lock=True)


async def count(
    session: AsyncSession, key_id: int, rules: Sequence[BuzzRule], *, entry_id: int, parts: Amounts
) -> None:
    """Weigh what was just charged and note it. For the ledger. Raises KeyLimitReached, which undoes the charge."""
    spent = {colour: amount for colour, amount in parts.items() if amount > 0}
    if not spent:
        return
    await _weigh(session, key_id, rules, spent)
    await fetch(
        session,
        _NOTE,
        {
            "key": key_id,
            "entry": entry_id,
            "colours": [colour.value for colour in spent],
            "amounts": list(spent.values()),
            "now": clock.now(),
        },
    )


async def give_back(session: AsyncSession, returned: Sequence[tuple[int, Currency, int]]) -> None:
    """What entries took came back, wholly or in part, so their keys may spend it again. For the ledger.

    Of each: the entry, the colour, how much of it. An entry and colour may stand there once.
    """
    if returned:
        await session.execute(
            _GIVE_BACK,
            {
                "entries": [entry for entry, _, _ in returned],
                "colours": [colour.value for _, colour, _ in returned],
                "amounts": [amount for _, _, amount in returned],
            },
        )


async def _rules(session: AsyncSession, key_id: int, *, lock: bool) -> Sequence[BuzzRule]:
    found = await fetch(session, _LOCKED_RULES if lock else _RULES, (key_id,))
    return read_rules(found[0][0] if found else None)


async def _weigh(session: AsyncSession, key_id: int, rules: Iterable[BuzzRule], parts: Amounts) -> None:
    for rule in rules:
        asked = sum(amount for colour, amount in parts.items() if rule.currency in (None, colour.value))
        if not asked:
            continue
        found = Allowance(rule, await _used(session, key_id, rule))
        if asked > found.left:
            raise KeyLimitReached(
                told_of(rule), left=found.left, frees_at=await _frees_at(session, key_id, found, asked)
            )


async def _used(session: AsyncSession, key_id: int, rule: BuzzRule) -> int:
    wanted = select(func.coalesce(func.sum(KeySpend.quarters), 0)).where(KeySpend.key_id == key_id)
    if rule.currency is not None:
        wanted = wanted.where(KeySpend.currency == rule.currency)
    if (span := span_of(rule)) is not None:
        wanted = wanted.where(KeySpend.spent_at > clock.now() - span)
    return int(await session.scalar(wanted) or 0)


async def _frees_at(session: AsyncSession, key_id: int, found: Allowance, asked: int) -> datetime | None:
    """When enough of the window has passed for `asked`; None when that will never be."""
    span = span_of(found.rule)
    if span is None or asked > found.most:
        return None
    freed = func.sum(KeySpend.quarters).over(order_by=(KeySpend.spent_at, KeySpend.id)).label("freed")
    passing = select(KeySpend.spent_at, freed).where(
        KeySpend.key_id == key_id, KeySpend.spent_at > clock.now() - span
    )
    if found.rule.currency is not None:
        passing = passing.where(KeySpend.currency == found.rule.currency)
    lines = passing.subquery()
    last: datetime | None = await session.scalar(
        select(func.min(lines.c.spent_at)).where(lines.c.freed >= found.used + asked - found.most)
    )
    return last + span if last is not None else None


def span_of(rule: BuzzRule) -> timedelta | None:
    """How far back a sliding rule looks; None for an absolute one."""
    if rule.kind == "absolute" or rule.unit is None or rule.window is None:
        return None
    return min(rule.window * _UNITS[rule.unit], _LONGEST)


def told_of(rule: BuzzRule) -> str:
    """A rule in words: `500 Buzz in 7 days`, `1,000 yellow Buzz in all`."""
    amount = f"{rule.amount:,} {f'{rule.currency} ' if rule.currency else ''}Buzz"
    if rule.kind == "absolute" or rule.unit is None:
        return f"{amount} in all"
    return f"{amount} in {rule.window} {rule.unit}{'' if rule.window == 1 else 's'}"
