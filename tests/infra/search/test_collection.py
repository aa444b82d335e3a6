"""The engine against a plain model of it: every way to a page, while documents come, change and go."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, replace

import pytest

from civitas.infra.search import copying, finding, orders, postings
from civitas.infra.search.collection import Collection, Folding
from civitas.infra.search.finding import Limits
from civitas.infra.search.postings import Gathering
from civitas.infra.search.shape import Behind, Group, Order, Question, Shape
from civitas.kit.errors import Unavailable

OWNER = 1 << 40
SHAPE = Shape(
    "things",
    "things",
    "id",
    (Order("at", "moment"), Order("rank"), Order("shuffle")),
    owners=(("owner", OWNER),),
)
# The same with terms of 64 bits.
WIDE = replace(SHAPE, wide=True)
# Each way is taken by small collections, too, with one of these.
WAYS = {
    "sorted": Limits(),
    "walked": Limits(direct=0, piece=3, largest_piece=8, patience=10_000, sparse=0),
    "by stretches": Limits(direct=3, piece=2, largest_piece=4, patience=4, sparse=10_000),
    "between": Limits(direct=10, piece=4, largest_piece=16, patience=16, sparse=4),
}


@dataclass(frozen=True)
class Thing:
    id: int
    at: int
    rank: int
    shuffle: int
    owner: int
    terms: tuple[int, ...]


def term(shape: Shape, number: int) -> int:
    """A term, in the order of these numbers; a wide one does not differ from the next in its lower 32 bits."""
    return (1 << 60) + (number << 33) + 7 if shape.wide else number


def message(thing: Thing, shape: Shape = SHAPE) -> bytes:
    """A row as PostgreSQL's binary COPY has it."""
    head = struct.pack(">h", 6)
    for value, kind in (
        (thing.id, "q"),
        (thing.at, "q"),
        (thing.rank, "i"),
        (thing.shuffle, "i"),
        (thing.owner, "q"),
    ):
        packed = struct.pack(f">{kind}", value)
        head += struct.pack(">i", len(packed)) + packed
    kind, packing, size = (20, ">iq", 8) if shape.wide else (23, ">ii", 4)
    if not thing.terms:
        return head + struct.pack(">iiii", 12, 0, 0, kind)
    array = struct.pack(">iiiii", 1, 0, kind, len(thing.terms), 1)
    array += b"".join(struct.pack(packing, size, one) for one in thing.terms)
    return head + struct.pack(">i", len(array)) + array


def rows_of(things: list[Thing], shape: Shape = SHAPE) -> copying.Rows:
    return copying.read(shape, [message(one, shape) for one in things])


