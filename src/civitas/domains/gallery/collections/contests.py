"""Contests: who may enter what and when, judging, voting, and the end (FEATURES C16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import CollectionChanged, ContestEnded
from civitas.contracts.subjects import SubjectFacts
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import ALL_MASK, Actor, Scope
from civitas.domains.gallery.collections import levels, moments, policy
from civitas.domains.gallery.collections.tables import (
    Collection,
    CollectionContest,
    CollectionItem,
    CollectionScore,
    CollectionTag,
    CollectionVote,
)
from civitas.domains.gallery.collections.types import Contest, Mode, State
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.text import clean_line

MOST_TAGS = 20
LONGEST_TAG = 30
WINNERS = 3


@dataclass(frozen=True, slots=True)
class EntryTag:
    """What a contest is entered under; with a time, it closes earlier than the contest."""

    id: int
    name: str
    ends_at: datetime | None


async def rules_of(session: AsyncSession, collection_id: int) -> Contest:
    """The rules of a contest; those of one that nothing was said about when there are none."""
    row = await session.get(CollectionContest, collection_id, populate_existing=True)
    if row is None:
        return Contest()
    return Contest(**{name: getattr(row, name) for name in Contest.__dataclass_fields__})


async def tags_of(session: AsyncSession, collection_id: int) -> list[EntryTag]:
    """What a contest is entered under, by name."""
    rows = await session.execute(
        select(CollectionTag.id, CollectionTag.name, CollectionTag.ends_at)
        .where(CollectionTag.collection_id == collection_id)
        .order_by(CollectionTag.name)
    )
    return [EntryTag(*row) for row in rows]


async def arrange(session: AsyncSession, actor: Actor, *, collection_id: int, rules: Contest) -> None:
    """Set the rules of a contest that one manages. Raises Invalid naming the fields, Conflict once it is over."""
    collection = await policy.managed(session, actor, collection_id)
    if collection.mode != Mode.CONTEST:
        raise Conflict("This collection is no contest.", code="no_contest")
    row = await session.get(CollectionContest, collection_id, with_for_update=True)
    if row is not None and row.ended_at is not None:
        raise Conflict("This contest is over.", code="contest_over")
    _check(rules)
    values = {name: value for name, value in asdict(rules).items() if name != "ended_at"}
    await session.execute(
        insert(CollectionContest)
        .values(collection_id=collection_id, **values)
        .on_conflict_do_update(index_elements=["collection_id"], set_=values)
    )
    await publish(session, CollectionChanged(collection_id, actor.require()))


def _check(rules: Contest) -> None:
    fields: dict[str, str] = {}
    if rules.starts_at and rules.ends_at and rules.ends_at <= rules.starts_at:
        fields["ends_at"] = "It ends after it has begun."
    if rules.votes_from and rules.votes_until and rules.votes_until <= rules.votes_from:
        fields["votes_until"] = "Voting ends after it has begun."
    if rules.most_each is not None and not 1 <= rules.most_each <= 200:
        fields["most_each"] = "Choose from 1 to 200, or leave it empty."
    if rules.level & ~ALL_MASK:
        fields["level"] = "Choose among the levels."
    if rules.rules_url:
        parts = urlsplit(rules.rules_url)
        if len(rules.rules_url) > 300 or parts.scheme not in ("http", "https") or not parts.hostname:
            fields["rules_url"] = "A link begins with https:// or http:// and names a site."
    if fields:
        raise Invalid("These rules cannot be saved as they are.", code="bad_contest", fields=fields)


async def set_tags(
    session: AsyncSession,
    actor: Actor,
    *,
    collection_id: int,
    tags: Sequence[tuple[str, datetime | None]],
) -> None:
    """Say under what a contest is entered; tags of the same name keep their entries."""
    collection = await policy.managed(session, actor, collection_id)
    if collection.mode != Mode.CONTEST:
        raise Conflict("This collection is no contest.", code="no_contest")
    wanted = {clean_line(name[:200]): ends for name, ends in tags if clean_line(name[:200])}
    if len(wanted) > MOST_TAGS or any(len(name) > LONGEST_TAG for name in wanted):
        raise Invalid(
            f"Use at most {MOST_TAGS} tags of at most {LONGEST_TAG} characters.", code="bad_entry_tags"
        )
    kept = {one.name.lower(): one for one in await tags_of(session, collection_id)}
    gone = [one.id for name, one in kept.items() if name not in {name.lower() for name in wanted}]
    if gone:
        await session.execute(delete(CollectionTag).where(CollectionTag.id.in_(gone)))
    for name, ends in wanted.items():
        known = kept.get(name.lower())
        if known is None:
            session.add(CollectionTag(collection_id=collection_id, name=name, ends_at=ends))
        else:
            await session.execute(
                update(CollectionTag).where(CollectionTag.id == known.id).values(name=name, ends_at=ends)
            )
    await session.flush()


async def require_entry(
    session: AsyncSession,
    actor: Actor,
    collection: Collection,
    facts: Mapping[int, SubjectFacts],
    *,
    tag_id: int | None,
    manages: bool,
) -> None:
    """Return if these things may be entered now. Raises Conflict, Forbidden or Invalid with the rule that says no."""
    rules, now = await rules_of(session, collection.id), clock.now()
    if rules.ended_at or (rules.ends_at and now >= rules.ends_at):
        raise Conflict("This contest is over.", code="contest_over")
    if rules.starts_at and now < rules.starts_at:
        raise Conflict(
            f"This contest begins on {rules.starts_at:%Y-%m-%d at %H:%M} UTC.", code="contest_not_begun"
        )
    await _require_tag(session, collection.id, tag_id)
    if rules.level and any(levels.level_of(one) & ~rules.level for one in facts.values()):
        raise Invalid("This contest takes only entries of the levels that it names.", code="entry_level")
    if manages:
        return
    if any(one.owner_id != actor.id for one in facts.values()):
        raise Forbidden("Enter what you made yourself.", code="entry_not_yours")
    if not rules.existing and rules.starts_at:
        born = await moments.born(session, collection.kind, list(facts))
        if any(born.get(number, now) < rules.starts_at for number in facts):
            raise Invalid("This contest takes only what was published since it began.", code="entry_too_old")
    if rules.most_each is not None:
        held = await session.scalar(
            select(func.count()).where(
                CollectionItem.collection_id == collection.id,
                CollectionItem.person_id == actor.require(),
                CollectionItem.subject_id.not_in(list(facts)),
                CollectionItem.state != State.REJECTED.value,
            )
        )
        if (held or 0) + len(facts) > rules.most_each:
            raise Conflict(
                f"Each person enters at most {rules.most_each}; you have {held or 0}.",
                code="too_many_entries",
            )


async def _require_tag(session: AsyncSession, collection_id: int, tag_id: int | None) -> None:
    tags = await tags_of(session, collection_id)
    if not tags and tag_id is None:
        return
    found = next((one for one in tags if one.id == tag_id), None)
    if found is None:
        names = ", ".join(one.name for one in tags) or "none"
        raise Invalid(f"Choose what you enter it under: {names}.", code="entry_tag_needed")
    if found.ends_at and clock.now() >= found.ends_at:
        raise Conflict(f"Entries under {found.name} are closed.", code="entry_tag_closed")


async def score(
    session: AsyncSession, actor: Actor, *, collection_id: int, item_id: int, points: int
) -> None:
    """A judge's points for an entry, 1 to 10; the last word counts. Raises Forbidden, Conflict, Invalid, NotFound."""
    judge = actor.require(Scope.COLLECTIONS_WRITE)
    _, rights = await policy.found(session, actor, collection_id)
    rules = await rules_of(session, collection_id)
    if not rights.judge:
        raise Forbidden("Only the judges give points.", code="not_a_judge")
    if not rules.judging or rules.ended_at:
        raise Conflict("Nothing is judged here now.", code="judging_closed")
    if not 1 <= points <= 10:
        raise Invalid("Give from 1 to 10 points.", code="bad_score")
    await _entry(session, collection_id, item_id)
    await session.execute(
        insert(CollectionScore)
        .values(item_id=item_id, judge_id=judge, score=points, scored_at=clock.now())
        .on_conflict_do_update(
            index_elements=["item_id", "judge_id"], set_={"score": points, "scored_at": clock.now()}
        )
    )
    mean = (
        select(func.coalesce(func.round(func.avg(CollectionScore.score) * 100), 0))
        .where(CollectionScore.item_id == item_id)
        .scalar_subquery()
    )
    await _note(session, item_id, score=mean)


