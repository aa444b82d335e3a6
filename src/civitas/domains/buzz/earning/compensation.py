"""What creators get when others generate with their work (FEATURES I33).

Shares are exact: they are kept in millionths of a quarter, what does not divide evenly goes to the versions with the
lowest ids, one millionth each, and whatever is below a millionth stays with the site. Paid out once a day in whole
multiples of `compensation.floor`; what is less waits for the next day. Nothing is lost: all that was accrued is
either paid or carried over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import CompensationPaid
from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.earning.tables import (
    CompensatedJob,
    CompensationAccrual,
    CompensationCarry,
    CompensationDay,
    CompensationShare,
)
from civitas.domains.buzz.economy import economy, rules
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid

MICRO = 1_000_000
SETTLE_BATCH = 500
KEEP_JOBS = timedelta(days=60)
_LOCK = 7_240_011


@dataclass(frozen=True, slots=True)
class Resource:
    """A version that a job used, and whose it is. A `licensed` one has a fee of its own instead of a share."""

    version_id: int
    person_id: int
    base: bool = False
    licensed: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """What a version gets of one job in one colour, in millionths of a quarter; `tips` is the part that are tips."""

    version_id: int
    person_id: int
    colour: Currency
    amount: int
    tips: int = 0


@dataclass(frozen=True, slots=True)
class Day:
    """What a version earned on a day, in millionths of a quarter, and the quarters paid for it."""

    day: date
    version_id: int
    colour: Currency
    amount: int
    tips: int
    jobs: int
    paid: int
    settled: bool


def tips_on(
    cost: int, *, creator_rate: Decimal | None = None, site_rate: Decimal | None = None
) -> tuple[int, int]:
    """Quarters that a job of `cost` quarters is tipped on top, for its creators and for the site, rounded up.

    Rates are shares of the cost; those of the rules when left out. Raises Invalid (`bad_rate`) outside 0 to the
    highest.
    """
    bounds = economy.current().compensation
    made = []
    for rate, usual in ((creator_rate, bounds.creator_tip_rate), (site_rate, bounds.site_tip_rate)):
        chosen = usual if rate is None else rate
        if not chosen.is_finite() or not 0 <= chosen <= bounds.highest_tip_rate:
            raise Invalid(f"A tip's rate is from 0 to {bounds.highest_tip_rate}.", code="bad_rate")
        made.append(int((cost * chosen).to_integral_value(ROUND_CEILING)))
    return made[0], made[1]


def split(total: int, resources: Sequence[Resource]) -> dict[int, int]:
    """Divide `total` among versions: the base share over base models, the rest evenly over the others.

    With only one of the two kinds it gets all. The sum of the answer is `total`, except for nothing to divide
    among. A version counts once.
    """
    found = {resource.version_id: resource for resource in sorted(resources, key=_by_id)}
    bases = [version for version, resource in found.items() if resource.base]
    others = [version for version, resource in found.items() if not resource.base]
    if not found or total <= 0:
        return {}
    if bases and others:
        for_base = int((total * economy.current().compensation.base_share).to_integral_value(ROUND_FLOOR))
    else:
        for_base = total if bases else 0
    return {**_evenly(for_base, bases), **_evenly(total - for_base, others)}


def _by_id(resource: Resource) -> tuple[int, bool]:
    return resource.version_id, not resource.base


def _evenly(total: int, versions: Sequence[int]) -> dict[int, int]:
    if not versions:
        return {}
    each, rest = divmod(total, len(versions))
    return {version: each + (place < rest) for place, version in enumerate(versions)}


def shares(
    cost: Mapping[Currency, int], tips: Mapping[Currency, int], resources: Sequence[Resource]
) -> list[Share]:
    """What each version gets of a job that cost `cost` and was tipped `tips`, both in quarters by colour.

    Licensed versions and those of the site's own account take part in the division, but their part stays with
    the site.
    """
    pool_share = economy.current().compensation.pool_share
    owners = {resource.version_id: resource for resource in sorted(resources, key=_by_id, reverse=True)}
    made: list[Share] = []
    for colour in sorted({*cost, *tips}):
        pool = int((cost.get(colour, 0) * MICRO * pool_share).to_integral_value(ROUND_FLOOR))
        of_pool, of_tips = split(pool, resources), split(tips.get(colour, 0) * MICRO, resources)
        for version in sorted({*of_pool, *of_tips}):
            tip, owner = of_tips.get(version, 0), owners[version]
            amount = of_pool.get(version, 0) + tip
            if amount and not owner.licensed and owner.person_id > 0:
                made.append(Share(version, owner.person_id, colour, amount, tip))
    return made


async def accrue(
    session: AsyncSession,
    *,
    job_key: str,
    cost: Mapping[Currency, int],
    resources: Sequence[Resource],
    tips: Mapping[Currency, int] | None = None,
) -> bool:
    """Put down what the creators of a finished job get; False when this job counted before.

    `cost` and `tips` are the quarters charged by colour, as the charge's `parts` say, and have arrived in the
    house's revenue. Raises Conflict (`job_key_reused`) for another job under the same key, Invalid
    (`bad_amount`).
    """
    if any(amount < 0 for amount in (*cost.values(), *(tips or {}).values())):
        raise Invalid("A job's cost is not negative.", code="bad_amount")
    mark = hashlib.sha256(repr((sorted(cost.items()), sorted((tips or {}).items()), sorted(resources, key=_by_id))).encode()).digest()  # fmt: skip  # noqa: E501
    now = clock.now()
    made = await session.scalar(
        insert(CompensatedJob)
        .values(key=job_key, fingerprint=mark, created_at=now)
        .on_conflict_do_nothing()
        .returning(CompensatedJob.key)
    )
    if made is None:
        known = await session.scalar(select(CompensatedJob.fingerprint).where(CompensatedJob.key == job_key))
        if known != mark:
            raise Conflict("Another job was compensated under this key.", code="job_key_reused")
        return False
    rows = [
        {
            "person_id": share.person_id, "version_id": share.version_id, "colour": share.colour.value,
            "day": now.date(), "amount": share.amount, "tips": share.tips,
        }
        for share in shares(cost, tips or {}, resources)
    ]  # fmt: skip
    if rows:
        await session.execute(insert(CompensationShare), rows)
    return True


_FOLD = text(
    """
    WITH gone AS (
        DELETE FROM compensation_shares RETURNING person_id, version_id, colour, day, amount, tips
    ), placed AS (
        SELECT person_id, version_id, colour,
               greatest(day, (SELECT max(d.day) + 1 FROM compensation_days d)) AS day,
               sum(amount)::bigint AS amount, sum(tips)::bigint AS tips, count(*) AS jobs
          FROM gone GROUP BY 1, 2, 3, 4
    )
    INSERT INTO compensation_accruals AS a (person_id, version_id, colour, day, amount, tips, jobs)
    SELECT person_id, version_id, colour, day, amount, tips, jobs FROM placed
    ON CONFLICT (person_id, version_id, colour, day) DO UPDATE
       SET amount = a.amount + excluded.amount, tips = a.tips + excluded.tips, jobs = a.jobs + excluded.jobs
    """
)


async def fold(session: AsyncSession) -> None:
    """Add up what jobs put down since the last time, by creator, version, colour and day."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    await session.execute(_FOLD)


