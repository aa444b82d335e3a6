"""What is mature leaves no trace for those who did not ask for it: not in lists, counts, feeds, pages or files.

Every GET route is asked twice by each kind of viewer, before and after a creator adds mature things beside safe ones;
the answers must be the same, letter by letter. That finds leaks by counts and orders too, not only by names.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.routing import Route
from tests.faces.web.browse_shelf import hang, publish
from tests.factories import catalog
from tests.factories.accounts import make_person
from tests.factories.http import Client

from civitas.contracts.events.gallery import PostPublished
from civitas.domains.accounts.types import ALL_MASK, PG13
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.queue import outbox
from civitas.kit import clock

MARK: Final = "Zinnober"

# Streams that do not end, bytes that are asked for by name, and what tells of the machine rather than of the site.
LEFT_OUT: Final = re.compile(
    r"/api/live/|/api/download/|/static/|/storage/|/media/|/metrics|/healthz|/readyz|/dev/|/mailbox|openapi\.json|/staff|/moderator"
)
CHANGING: Final = (
    re.compile(r'nonce="[^"]*"'),
    re.compile(r'(name="csrf_token"[^>]*value|name="csrf-token"[^>]*content)="[^"]*"'),
    re.compile(r'(name="key"[^>]*value)="[^"]*"'),
    re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?"),
    re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])"),
    # A form's token, masked anew for each page.
    re.compile(r"(?<![0-9a-f])[0-9a-f]{128}(?![0-9a-f])"),
    re.compile(r"(sig|signature|expires|token|X-Civitas-[A-Za-z]+)=[^\"&<\s]+"),
)


@dataclass
class World:
    """A creator, a safe model of theirs, and the values that routes ask for."""

    client: Client
    session: AsyncSession
    creator: int
    model: int
    version: int
    values: dict[str, str]


@pytest.fixture
async def world(client: Client, session: AsyncSession) -> AsyncIterator[World]:
    with clock.held_at(clock.now()):
        creator = await make_person(session, "mira")
        model, (version,) = await publish(client, name="Harbour", person_id=creator, tags=("sea",))
        values = {
            "model_id": model, "id": model, "version_id": version, "number": version, "person_id": creator,
            "username": "mira", "name": "sea", "slug": "harbour", "tab": "models",
            "hash": "0" * 64,
        }  # fmt: skip
        yield World(client, session, creator, model, version, {k: str(v) for k, v in values.items()})


def paths(world: World) -> list[str]:
    """Every GET route with the world's values in it."""
    found = set()
    app: Any = world.client.app
    for method_and_path in _routes(app.routes):
        methods, path = method_and_path
        if "GET" not in methods or LEFT_OUT.search(path):
            continue
        filled = re.sub(r"{(\w+)(:\w+)?}", lambda m: world.values.get(m[1], "1"), path)
        found.add(filled)
    lists = {"/api/v1/models", "/models", "/api/v1/images", "/search", "/api/v1/suggest", "/search/suggest"}
    found |= {f"{path}?query={word}&q={word}" for path in lists for word in (MARK, "mira", "sea")}
    found |= {f"{path}?nsfw=true&browsingLevel=31&limit=100" for path in lists}
    return sorted(found)


def _routes(routes: Any, prefix: str = "") -> list[tuple[set[str], str]]:
    found: list[tuple[set[str], str]] = []
    for route in routes:
        if isinstance(route, Route):
            found.append((set(route.methods or ()), prefix + route.path))
        elif (inner := getattr(route, "original_router", None)) is not None:
            found += _routes(inner.routes, prefix + route.include_context.prefix)
    return found


async def answers(world: World, asked: list[str], **headers: str) -> dict[str, str]:
    """What each path answers, without what changes with every answer."""
    found = {}
    for path in asked:
        kind = "application/json" if path.startswith("/api") else "text/html"
        answer = await world.client.get(path, headers={"accept": kind} | headers)
        text = f"{answer.status_code} {answer.headers.get('location', '')} {answer.text}"
        for pattern in CHANGING:
            text = pattern.sub("~", text)
        found[path] = text
    return found


