"""Who gets which job."""

from __future__ import annotations

from datetime import timedelta

from civitas.domains.orchestration.dispatch.matching import Asking, Offers, Patience, Waiting, choose
from civitas.kit import clock

NOW = clock.now()
PATIENCE = Patience(hold_s=8, overdue_s=30, second_chance_s=5)


def asking(agent: int, free: int = 1, *offers: str, **rates: tuple[float | None, float]) -> Asking:
    return Asking(agent, free, Offers(offers or ("echo",)), rates)


def waiting(
    job: str,
    place: float,
    *,
    capability: str = "echo",
    waited_s: float = 0,
    files: int = 0,
    here: dict[int, int] | None = None,
    refused: tuple[int, ...] = (),
    rejected: tuple[int, ...] = (),
) -> Waiting:
    return Waiting(
        job,
        capability,
        place,
        NOW - timedelta(seconds=waited_s),
        files,
        here or {},
        frozenset(refused),
        frozenset(rejected),
    )


def chosen(agents: list[Asking], jobs: list[Waiting], *, busy: tuple[int, ...] = ()) -> list[tuple[str, int]]:
    return choose(agents, jobs, now=NOW, patience=PATIENCE, busy=lambda agent, _: agent in busy)


def test_the_order_of_places_is_kept() -> None:
    jobs = [waiting("c", 3), waiting("a", 1), waiting("b", 2)]
    assert chosen([asking(1, 2)], jobs) == [("a", 1), ("b", 1)]


def test_work_is_spread_over_equals() -> None:
    jobs = [waiting(f"{n}", n) for n in range(6)]
    got = chosen([asking(1, 3), asking(2, 3)], jobs)
    assert sorted(agent for _, agent in got) == [1, 1, 1, 2, 2, 2]
    assert {agent for _, agent in got[:2]} == {1, 2}


def test_offers_are_names_or_families() -> None:
    jobs = [waiting("x", 1, capability="textToImage/sd1"), waiting("y", 2, capability="textToImage/flux")]
    assert chosen([asking(1, 2, "textToImage/sd1")], jobs) == [("x", 1)]
    assert chosen([asking(1, 2, "textToImage/*")], jobs) == [("x", 1), ("y", 1)]
    assert chosen([asking(1, 2, "textToImage")], jobs) == []
    assert chosen([asking(1, 1, "echo/*")], [waiting("e", 1)]) == [("e", 1)]


def test_the_fast_and_the_reliable_come_first() -> None:
    fast, slow = asking(1, 1, echo=(10.0, 0.0)), asking(2, 1, echo=(2.0, 0.0))
    assert chosen([slow, fast], [waiting("a", 1)]) == [("a", 1)]
    failing = asking(1, 1, echo=(10.0, 0.9))
    assert chosen([failing, asking(2, 1, echo=(2.0, 0.0))], [waiting("a", 1)]) == [("a", 2)]
    assert chosen([asking(1, 1, echo=(2.0, 0.5)), asking(3, 1)], [waiting("a", 1)]) == [("a", 3)]


def test_files_at_hand_decide_among_agents_and_among_jobs() -> None:
    jobs = [waiting("needs", 1, files=2, here={2: 2, 1: 1}), waiting("plain", 2)]
    assert chosen([asking(1), asking(2)], jobs) == [("needs", 2), ("plain", 1)]
    # The only agent has the second job's files and not the first one's.
    jobs = [waiting("far", 1, files=1), waiting("near", 2, files=1, here={1: 1})]
    assert chosen([asking(1)], jobs) == [("near", 1)]
    assert chosen([asking(1, 2)], jobs) == [("near", 1), ("far", 1)]


def test_nobody_is_overtaken_for_ever() -> None:
    jobs = [waiting("far", 1, files=1, waited_s=31), waiting("near", 2, files=1, here={1: 1})]
    assert chosen([asking(1)], jobs) == [("far", 1)]


def test_a_job_waits_a_little_for_a_busy_agent_that_has_its_files() -> None:
    def far(waited_s: float) -> list[Waiting]:
        return [waiting("far", 1, files=1, here={9: 1}, waited_s=waited_s)]

    assert chosen([asking(1)], far(1), busy=(9,)) == []
    assert chosen([asking(1)], far(1)) == [("far", 1)]
    assert chosen([asking(1)], far(9), busy=(9,)) == [("far", 1)]


def test_whoever_failed_it_is_asked_last_and_whoever_rejected_it_never() -> None:
    assert chosen([asking(1), asking(2)], [waiting("a", 1, refused=(1,))]) == [("a", 2)]
    assert chosen([asking(1)], [waiting("a", 1, refused=(1,))]) == []
    assert chosen([asking(1)], [waiting("a", 1, refused=(1,), waited_s=6)]) == [("a", 1)]
    assert chosen([asking(1), asking(2)], [waiting("a", 1, refused=(1,), waited_s=6)]) == [("a", 2)]
    assert chosen([asking(1)], [waiting("a", 1, rejected=(1,), waited_s=99)]) == []
    # Those behind it do not wait for it.
    assert chosen([asking(1)], [waiting("a", 1, rejected=(1,)), waiting("b", 2)]) == [("b", 1)]
