"""Two processes that train one model on a busy machine.

Threads of one training step wait for each other at every layer, so a neighbour's load on one core stalls both. Here each
process trains alone on one thread, and every second or so all meet and average their weights, each weighted by the
steps it managed meanwhile (local SGD): a starved process costs its own share and little else. Meeting every ten seconds
was tried and is too seldom: the copies drift apart in the first minutes and their mean learns nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def launch(work: Callable[..., None], count: int, *args: object) -> None:
    """Run `work(rank, count, *args)` in `count` processes, one thread each, and wait for them."""
    os.environ.update(MASTER_ADDR="127.0.0.1", OMP_NUM_THREADS="1")
    os.environ.setdefault("MASTER_PORT", "29511")
    mp.spawn(_begin, (count, work, args), nprocs=count)


def _begin(rank: int, count: int, work: Callable[..., None], args: tuple[object, ...]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=count)
    work(rank, count, *args)
    dist.destroy_process_group()


class Meeting:
    """Averages `parameters` over all processes every `seconds`; the clock of the first process decides."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], seconds: float, minutes: float) -> None:
        self.parameters = list(parameters)
        self.seconds = seconds
        self.minutes = minutes
        self.start = self.last = time.monotonic()
        self.total = 0
        self.mine = 0
        first = self._flat()
        dist.broadcast(first, 0)
        self._set(first)

    @property
    def done(self) -> float:
        """The share of the time that has gone."""
        return (time.monotonic() - self.start) / (self.minutes * 60)

    def step(self) -> bool:
        """Call after each step; True when this one ended with a meeting."""
        self.mine += 1
        if time.monotonic() - self.last < self.seconds:
            return False
        weighed = torch.cat([self._flat() * self.mine, torch.tensor([float(self.mine)])])
        dist.all_reduce(weighed)
        self._set(weighed[:-1] / weighed[-1])
        self.total += int(weighed[-1])
        self.mine = 0
        self.last = time.monotonic()
        return True

    def _flat(self) -> torch.Tensor:
        return torch.cat([p.detach().reshape(-1) for p in self.parameters])

    def _set(self, flat: torch.Tensor) -> None:
        at = 0
        for p in self.parameters:
            p.data.copy_(flat[at : at + p.numel()].view(p.shape))
            at += p.numel()

    def over(self, stop: Path) -> bool:
        """Call right after a meeting: whether time is up, or a file `stop` asks for an early end. All agree on it."""
        verdict = torch.tensor([float(self.done >= 1 or stop.exists())])
        dist.broadcast(verdict, 0)
        return bool(verdict.item())
