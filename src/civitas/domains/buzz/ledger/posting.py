"""Writing entries: the only road by which Buzz or cash moves, and the only place that locks accounts.

Every entry has a key that is used once. Sending the same thing again under the same key gives the first answer;
sending another thing is refused. Call one function once in a transaction wherever that is possible: `post_batch`
takes the locks of many entries in one order, two calls take theirs one after the other.

Whoever has more to write hands in a session, and it all becomes true together. Who only posts may hand in a
`WritePool`: the posting is then one round trip and a transaction of its own, several times as quick, and no row stays
locked while Python works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.keys import BuzzRule
from civitas.domains.buzz.errors import InsufficientFunds, KeyReused, WalletFrozen
from civitas.domains.buzz.ledger import key_limits
from civitas.domains.buzz.ledger.entries import MOST as MOST
from civitas.domains.buzz.ledger.entries import Entry as Entry
from civitas.domains.buzz.ledger.entries import Leg as Leg
from civitas.domains.buzz.ledger.entries import Posted as Posted
from civitas.domains.buzz.ledger.entries import Taking, balanced, fingerprint
from civitas.domains.buzz.ledger.entries import transfer as transfer
from civitas.domains.buzz.types import Account, Currency, EntryType, Purpose
from civitas.infra.db.database import driver_connection
from civitas.infra.db.statements import fetch
from civitas.infra.db.writepool import WritePool
from civitas.kit import clock
from civitas.kit.errors import Invalid, NotFound

_POST = (
    "SELECT * FROM buzz_post(%s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s::bigint[], %s::text[], %s::text[], "
    "%s::bigint[], %s, %s, %s::text[], %s, %s, %s, %s)"
)
_BATCH = (
    "SELECT * FROM buzz_post_batch(%s::text[], %s::text[], %s::bytea[], %s::text[], %s::jsonb[], %s::text[], "
    "%s::bigint[], %s::bigint[], %s::bigint[], %s, %s::integer[], %s::bigint[], %s::text[], %s::text[], %s::bigint[])"
)
Where = AsyncSession | WritePool
# What is left of an entry after what was given back of it. What a hold paid goes back to the wallet: the hold
# itself has ended, or is smaller for good.
_LEFT = """
    SELECT a.owner_id, a.purpose, a.currency, sum(p.amount)
      FROM buzz_postings p
      CROSS JOIN LATERAL (
           SELECT c.owner_id, c.currency,
                  CASE c.purpose WHEN 'held' THEN 'wallet' ELSE c.purpose END AS purpose
             FROM buzz_accounts c WHERE c.id = p.account_id) a
     WHERE p.entry_id = %(of)s
        OR p.entry_id IN (SELECT e.id FROM buzz_entries e WHERE e.reverses_id = %(of)s)
     GROUP BY a.owner_id, a.purpose, a.currency
     ORDER BY CASE a.currency WHEN 'blue' THEN 1 WHEN 'green' THEN 2 WHEN 'yellow' THEN 3 ELSE 4 END DESC,
              sum(p.amount)