async def add_mature_things(world: World) -> None:
    """A mature model, a mature picture of the safe one, and a mature post, all by the same creator."""
    session, client = world.session, world.client
    await publish(client, name=f"{MARK} model", person_id=world.creator, level=8, tags=("sea", MARK.lower()))
    await catalog.make_preview(session, world.version, world.creator, nsfw_level=8, name=f"{MARK}.png")
    moment = clock.now()
    for version in (None, world.version):
        post = await session.scalar(
            insert(Post)
            .values(
                person_id=world.creator,
                version_id=version,
                title=f"{MARK} post",
                published_at=moment,
                nsfw_level=8,
            )
            .returning(Post.id)
        )
        blob = await catalog.make_blob(session)
        await session.execute(
            insert(Image).values(
                post_id=post, person_id=world.creator, blob_id=blob, key=f"{MARK}-{post}", name=f"{MARK}.png",
                status="ready", width=64, height=64, nsfw_level=8, meta={"prompt": MARK},
            )
        )  # fmt: skip
        await outbox.publish(session, PostPublished(post or 0, world.creator, 1))
    await hang(client, world.model)
    await client.run_tasks()


async def stranger(world: World) -> dict[str, str]:
    """Somebody without an account."""
    world.client.sign_out()
    return {"host": "localhost"}


async def child(world: World) -> dict[str, str]:
    """Somebody who ticked every level without being an adult."""
    await world.client.sign_in(await _person(world, "kim", show_mature=True, browsing_level=ALL_MASK))
    return {"host": "localhost"}


async def careful_adult(world: World) -> dict[str, str]:
    """An adult whose levels end at PG-13."""
    person = await _person(
        world, "lena", show_mature=True, browsing_level=PG13 | 1, adult_confirmed_at=clock.now()
    )
    await world.client.sign_in(person)
    return {"host": "localhost"}


async def adult_on_the_twin(world: World) -> dict[str, str]:
    """An adult who asked for everything, on the safe site."""
    await world.client.sign_in(
        await _person(
            world, "noor", show_mature=True, browsing_level=ALL_MASK, adult_confirmed_at=clock.now()
        )
    )
    return {"host": "green.localhost"}


async def _person(world: World, name: str, **columns: Any) -> int:
    return await make_person(world.session, name, **columns)


VIEWERS: Final[tuple[Callable[[World], Awaitable[dict[str, str]]], ...]] = (
    stranger, child, careful_adult, adult_on_the_twin,
)  # fmt: skip


@pytest.mark.parametrize("viewer", VIEWERS, ids=lambda viewer: viewer.__name__)
async def test_no_answer_changes(world: World, viewer: Callable[[World], Awaitable[dict[str, str]]]) -> None:
    headers = await viewer(world)
    before = await answers(world, paths(world), **headers)
    await add_mature_things(world)
    after = await answers(world, paths(world), **headers)
    assert not [path for path, text in after.items() if MARK in text and f"={MARK}" not in path]
    suspects = [path for path in before if before[path] != after[path]]
    # What answers differently a third time changes by itself; hardly anything may.
    again = await answers(world, suspects, **headers)
    changed = {path: (before[path], after[path]) for path in suspects if after[path] == again[path]}
    assert not changed, _told(changed)
    assert len(suspects) <= 0.03 * len(before), _told({path: (after[path], again[path]) for path in suspects})


def _told(changed: dict[str, tuple[str, str]]) -> str:
    lines = []
    for path, (before, after) in sorted(changed.items()):
        at = next(
            (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
            min(len(before), len(after)),
        )
        lines.append(
            f"{path}\n   - {before[max(0, at - 60) : at + 80]!r}\n   + {after[max(0, at - 60) : at + 80]!r}"
        )
    return "\n".join(lines)


async def test_an_adult_who_asked_sees_them(world: World) -> None:
    """The other way round, so that the test above cannot pass by showing nothing to anybody."""
    await world.client.sign_in(
        await _person(world, "ada", show_mature=True, browsing_level=ALL_MASK, adult_confirmed_at=clock.now())
    )
    await add_mature_things(world)
    after = await answers(world, paths(world), host="localhost")
    told = {path for path, text in after.items() if MARK in text}
    assert {
        "/models",
        "/api/v1/models?nsfw=true&browsingLevel=31&limit=100",
        "/api/v1/images?nsfw=true&browsingLevel=31&limit=100",
        "/posts",
    } <= told
