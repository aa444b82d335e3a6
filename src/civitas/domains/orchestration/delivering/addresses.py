"""Where callbacks may go, and to which events they listen: judged when a workflow is submitted.

What a name means is judged anew for every delivery, by the guard that sends it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from civitas.domains.orchestration.types import Status
from civitas.kit.errors import Invalid
from civitas.kit.internet import call_trouble

MOST_CALLBACKS: Final = 10
SCOPES: Final = ("workflow", "step", "job")
KINDS: Final = frozenset(f"{scope}:{what}" for scope in SCOPES for what in ("*", *Status))

_allowed: list[frozenset[str]] = [frozenset()]


def use(hosts: Collection[str]) -> None:
    """Hosts of the operator's own, by name, that may be reached privately and over plain HTTP from this process."""
    _allowed[0] = frozenset(host.lower() for host in hosts)


@contextmanager
def using(hosts: Collection[str]) -> Iterator[None]:
    """`use`, until the block ends."""
    before = _allowed[0]
    use(hosts)
    try:
        yield
    finally:
        _allowed[0] = before


def checked(callbacks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Callbacks as they are kept: `{"url", "type", "detailed"}`, nothing double.

    Raises Invalid (`bad_callbacks`) that names every wrong field by its path (`callbacks[0].url`).
    """
    wrong: dict[str, str] = {}
    if len(callbacks) > MOST_CALLBACKS:
        wrong["callbacks"] = f"There are {len(callbacks)} callbacks; {MOST_CALLBACKS} are the most."
    kept: list[dict[str, Any]] = []
    for number, callback in enumerate(callbacks[:MOST_CALLBACKS]):
        where = f"callbacks[{number}]"
        url, kinds = callback.get("url"), callback.get("type")
        if (trouble := url_trouble(url)) is not None:
            wrong[f"{where}.url"] = trouble
        if not isinstance(kinds, list | tuple) or not kinds:
            wrong[f"{where}.type"] = "Name at least one event, such as workflow:succeeded."
            continue
        for place, kind in enumerate(kinds):
            if kind not in KINDS:
                wrong[f"{where}.type[{place}]"] = (
                    f"{str(kind)[:60]!r} is no event; use workflow:, step: or job: and a status or *."
                )
        kept.append(
            {"url": url, "type": sorted(set(map(str, kinds))), "detailed": callback.get("detailed") is True}
        )
    if wrong:
        raise Invalid(
            "The callbacks cannot be used as they are; nothing was submitted.",
            code="bad_callbacks",
            fields=wrong,
        )
    return kept


def url_trouble(url: Any) -> str | None:
    """What is wrong with an address to call, as a sentence; None when it may be tried."""
    return call_trouble(url, own_hosts=_allowed[0])


def host_of(url: str) -> str:
    """Host and port of an address: what counts as one receiver."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def listening(callbacks: Sequence[Any], event: str) -> dict[str, bool]:
    """The addresses that hear an event (`step:succeeded`), each with whether it wants details.

    An address that is named twice is told once.
    """
    scope = event.partition(":")[0]
    heard: dict[str, bool] = {}
    for callback in callbacks:
        kinds = callback.get("type") or ()
        if event in kinds or f"{scope}:*" in kinds:
            heard[callback["url"]] = heard.get(callback["url"], False) or bool(callback.get("detailed"))
    return heard