async def vote(session: AsyncSession, actor: Actor, *, collection_id: int, item_id: int, on: bool) -> int:
    """Vote for an entry, or no longer; how many votes it has. One's own entries get none."""
    person_id = actor.require(Scope.SOCIAL_WRITE)
    require_voice(actor)
    await policy.found(session, actor, collection_id)
    rules, now = await rules_of(session, collection_id), clock.now()
    early = rules.votes_from is not None and now < rules.votes_from
    late = rules.votes_until is not None and now >= rules.votes_until
    if not rules.voting or rules.ended_at or early or late:
        raise Conflict("Nobody can vote here now.", code="voting_closed")
    item = await _entry(session, collection_id, item_id)
    if person_id in (item.person_id, item.owner_id):
        raise Forbidden("Let others vote for what is yours.", code="own_entry")
    if on:
        await session.execute(
            insert(CollectionVote)
            .values(item_id=item_id, person_id=person_id, created_at=now)
            .on_conflict_do_nothing()
        )
    else:
        await session.execute(
            delete(CollectionVote).where(
                CollectionVote.item_id == item_id, CollectionVote.person_id == person_id
            )
        )
    count = await session.scalar(select(func.count()).where(CollectionVote.item_id == item_id)) or 0
    await _note(session, item_id, votes=count)
    return count


