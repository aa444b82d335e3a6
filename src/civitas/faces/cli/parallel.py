"""Several connections at one task, which an interrupt can leave at once."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

import httpx

from civitas.kit.errors import Fault

EXPECTED: tuple[type[Exception], ...] = (Fault, OSError, httpx.HTTPError)
TICK = 0.5
GRACE = 2.0


def run_threads(
    work: Callable[[], None],
    count: int,
    *,
    tick: Callable[[], None],
    ended: threading.Event,
    stop: threading.Event,
    expected: tuple[type[Exception], ...] = EXPECTED,
) -> None:
    """Run `work` in `count` threads until all return, and call `tick` here twice a second and at the end.

    `ended` is set when the others should give up: one failed, or `stop` was set, which raises KeyboardInterrupt.
    The first failure is raised. The threads are daemons, so that no stuck connection holds an interrupt up.
    """
    ends: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def guarded() -> None:
        outcome: Exception | None = RuntimeError("A connection ended in an unforeseen way.")
        try:
            work()
            outcome = None
        except expected as error:
            outcome = error
        finally:
            ends.put(outcome)

    for _ in range(count):
        threading.Thread(target=guarded, daemon=True).start()
    running = count
    try:
        while running:
            with contextlib.suppress(queue.Empty):
                failure = ends.get(timeout=TICK)
                running -= 1
                if failure is not None:
                    raise failure
            tick()
            if stop.is_set():
                raise KeyboardInterrupt
    finally:
        ended.set()
        while running:
            try:
                ends.get(timeout=GRACE)
            except queue.Empty:
                break
            running -= 1
        tick()
