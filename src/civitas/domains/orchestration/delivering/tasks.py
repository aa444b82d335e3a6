"""Sending callbacks: one courier in each process has many on their way, and keeps the books of all in one transaction.

It holds a database connection only for the moments in which it writes down what came back and takes what goes out next.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from weakref import WeakKeyDictionary

import httpx
import orjson
import structlog
from sqlalchemy.exc import OperationalError

from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.delivering import chains, payloads, signing, signing_secrets
from civitas.domains.orchestration.delivering.chains import Due, End, Heard
from civitas.domains.orchestration.delivering.messages import DeliverCallbacks
from civitas.domains.orchestration.delivering.signing import CallbackKey
from civitas.domains.orchestration.media import shapes
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.infra.outbound.guard import CallbackClient, OutboundClient
from civitas.infra.outbound.settings import CallbackSettings
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.outbox import defer
from civitas.infra.queue.registry import every, handles
from civitas.kit import clock
from civitas.kit.errors import Fault

log = structlog.get_logger(__name__)

# A courier gives way after so long, so that a process can end and others have their turn.
SHIFT_S: Final = 300.0
# What is due so soon is waited for, though it has a task of its own like all that is due later.
SOON: Final = timedelta(seconds=2)
LINGER_S: Final = 0.002
LARGEST_ANSWER: Final = 16 * 1024
KEPT_LINES: Final = 128
BATCH: Final = 2_000


class Lines:
    """Connections to receivers that are used again: the newest so many hosts."""

    def __init__(self, client: OutboundClient) -> None:
        self._client = client
        self._lines: dict[str, httpx.AsyncClient] = {}
        self._busy: Counter[str] = Counter()

    def take(self, host: str) -> httpx.AsyncClient:
        """A line to a host; give it back."""
        line = self._lines.pop(host, None) or self._client.line()
        self._lines[host] = line
        self._busy[host] += 1
        return line

    async def give_back(self, host: str) -> None:
        """The line is not needed for now; the oldest idle one beyond the bound is closed."""
        self._busy[host] -= 1
        if len(self._lines) > KEPT_LINES:
            idle = next((name for name in self._lines if not self._busy[name]), None)
            if idle is not None:
                await self._lines.pop(idle).aclose()

    async def aclose(self) -> None:
        """Close all."""
        for line in self._lines.values():
            await line.aclose()
        self._lines.clear()


class Courier:
    """Sends what is due until nothing is, many at once, of each chain one."""

    def __init__(self, context: TaskContext) -> None:
        self._context = context
        self._client = context.port(CallbackClient)
        self._settings = context.port(CallbackSettings)
        self._links = context.port(MediaLinks)
        self._key = context.port(CallbackKey)
        self._flying: dict[asyncio.Task[Heard], Due] = {}
        self._ends: list[End] = []
        self._nudged = asyncio.Event()
        # Whether the last wait was for a next try alone: it is waited for once, for its task comes anyway.
        self._idle = False

    def nudge(self) -> None:
        """There is more to send."""
        self._nudged.set()

    async def run(self) -> None:
        """Send until nothing is due, or for one shift; what is on its way then is waited for and written down."""
        until = time.monotonic() + SHIFT_S
        lines = Lines(self._client)
        try:
            while await self._turn(lines, taking=time.monotonic() < until):
                pass
        finally:
            for task in self._flying:
                task.cancel()
            await asyncio.gather(*self._flying, return_exceptions=True)
            await lines.aclose()
        if time.monotonic() >= until:
            async with self._context.unit() as session:
                await defer(session, DeliverCallbacks(), once="callbacks")

    async def _turn(self, lines: Lines, *, taking: bool) -> bool:
        """Write down, take, send, wait for the next to come back; False when there is nothing more to do."""
        self._nudged.clear()
        taken, soon = await self._keep_books(taking)
        self._idle = self._idle and not taken
        for due, headers, body in taken:
            flight = asyncio.create_task(self._send(lines, due, headers, body))
            self._flying[flight] = due
        if not self._flying:
            if self._ends:
                await asyncio.sleep(0.5)
            elif not self._nudged.is_set():
                if not taking or soon is None or self._idle:
                    return False
                self._idle = True
                await self._wait(soon)
            return True
        await self._wait(soon)
        # Whatever comes back within a moment is written down together.
        await asyncio.sleep(LINGER_S)
        for flight in [flight for flight in self._flying if flight.done()]:
            due = self._flying.pop(flight)
            give_up = timedelta(days=self._settings.give_up_days)
            pauses_s = self._settings.pauses_s
            self._ends.append(chains.end_of(due, flight.result(), give_up=give_up, pauses_s=pauses_s))
        return True

    async def _wait(self, patience_s: float | None) -> None:
        """Until something came back, there is more to send, or so long has passed."""
        nudge = asyncio.create_task(self._nudged.wait())
        try:
            await asyncio.wait(
                {nudge, *self._flying}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            nudge.cancel()

    async def _keep_books(self, taking: bool) -> tuple[list[tuple[Due, dict[str, str], bytes]], float | None]:
        """Record what came back and take what goes out, in one transaction; and in how many seconds more is due."""
        room = self._settings.at_once - len(self._flying) if taking else 0
        ends = list(self._ends)
        try:
            async with self._context.unit() as session:
                await chains.record(session, ends)
                for moment in sorted({end.due_at for end in ends if end.due_at is not None}):
                    await _wake(session, moment)
                dues: Sequence[Due] = ()
                if room:
                    flying = Counter(due.host for due in self._flying.values())
                    most_per_host = self._settings.at_once_per_host
                    dues = await chains.take(session, most=room, most_per_host=most_per_host, flying=flying)
                secrets = await signing_secrets.signing_for(
                    session, {due.person_id for due in dues}, key=self._key
                )
                found = await blobs.links(
                    session, set().union(*(shapes.blob_ids(due.payload) for due in dues))
                )
                hidden = await payloads.withheld(session, {due.workflow_id for due in dues})
                following = await chains.next_due(session) if room else None
        except OperationalError as error:
            # A deadlock with somebody who notes, or a server that restarts: what came back is kept and written later.
            log.warning("callbacks.books", error=str(error.orig)[:200])
            await asyncio.sleep(0.2)
            return [], 0.2
        del self._ends[: len(ends)]
        left = None if following is None else following - clock.now()
        soon = None if left is None or left > SOON else max(0.01, left.total_seconds())
        sealed = [self._sealed(due, found, secrets, hide=due.workflow_id in hidden) for due in dues]
        return sealed, soon

    def _sealed(
        self,
        due: Due,
        found: Mapping[str, BlobFacts],
        secrets: Mapping[int, Sequence[str]],
        *,
        hide: bool = False,
    ) -> tuple[Due, dict[str, str], bytes]:
        body = orjson.dumps(shapes.filled(due.payload, found, self._links, hide=hide))
        signed = signing.headers(
            signing.message_id(due.message_id), clock.now(), body, secrets.get(due.person_id, ())
        )
        headers = {"content-type": "application/json", "user-agent": "Civitas-Callbacks/1", **signed}
        return due, headers, body

    async def _send(self, lines: Lines, due: Due, headers: dict[str, str], body: bytes) -> Heard:
        """One try; whatever happens is what was heard."""
        began = time.monotonic()
        line = lines.take(due.host)
        answer, trouble, patience = None, None, 0.0
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                async with self._client.stream(
                    due.url, method="POST", headers=headers, content=body, redirects=0, over=line
                ) as response:
                    answer, patience = response.status_code, _patience(response)
                    trouble = _trouble(response)
                    await _drain(response)
        except TimeoutError:
            if answer is None:
                trouble = f"No answer within {self._settings.timeout_s:g} seconds."
        except Fault as fault:
            trouble = fault.message
        except httpx.HTTPError as error:
            if answer is None:
                trouble = f"The connection broke off ({type(error).__name__})."
        finally:
            await lines.give_back(due.host)
        return Heard(answer, int((time.monotonic() - began) * 1000), trouble, patience)


async def _drain(response: httpx.Response) -> None:
    """Read a short answer to its end, so that the connection can be used again; a long one is left."""
    read = 0
    async for piece in response.aiter_raw():
        read += len(piece)
        if read > LARGEST_ANSWER:
            return


def _trouble(response: httpx.Response) -> str | None:
    if response.is_success:
        return None
    if response.status_code == 410:
        return "The receiver wants no more of this workflow (410)."
    if response.has_redirect_location:
        return "The receiver redirects, which is not followed; register the address it redirects to."
    return f"The receiver answered {response.status_code}."


def _patience(response: httpx.Response) -> float:
    asked = response.headers.get("retry-after", "")
    return float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 0.0


async def _wake(session: Any, due_at: str) -> None:
    """A task at the time of a next try; tries of about one moment share it."""
    moment = datetime.fromisoformat(due_at)
    step = 1 if moment - clock.now() < timedelta(minutes=1) else 15
    at = int(moment.timestamp()) // step * step + step
    await defer(session, DeliverCallbacks(), at=datetime.fromtimestamp(at, UTC), once=f"callbacks:{at}")


_COURIERS: WeakKeyDictionary[Any, Courier] = WeakKeyDictionary()


@handles(DeliverCallbacks, queue="callbacks", attempts=5, timeout_s=SHIFT_S + 60)
async def deliver_callbacks(message: DeliverCallbacks, context: TaskContext) -> None:
    """Send what is due. A process has one courier; while it is out it is told that there is more."""
    courier = _COURIERS.get(context.units)
    if courier is not None:
        courier.nudge()
        return
    courier = _COURIERS[context.units] = Courier(context)
    try:
        await courier.run()
    finally:
        del _COURIERS[context.units]


@every("1m")
async def look_for_callbacks(context: TaskContext) -> None:
    """What a killed process had on its way is due again when its lease has ended."""
    async with context.unit() as session:
        if await chains.any_due(session):
            await defer(session, DeliverCallbacks(), once="callbacks")


@every("1h")
async def forget_deliveries(context: TaskContext) -> None:
    """The log is kept for a while; ended secrets go at once."""
    before = clock.now() - timedelta(days=context.port(CallbackSettings).keep_days)
    async with context.unit() as session:
        await signing_secrets.forget_ended(session)
    while True:
        async with context.unit() as session:
            if await chains.forget(session, before=before, most=BATCH) < BATCH:
                return