def loaded(things: list[Thing], shape: Shape = SHAPE, *, stretch: int = 16) -> Collection:
    gathering = Gathering(common=5, many_from=12)
    rows = rows_of(things, shape)
    slots = [slot for slot, one in enumerate(things) for _ in range(len(one.terms) + 1)]
    import numpy as np

    half = int(rows.starts[len(things) // 2])
    for part in (slice(0, half), slice(half, len(slots))):
        gathering.add(rows.terms[part], np.array(slots[part], np.uint32))
    return Collection(shape, rows, gathering.finished(), stretch=stretch)


def met(carried: set[int], group: Group) -> bool:
    """Whether a thing carries one of these terms, or one of these spans."""
    return any(
        one in carried if isinstance(one, int) else any(one[0] <= term < one[1] for term in carried)
        for one in group
    )


def expected(things: dict[int, Thing], asked: Question) -> list[tuple[int, int]]:
    def meets(one: Thing) -> bool:
        carried = {*one.terms, OWNER + one.owner}
        key = getattr(one, asked.order)
        return (
            all(met(carried, group) for group in asked.groups)
            and not any(all(met(carried, group) for group in groups) for groups in asked.unless)
            and not carried & set(asked.without)
            and one.id not in asked.not_ids
            and (asked.low is None or key >= asked.low)
            and (asked.high is None or key < asked.high)
            and (asked.since is None or getattr(one, asked.since[0]) >= asked.since[1])
        )

    found = sorted(
        ((getattr(one, asked.order), one.id) for one in things.values() if meets(one)),
        reverse=asked.descending,
    )
    if asked.behind is not None:
        place = tuple(asked.behind)
        found = [one for one in found if (one < place if asked.descending else one > place)]
    return [(number, key) for key, number in found[: asked.take]]


def some_thing(rng: random.Random, number: int, shape: Shape = SHAPE) -> Thing:
    # A third is carried by many, a third by some, the rest by hardly any.
    terms = {rng.choice([1, 2, 3]) for _ in range(rng.randint(0, 2))} | {
        rng.randint(10, 30),
        rng.randint(100, 400),
    }
    return Thing(
        number, rng.randint(0, 500), rng.choice([0, 0, 0, 1, 2, 5]), rng.randint(-1000, 1000), rng.randint(1, 9),
        tuple(sorted(term(shape, one) for one in terms)) if rng.random() < 0.97 else (),
    )  # fmt: skip


def some_group(rng: random.Random, shape: Shape) -> Group:
    """Terms, owners, and spans of few and of many terms, alone and with others."""
    low = rng.choice([1, 10, 18, 100, 250])
    span = term(shape, low), term(shape, low + rng.choice([1, 3, 25, 200]))
    numbers = rng.choice([(1,), (2,), (1, 2), (3,), (10, 11, 12), (15,), (1, 2, 200)])
    plain = tuple(term(shape, number) for number in numbers)
    return rng.choice([
        plain, plain, (OWNER + rng.randint(1, 9),), (span,), (span, *plain), (span, (term(shape, 350), term(shape, 401))),
        ((OWNER + 2, OWNER + 5),),
    ])  # fmt: skip


def some_question(rng: random.Random, shape: Shape = SHAPE) -> Question:
    order = rng.choice(["at", "rank", "shuffle"])
    groups = [some_group(rng, shape) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
    spread = {"at": (0, 500), "rank": (0, 5), "shuffle": (-1000, 1000)}[order]
    return Question(
        "things", order, rng.choice([1, 3, 10, 60]), rng.random() < 0.5, tuple(groups),
        without=tuple(rng.sample([*(term(shape, one) for one in (1, 2, 20, 21)), OWNER + 3], rng.choice([0, 0, 1, 2]))),
        unless=tuple(tuple(some_group(rng, shape) for _ in range(rng.choice([1, 2])))
                     for _ in range(rng.choice([0, 0, 1, 2]))),
        not_ids=tuple(rng.sample(range(1, 200), rng.choice([0, 0, 5]))),
        behind=Behind(rng.randint(*spread), rng.randint(1, 300)) if rng.random() < 0.5 else None,
        low=rng.randint(*spread) if rng.random() < 0.2 else None, high=rng.randint(*spread) if rng.random() < 0.2 else None,
        since=("at", rng.randint(0, 500)) if rng.random() < 0.3 and order != "at" else None,
    )  # fmt: skip


def same(collection: Collection, things: dict[int, Thing], rng: random.Random, questions: int = 12) -> None:
    assert collection.count == len(things)
    for _ in range(questions):
        asked = some_question(rng, collection.shape)
        wanted = expected(things, asked)
        for name, limits in WAYS.items():
            found = finding.find(collection, asked, limits)
            assert list(zip(found.ids, found.keys, strict=True)) == wanted, (name, asked)
    for one in (*(term(collection.shape, number) for number in (1, 2, 15, 999)), OWNER + 4):
        carried = sum(one in (*thing.terms, OWNER + thing.owner) for thing in things.values())
        assert collection.carried(one) == carried


def change(collection: Collection, things: dict[int, Thing], rng: random.Random, count: int) -> None:
    """Things come, change their keys, change their terms, and go."""
    for _ in range(count):
        number = rng.choice([rng.randint(1, 200), max(things, default=0) + 1])
        one, kind = things.get(number), rng.random()
        if one is not None and kind < 0.25:
            del things[number]
            collection.remove([number])
            continue
        made = some_thing(rng, number, collection.shape)
        if one is not None and kind < 0.6:
            made = replace(one, rank=rng.randint(0, 5), at=rng.randint(0, 500))
        things[number] = made
        collection.apply(rows_of([made], collection.shape))


def end_fold(collection: Collection, folding: Folding) -> None:
    few = collection.postings.folded(folding.since, folding.gone, folding.slots)
    numbers = collection.numbers.merged(folding.numbers)
    collection.sweep(folding, list(collection.postings.many)[::2])
    collection.end_fold(folding, few, numbers)


@pytest.mark.parametrize("seed", range(12))
def test_pages_are_those_of_a_plain_model_whatever_happens(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, shape = random.Random(seed), WIDE if seed % 2 else SHAPE
    if seed % 4 > 1:
        # Unions and spans are kept from the smallest on, few of them, and new terms are sorted in soon.
        for name, value in (("KEPT_FROM", 2), ("UNIONS", 3), ("SPANS", 3), ("NEW_KEYS", 5)):
            monkeypatch.setattr(postings, name, value)
    things = {n: some_thing(rng, n, shape) for n in rng.sample(range(1, 200), rng.choice([0, 3, 120, 190]))}
    collection = loaded(list(things.values()), shape)
    same(collection, things, rng)
    for _ in range(6):
        change(collection, things, rng, 25)
        same(collection, things, rng, 6)
        place = rng.randrange(3)
        order, moved = collection.begin_sort(place)
        change(collection, things, rng, rng.choice([0, 10]))
        made = orders.resorted(order, moved)
        # What changes after the order was sorted and before it is used counts as well.
        change(collection, things, rng, rng.choice([0, 10]))
        collection.end_sort(place, made)
        same(collection, things, rng, 6)
        folding = collection.begin_fold()
        change(collection, things, rng, rng.choice([0, 30]))
        end_fold(collection, folding)
        same(collection, things, rng, 6)


@pytest.mark.parametrize("shape", [SHAPE, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("kept", [False, True], ids=["", "kept"])
def test_a_span_is_all_terms_in_it_whenever_they_came(
    shape: Shape, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kept:
        monkeypatch.setattr(postings, "KEPT_FROM", 1)

    def thing(number: int, *terms: int) -> Thing:
        return Thing(number, number, 0, 0, 1, tuple(term(shape, one) for one in terms))

    def within(low: int, high: int, *, unless: tuple[int, int] | None = None) -> list[int]:
        def group(low: int, high: int) -> Group:
            return ((term(shape, low), term(shape, high)),)

        asked = Question(
            "things", "at", 1000, False, (group(low, high),), unless=((group(*unless),),) if unless else ()
        )
        return finding.find(collection, asked).ids

    # 50 has a bitmap from the beginning, 60 gets one later; the others stay few.
    collection = loaded(
        [thing(n, 50) for n in range(1, 21)] + [thing(21, 49), thing(22, 51), thing(23)], shape
    )
    assert within(50, 51) == list(range(1, 21)) and within(50, 50) == [] and within(0, 49) == []
    assert within(49, 52) == list(range(1, 23)) and within(49, 52, unless=(50, 51)) == [21, 22]
    collection.apply(rows_of([thing(n, 60) for n in range(31, 61)] + [thing(24, 40), thing(22, 70)], shape))
    assert within(51, 52) == [] and within(49, 52) == list(range(1, 22)) and within(40, 50) == [21, 24]
    assert within(51, 71) == [22, *range(31, 61)] and within(60, 61, unless=(0, 100)) == []
    end_fold(collection, collection.begin_fold())
    collection.apply(rows_of([thing(61, 55), thing(31, 45)], shape))
    assert within(51, 71) == [22, *range(32, 62)] and within(40, 50) == [21, 24, 31]
    assert within(0, 1000) == [*range(1, 23), 24, *range(31, 62)]
    # The slot of one that went is of another, whose terms are others.
    used = collection.used
    collection.remove([24])
    end_fold(collection, collection.begin_fold())
    collection.apply(rows_of([thing(62, 90)], shape))
    assert collection.used == used and within(40, 50) == [21, 31] and within(90, 91) == [62]


def test_slots_of_what_went_are_used_again() -> None:
    rng = random.Random(5)
    things = {n: some_thing(rng, n) for n in range(1, 101)}
    collection = loaded(list(things.values()))
    for _ in range(30):
        for number in list(things)[:50]:
            things[number] = some_thing(rng, number)
        collection.apply(rows_of([things[number] for number in list(things)[:50]]))
        end_fold(collection, collection.begin_fold())
        for place in range(3):
            order, moved = collection.begin_sort(place)
            collection.end_sort(place, orders.resorted(order, moved))
    assert collection.used <= 250
    assert collection.postings.added == 0
    same(collection, things, rng, 40)


def test_pages_follow_one_another_without_a_gap_while_an_order_is_sorted_anew() -> None:
    rng = random.Random(8)
    things = {n: some_thing(rng, n) for n in range(1, 190)}
    collection = loaded(list(things.values()))
    for limits in WAYS.values():
        asked, met = Question("things", "rank", 7), []
        while True:
            answer = finding.find(collection, asked, limits)
            met += answer.ids
            if len(answer.ids) < asked.take:
                break
            asked = replace(asked, behind=Behind(answer.keys[-1], answer.ids[-1]))
            # Its keys stay; only the place where they are kept changes.
            place = collection.shape.place("rank")
            order, moved = collection.begin_sort(place)
            collection.end_sort(place, orders.resorted(order, moved))
        assert met == [number for number, _ in expected(things, Question("things", "rank", 1000))]


def test_a_question_travels_whole() -> None:
    rng = random.Random(3)
    for _ in range(50):
        asked = some_question(rng)
        assert Question.unpacked(asked.packed()) == asked


def test_rows_that_are_not_as_expected_are_refused() -> None:
    good = message(some_thing(random.Random(1), 7))
    null = good[:2] + struct.pack(">i", -1) + good[14:]
    for bad in (good[:20], null, b"\x00\x05" + good[2:]):
        with pytest.raises(Unavailable):
            copying.read(SHAPE, [good, bad])
    with pytest.raises(Unavailable):
        list(copying.messages(iter([b"text\n"])))