_PLACES = text(
    """
    UPDATE collection_items i SET place = p.place
      FROM (SELECT id, row_number() OVER (ORDER BY score DESC, votes DESC, id) AS place
              FROM collection_items
             WHERE collection_id = :id AND state = 'accepted' AND shown AND (score > 0 OR votes > 0)) p
     WHERE i.id = p.id
    RETURNING i.owner_id, i.person_id, i.place
    """
)


async def end_due(session: AsyncSession, *, limit: int = 20) -> int:
    """End contests whose time is over: nothing comes in any more, and the entries get their places. How many."""
    due = (
        await session.scalars(
            select(CollectionContest)
            .where(
                CollectionContest.ended_at.is_(None),
                func.greatest(CollectionContest.ends_at, CollectionContest.votes_until) <= clock.now(),
                CollectionContest.ends_at.is_not(None),
            )
            .order_by(CollectionContest.ends_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    ).all()
    for contest in due:
        contest.ended_at = clock.now()
        collection = await session.get(Collection, contest.collection_id, with_for_update=True)
        if collection is None or collection.mode != Mode.CONTEST or collection.deleted_at is not None:
            continue
        collection.write_by, collection.order_by = "private", "best"
        await session.flush()
        placed = (await session.execute(_PLACES, {"id": collection.id})).all()
        first = sorted((row for row in placed if row.place <= WINNERS), key=lambda row: row.place)
        winners = [int(row.owner_id or row.person_id) for row in first]
        await publish(session, ContestEnded(collection.id, collection.person_id, winners))
    await session.flush()
    return len(due)


async def _entry(session: AsyncSession, collection_id: int, item_id: int) -> CollectionItem:
    item = await session.scalar(
        select(CollectionItem)
        .where(
            CollectionItem.id == item_id,
            CollectionItem.collection_id == collection_id,
            CollectionItem.state == State.ACCEPTED.value,
            CollectionItem.shown,
        )
        .with_for_update(key_share=True)
    )
    if item is None:
        raise NotFound("There is no such entry.", code="item_not_found")
    return item


async def _note(session: AsyncSession, item_id: int, **values: object) -> None:
    await session.execute(
        update(CollectionItem)
        .where(CollectionItem.id == item_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