"""


async def post(where: Where, entry: Entry, *, forced: bool = False) -> Posted:
    """Post one entry. `forced` also takes from a frozen wallet (staff and charge-backs).

    Raises InsufficientFunds when a guarded account would go below zero, WalletFrozen, KeyReused, and Invalid for
    legs that do not balance.
    """
    return await _call(where, entry, balanced(entry), None, forced)


async def charge(
    where: Where,
    entry: Entry,
    *,
    source: Account,
    target: Account,
    colours: Sequence[Currency],
    total: int,
    forced: bool = False,
) -> Posted:
    """Take `total` quarters from the source's purses in the order of `colours`; each arrives as its own colour.

    `source` and `target` name owner and purpose; their currency does not count. Legs of `entry` are posted with it.
    Raises as `post` does; nothing is taken unless all of it can be.
    """
    taken = taking(source, target, colours, total)
    legs = balanced(entry) if entry.legs else ()
    return await _call(where, entry, legs, taken, forced)


def taking(source: Account, target: Account, colours: Sequence[Currency], total: int) -> Taking:
    """What a charge takes. Raises Invalid for an amount that no wallet could hold. For this room."""
    if not 0 < total <= MOST:
        raise Invalid("An amount must be more than nothing and less than a trillion Buzz.", code="bad_amount")
    return Taking(source, target, tuple(colours), total)


async def _call(
    where: Where, entry: Entry, legs: Sequence[Leg], taken: Taking | None, forced: bool
) -> Posted:
    values = asked(entry, legs, taken, forced)
    limits = await limits_of(where, entry)
    status, entry_id, colours, parts, missing = (await ask(where, _POST, values))[0]
    refuse(status, missing, taken.colours if taken else _colours(entry))
    split = {Currency(c): int(p) for c, p in zip(colours or (), parts or (), strict=True)}
    posted = Posted(entry_id, status == "replayed", split)
    if not posted.replayed:
        spent = split if taken and taken.source.purpose == Purpose.WALLET else _wallet_parts(entry, -1)
        await count(where, entry, limits, entry_id=entry_id, parts=spent)
    return posted


async def limits_of(where: Where, entry: Entry) -> Sequence[BuzzRule]:
    """The limits of the API key that asked, whose lock is taken before that of any account. For this room."""
    if entry.key_id is None:
        return ()
    if isinstance(where, WritePool):
        raise ValueError("what is spent with an API key is weighed in a unit of work")
    await where.flush()
    return await key_limits.hold(where, entry.key_id)


async def count(
    where: Where, entry: Entry, limits: Sequence[BuzzRule], *, entry_id: int, parts: Mapping[Currency, int]
) -> None:
    """Weigh what was just taken against the limits of the key that asked. For this room. Raises KeyLimitReached."""
    if entry.key_id is not None and not isinstance(where, WritePool):
        await key_limits.count(where, entry.key_id, limits, entry_id=entry_id, parts=parts)


def asked(entry: Entry, legs: Sequence[Leg], taken: Taking | None, forced: bool) -> tuple[Any, ...]:
    """What `buzz_post` is asked with."""
    subject = entry.subject
    return (
        entry.key,
        entry.type.value,
        fingerprint(entry, taken),
        entry.description,
        orjson.dumps(dict(entry.details)).decode() if entry.details else "{}",
        subject.kind if subject else None,
        subject.id if subject else None,
        entry.actor_id,
        entry.reverses_id,
        clock.now(),
        [leg.account.owner for leg in legs],
        [str(leg.account.purpose) for leg in legs],
        [leg.account.currency.value for leg in legs],
        [leg.amount for leg in legs],
        taken.source.owner if taken else None,
        str(taken.source.purpose) if taken else None,
        [colour.value for colour in taken.colours] if taken else None,
        taken.total if taken else None,
        taken.target.owner if taken else None,
        str(taken.target.purpose) if taken else None,
        forced,
    )


async def ask(where: Where, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of one of the ledger's own statements. For this room."""
    if isinstance(where, WritePool):
        return await where.fetch(statement, values)
    await where.flush()
    return await fetch(where, statement, values)


def refuse(status: str, missing: int | None, colours: tuple[Currency, ...]) -> None:
    """Raise what a status of the ledger's functions says, if it says that nothing was done. For this room."""
    if status == "short":
        raise InsufficientFunds(int(missing or 0), colours)
    if status == "frozen":
        raise WalletFrozen
    if status == "other_body":
        raise KeyReused


def _wallet_parts(entry: Entry, sign: int) -> dict[Currency, int]:
    """What the entry takes from wallets (`sign` -1) or brings into them (1), by colour."""
    parts: dict[Currency, int] = {}
    for leg in entry.legs:
        if leg.account.purpose == Purpose.WALLET and leg.amount * sign > 0:
            parts[leg.account.currency] = parts.get(leg.account.currency, 0) + leg.amount * sign
    return parts


async def post_batch(where: Where, entries: Sequence[Entry]) -> list[Posted]:
    """Post many entries in one statement, all or none; those whose key is known are left as they are.

    The answers come in the order given. Raises as `post` does. A key may stand in the batch once.
    """
    if not entries:
        return []
    if len(entries) == 1:
        return [await post(where, entries[0])]
    if len({entry.key for entry in entries}) != len(entries):
        raise Invalid("A key stands twice in one batch.", code="duplicate_key")
    legs = [(place, leg) for place, entry in enumerate(entries, 1) for leg in balanced(entry)]
    values = (
        [entry.key for entry in entries],
        [entry.type.value for entry in entries],
        [fingerprint(entry) for entry in entries],
        [entry.description for entry in entries],
        [orjson.dumps(dict(entry.details)).decode() if entry.details else "{}" for entry in entries],
        [entry.subject.kind if entry.subject else None for entry in entries],
        [entry.subject.id if entry.subject else None for entry in entries],
        [entry.actor_id for entry in entries],
        [entry.reverses_id for entry in entries],
        clock.now(),
        [place for place, _ in legs],
        [leg.account.owner for _, leg in legs],
        [str(leg.account.purpose) for _, leg in legs],
        [leg.account.currency.value for _, leg in legs],
        [leg.amount for _, leg in legs],
    )
    try:
        rows = await ask(where, _BATCH, values)
    except psycopg.errors.RaiseException as error:
        raise _refusal(error) from error
    return [Posted(entry_id, replayed) for entry_id, replayed in rows]


