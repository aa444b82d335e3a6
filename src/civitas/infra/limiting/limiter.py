"""A leaky bucket for each caller (GCRA), decided by the database in one statement."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import text

from civitas.infra.db.database import Units
from civitas.kit.errors import Limited

_TAKE = text(
    """
    INSERT INTO rate_buckets AS b (key, full_at)
    VALUES (:key, clock_timestamp() + make_interval(secs => :cost))
    ON CONFLICT (key) DO UPDATE
       SET full_at = greatest(b.full_at, clock_timestamp()) + make_interval(secs => :cost)
     WHERE greatest(b.full_at, clock_timestamp()) + make_interval(secs => :cost)
           <= clock_timestamp() + make_interval(secs => :window)
    RETURNING extract(epoch FROM full_at - clock_timestamp())
    """
)
_WAIT = text("SELECT extract(epoch FROM full_at - clock_timestamp()) FROM rate_buckets WHERE key = :key")
SWEEP = text("DELETE FROM rate_buckets WHERE full_at < clock_timestamp()")

BATCH_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in `window_s` seconds, spent as fast as one likes."""

    name: str
    count: int
    window_s: float


class Limiter(Protocol):
    """Counts what callers take."""

    async def take(self, rate: Rate, caller: str, amount: int = 1) -> None:
        """Take `amount` of the caller's allowance; Limited with the seconds to wait when it is spent."""


@dataclass
class PostgresLimiter:
    """Shared by all processes. Takes a twentieth of the allowance at a time, so that most calls cost nothing."""

    units: Units
    _purse: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)

    async def take(self, rate: Rate, caller: str, amount: int = 1) -> None:
        """See Limiter."""
        key, now = (rate.name, caller), time.monotonic()
        left, until = self._purse.get(key, (0, 0.0))
        if left >= amount and now < until:
            self._purse[key] = (left - amount, until)
            return
        batch = max(amount, int(rate.count * BATCH_SHARE))
        wait = await self._reserve(rate, caller, batch)
        if wait and batch > amount:
            batch, wait = amount, await self._reserve(rate, caller, amount)
        if wait:
            seconds = max(1, math.ceil(wait))
            raise Limited(
                f"Too many requests; wait {seconds} s and try again.",
                retry_after=seconds,
                code="rate_limited",
            )
        if len(self._purse) > 50_000:
            self._purse = {k: v for k, v in self._purse.items() if v[1] > now}
        self._purse[key] = (batch - amount, now + rate.window_s)

    async def _reserve(self, rate: Rate, caller: str, amount: int) -> float:
        """Seconds to wait, or 0 when `amount` was granted."""
        step = rate.window_s / rate.count
        key = f"{rate.name}:{caller}"
        async with self.units.unit() as session:
            granted = await session.execute(
                _TAKE, {"key": key, "cost": amount * step, "window": rate.window_s}
            )
            if granted.scalar() is not None:
                return 0.0
            ahead = (await session.execute(_WAIT, {"key": key})).scalar() or 0
        return max(0.001, float(ahead) + amount * step - rate.window_s)


class NoLimiter:
    """Grants everything: limits are turned off."""

    async def take(self, rate: Rate, caller: str, amount: int = 1) -> None:
        """See Limiter."""
