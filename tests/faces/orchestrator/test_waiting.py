"""Waiting for the end of workflows: one look for all, nothing held, no wait for what is gone."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest

from civitas.domains.orchestration.types import Status
from civitas.faces.orchestrator import waiting as rooms
from civitas.faces.orchestrator.waiting import Waiting
from civitas.kit.errors import Limited


class Board:
    """Where workflows stand, and how often somebody looked."""

    def __init__(self) -> None:
        self.found: dict[str, Status] = {}
        self.looks: list[list[str]] = []

    async def look(self, ids: list[str]) -> dict[str, Status]:
        self.looks.append(ids)
        return {one: self.found[one] for one in ids if one in self.found}


async def test_everybody_is_served_by_one_look() -> None:
    board = Board()
    board.found = {f"w{number}": Status.PROCESSING for number in range(500)}
    waiting = Waiting(board.look, look_s=0.02)
    waiters = [asyncio.create_task(waiting.ended(f"w{number % 500}", 10)) for number in range(1000)]
    await asyncio.sleep(0.1)
    assert waiting.count == 1000 and all(len(asked) == 500 for asked in board.looks)
    assert len(board.looks) <= 7
    board.found = dict.fromkeys(board.found, Status.SUCCEEDED)
    await asyncio.wait_for(asyncio.gather(*waiters), 2)
    assert waiting.count == 0
    await asyncio.sleep(0.05)
    looks = len(board.looks)
    await asyncio.sleep(0.1)
    assert len(board.looks) == looks, "nobody waits, so nobody looks"


async def test_patience_ends_and_what_is_gone_is_not_waited_for() -> None:
    board = Board()
    board.found = {"slow": Status.UNASSIGNED}
    waiting = Waiting(board.look, look_s=0.01)
    began = time.perf_counter()
    await waiting.ended("slow", 0.1)
    assert 0.09 < time.perf_counter() - began < 1
    await asyncio.wait_for(waiting.ended("gone", 10), 1)
    await asyncio.wait_for(waiting.ended("slow", 0), 1)
    assert waiting.count == 0


async def test_a_look_that_fails_is_repeated() -> None:
    board = Board()
    board.found = {"w": Status.SUCCEEDED}
    fails = iter([psycopg.OperationalError("gone"), psycopg.OperationalError("gone")])

    async def look(ids: list[str]) -> dict[str, Status]:
        for error in fails:
            raise error
        return await board.look(ids)

    await asyncio.wait_for(Waiting(look, look_s=0.01).ended("w", 5), 2)
    assert len(board.looks) == 1


async def test_a_process_that_ends_lets_everybody_go() -> None:
    board = Board()
    board.found = {"w": Status.UNASSIGNED}
    waiting = Waiting(board.look, look_s=0.01)
    waiter = asyncio.create_task(waiting.ended("w", 50))
    await asyncio.sleep(0.03)
    rooms.end_all()
    await asyncio.wait_for(waiter, 1)
    await asyncio.wait_for(waiting.ended("w", 50), 1)
    await waiting.closed()


async def test_too_many_are_told_so() -> None:
    board = Board()
    board.found = {"w": Status.UNASSIGNED}
    waiting = Waiting(board.look, look_s=0.01)
    waiting.count = rooms.MOST_WAITING
    with pytest.raises(Limited):
        await waiting.ended("w", 1)