async def refund(
    session: AsyncSession,
    *,
    of: int,
    key: str,
    amount: int | None = None,
    description: str = "",
    actor_id: int | None = None,
    forced: bool = False,
) -> Posted:
    """Give back what entry `of` took, to the colours that paid: all that is left, or `amount` quarters of it.

    A part goes back in the reverse of the order in which it was spent. What was given back before is never given
    back again, whatever the key. Raises NotFound, Invalid (`nothing_to_refund`, `refund_too_large`), and as `post`.
    """
    connection = await driver_connection(session)
    found = await (
        await connection.execute(
            "SELECT subject_kind, subject_id FROM buzz_entries WHERE id = %s FOR NO KEY UPDATE", (of,)
        )
    ).fetchone()
    if found is None:
        raise NotFound("There is no such entry.", code="no_such_entry")
    known = await (
        await connection.execute("SELECT id, reverses_id FROM buzz_entries WHERE key = %s", (key,))
    ).fetchone()
    if known is not None:
        if known[1] != of:
            raise KeyReused
        return Posted(known[0], True)
    rows = await (
        await connection.execute(
            _LEFT,
            {"of": of},
        )
    ).fetchall()
    legs = _reversed([Leg(Account(o, p, Currency(c)), int(a)) for o, p, c, a in rows], amount)
    subject = Subject(found[0], found[1]) if found[0] else None
    entry = Entry(
        key=key,
        type=EntryType.REFUND,
        legs=legs,
        description=description or "Refund",
        subject=subject,
        actor_id=actor_id,
        reverses_id=of,
    )
    posted = await post(session, entry, forced=forced)
    back = _wallet_parts(entry, 1)
    await key_limits.give_back(session, [(of, colour, part) for colour, part in back.items()])
    return posted


def _reversed(left: list[Leg], amount: int | None) -> tuple[Leg, ...]:
    """The legs that undo `left`, or `amount` of it, colour by colour; each colour went from payers to takers."""
    payers = [leg for leg in left if leg.amount < 0]
    open_total = -sum(leg.amount for leg in payers)
    if open_total == 0:
        raise Invalid("All of this was given back already.", code="nothing_to_refund")
    wanted = open_total if amount is None else amount
    if not 0 < wanted <= open_total:
        raise Invalid("That is more than is left to give back.", code="refund_too_large")
    kept = {leg.account: leg.amount for leg in left if leg.amount > 0}
    legs: list[Leg] = []
    for payer in payers:
        part = min(wanted, -payer.amount)
        wanted -= part
        if part:
            legs.append(Leg(payer.account, part))
        for account in [account for account in kept if account.currency == payer.account.currency]:
            back = min(part, kept[account])
            if back:
                legs.append(Leg(account, -back))
                kept[account] -= back
                part -= back
    return tuple(legs)


async def freeze(session: AsyncSession, person_id: int, *, at: datetime | None) -> bool:
    """Stop all spending from a person's wallet and withdrawing of their cash from `at` on; None allows it again.

    The purses are made first where they are missing, so that none can be made later. False when nothing changed.
    What is held or banked stays as it is: what is under way ends as it would.
    """
    connection = await driver_connection(session)
    row = await (await connection.execute("SELECT buzz_freeze(%s, %s)", (person_id, at))).fetchone()
    return bool(row and row[0])


async def fold(where: Where, *, most: int = 500) -> int:
    """Add waiting credits to accounts whose rows are free; the number of accounts reached."""
    return int((await ask(where, "SELECT buzz_fold(%s)", (most,)))[0][0])


def _colours(entry: Entry) -> tuple[Currency, ...]:
    return tuple(dict.fromkeys(leg.account.currency for leg in entry.legs if leg.amount < 0))


def _refusal(error: psycopg.Error) -> Exception:
    word, _, rest = (error.diag.message_primary or "").partition(" ")
    if word == "other_body":
        return KeyReused()
    if word == "frozen":
        return WalletFrozen()
    if word == "short":
        _, currency, missing = rest.rsplit(" ", 2)
        return InsufficientFunds(int(missing), (Currency(currency),))
    return error


async def balances(session: AsyncSession, accounts: Sequence[Account]) -> dict[Account, int]:
    """What each account holds, waiting credits included; 0 for one that was never used."""
    connection = await driver_connection(session)
    rows = await (
        await connection.execute(
            """
            SELECT a.owner_id, a.purpose, a.currency,
                   a.balance + coalesce((SELECT sum(u.amount) FROM buzz_unfolded u WHERE u.account_id = a.id), 0)
              FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS g(o, p, c)
              JOIN buzz_accounts a ON a.owner_id = o AND a.purpose = p AND a.currency = c
            """,
            (
                [account.owner for account in accounts],
                [str(account.purpose) for account in accounts],
                [account.currency.value for account in accounts],
            ),
        )
    ).fetchall()
    found = {Account(o, p, Currency(c)): int(amount) for o, p, c, amount in rows}
    return {
        account: found.get(Account(account.owner, str(account.purpose), account.currency), 0)
        for account in accounts
    }