async def begin(session: AsyncSession) -> date:
    """Close all days before today for accrual and return the last of them. Doing it again changes nothing."""
    last = clock.now().date() - timedelta(days=1)
    await fold(session)
    await session.execute(
        insert(CompensationDay).values(day=last, begun_at=clock.now()).on_conflict_do_nothing()
    )
    return last


async def settle(session: AsyncSession, *, upto: date) -> int:
    """Pay a batch of what was earned until the end of day `upto`; how many lines it settled, 0 when all are.

    Each line is an entry of its own, keyed by creator, version, colour and day: whatever crashes or repeats,
    it is paid once.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    lines = list(
        await session.scalars(
            select(CompensationAccrual)
            .where(CompensationAccrual.settled_at.is_(None), CompensationAccrual.day <= upto)
            .order_by(
                CompensationAccrual.day,
                CompensationAccrual.person_id,
                CompensationAccrual.version_id,
                CompensationAccrual.colour,
            )
            .limit(SETTLE_BATCH)
            .with_for_update()
        )
    )
    carried = await _carries(session, lines)
    entries: list[Entry] = []
    paid: dict[tuple[int, date, str], int] = {}
    step = rules.quarters(economy.current().compensation.floor)
    for line in lines:
        place = (line.person_id, line.version_id, line.colour)
        have = carried.get(place, 0) + line.amount
        line.paid = have // (MICRO * step) * step
        carried[place] = have - line.paid * MICRO
        line.settled_at = clock.now()
        if line.paid:
            entries.append(_entry(line))
            day = (line.person_id, line.day, line.colour)
            paid[day] = paid.get(day, 0) + line.paid
    await _keep_carries(session, carried)
    await posting.post_batch(session, entries)
    await publish(
        session,
        *(CompensationPaid(who, day.isoformat(), colour, n) for (who, day, colour), n in paid.items()),
    )
    return len(lines)


def _entry(line: CompensationAccrual) -> Entry:
    colour = Currency(line.colour)
    return Entry(
        key=f"compensation:{line.person_id}:{line.version_id}:{line.colour}:{line.day.isoformat()}",
        type=EntryType.COMPENSATION,
        legs=posting.transfer(house(Purpose.REVENUE, colour), wallet(line.person_id, colour), line.paid),
        description=f"Others generated with your model on {line.day.isoformat()}",
        subject=Subject("model_version", line.version_id),
        details={"day": line.day.isoformat(), "jobs": line.jobs},
    )


async def _carries(
    session: AsyncSession, lines: Sequence[CompensationAccrual]
) -> dict[tuple[int, int, str], int]:
    if not lines:
        return {}
    rows = await session.scalars(
        select(CompensationCarry).where(CompensationCarry.person_id.in_({line.person_id for line in lines}))
    )
    wanted = {(line.person_id, line.version_id, line.colour) for line in lines}
    return {
        place: row.amount for row in rows if (place := (row.person_id, row.version_id, row.colour)) in wanted
    }


async def _keep_carries(session: AsyncSession, carried: Mapping[tuple[int, int, str], int]) -> None:
    rows = [
        {"person_id": person, "version_id": version, "colour": colour, "amount": amount}
        for (person, version, colour), amount in sorted(carried.items())
    ]
    if rows:
        statement = insert(CompensationCarry)
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["person_id", "version_id", "colour"],
                set_={"amount": statement.excluded.amount},
            ),
            rows,
        )


async def forget_jobs(session: AsyncSession) -> None:
    """Let the keys of jobs go that nobody repeats any more."""
    await session.execute(
        text("DELETE FROM compensated_jobs WHERE created_at < :before"), {"before": clock.now() - KEEP_JOBS}
    )


async def daily(session: AsyncSession, actor: Actor, *, start: date, end: date) -> list[Day]:
    """The actor's lines of the days from `start` to before `end` (at most a year), for charts, by day."""
    person_id = actor.require(Scope.BUZZ_READ)
    if not timedelta() < end - start <= timedelta(days=366):
        raise Invalid("Ask for up to a year.", code="bad_range")
    rows = await session.scalars(
        select(CompensationAccrual)
        .where(
            CompensationAccrual.person_id == person_id,
            CompensationAccrual.day >= start,
            CompensationAccrual.day < end,
        )
        .order_by(CompensationAccrual.day, CompensationAccrual.version_id, CompensationAccrual.colour)
        .limit(20_000)
    )
    return [_day(row) for row in rows]


def _day(row: CompensationAccrual) -> Day:
    return Day(
        row.day, row.version_id, Currency(row.colour), row.amount, row.tips, row.jobs, row.paid,
        row.settled_at is not None,
    )  # fmt: skip


async def paid_since(session: AsyncSession, person_id: int, moment: datetime) -> int:
    """Quarters of all colours that a creator was paid for days from `moment` on."""
    found = await session.scalar(
        select(func.coalesce(func.sum(CompensationAccrual.paid), 0)).where(
            CompensationAccrual.person_id == person_id, CompensationAccrual.day >= moment.date()
        )
    )
    return int(found or 0)


def by_day(lines: Iterable[Day]) -> dict[date, dict[Currency, int]]:
    """Millionths of a quarter by day and colour, versions added up."""
    made: dict[date, dict[Currency, int]] = {}
    for line in lines:
        of_day = made.setdefault(line.day, {})
        of_day[line.colour] = of_day.get(line.colour, 0) + line.amount
    return made
