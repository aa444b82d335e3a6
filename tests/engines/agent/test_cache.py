"""Files by digest: resumed, checked, bounded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.engines.agent.site import Site, sha256

from civitas.engines.agent.cache import FileCache, Wanted
from civitas.engines.agent.engine import JobFailed
from civitas.kit.errors import Conflict


@pytest.fixture
async def cache(site: Site, tmp_path: Path) -> AsyncIterator[FileCache]:
    async with httpx.AsyncClient(transport=site) as http:
        cache = FileCache(tmp_path / "cache", 1_000_000, http)
        yield cache
        cache.close()


def wanted(site: Site, data: bytes, **changed: object) -> Wanted:
    link = site.resource("urn:air:x", data)
    given = {"shelf": "resources", "sha256": link.sha256, "url": link.url, "size": link.size, "called": "It"}
    return Wanted(**{**given, **changed})  # type: ignore[arg-type]


async def test_a_file_is_fetched_once(site: Site, cache: FileCache) -> None:
    file = wanted(site, b"w" * 300_000)
    told: list[int] = []
    paths = await asyncio.gather(*(cache.hold(file, lambda have, size: told.append(have)) for _ in range(5)))
    assert {path.read_bytes() for path in paths} == {b"w" * 300_000}
    assert len(site.downloads) == 1
    assert told[-1] == 300_000
    assert cache.resources() == [file.sha256]


async def test_a_download_goes_on_where_it_broke_off(site: Site, cache: FileCache) -> None:
    data = os.urandom(400_000)
    site.breaks = [150_000, 100_000]
    path = await cache.hold(wanted(site, data))
    assert path.read_bytes() == data
    assert [asked for _, asked in site.downloads] == [None, "bytes=150000-", "bytes=250000-"]


async def test_so_it_does_after_a_restart(site: Site, tmp_path: Path) -> None:
    data = os.urandom(400_000)
    file = wanted(site, data)
    async with httpx.AsyncClient(transport=site) as http:
        first = FileCache(tmp_path / "cache", 1_000_000, http)
        (tmp_path / "cache" / "parts" / file.sha256).write_bytes(data[:123_456])
        first.close()
        second = FileCache(tmp_path / "cache", 1_000_000, http)
        assert (await second.hold(file)).read_bytes() == data
        second.close()
    assert site.downloads[-1][1] == "bytes=123456-"


async def test_other_bytes_than_announced_are_never_kept(
    site: Site, cache: FileCache, tmp_path: Path
) -> None:
    with pytest.raises(JobFailed, match="digest"):
        await cache.hold(wanted(site, b"abc", sha256=sha256(b"abd")))
    with pytest.raises(JobFailed, match="larger"):
        await cache.hold(wanted(site, b"abcdef", size=3))
    assert cache.resources() == []
    assert cache.used_bytes() == 0


async def test_a_damaged_file_is_fetched_anew(site: Site, cache: FileCache) -> None:
    file = wanted(site, b"w" * 1000)
    path = await cache.hold(file)
    path.write_bytes(b"w" * 10)
    assert (await cache.hold(file)).read_bytes() == b"w" * 1000


async def test_what_was_not_used_for_longest_goes_first(site: Site, cache: FileCache) -> None:
    files = [wanted(site, bytes([number]) * 400_000) for number in range(3)]
    for age, file in zip((300, 100), files, strict=False):
        path = await cache.hold(file)
        cache.release(file.sha256)
        os.utime(path, (1_000_000_000 - age, 1_000_000_000 - age))
    await cache.hold(files[0])
    cache.release(files[0].sha256)
    await cache.hold(files[2])
    assert set(cache.resources()) == {files[0].sha256, files[2].sha256}


async def test_what_a_job_uses_stays(site: Site, cache: FileCache) -> None:
    first, second, third = (wanted(site, bytes([number]) * 400_000) for number in range(3))
    await cache.hold(first)
    await cache.hold(second)
    path = await cache.hold(third)
    assert path.exists()
    assert len(cache.resources()) == 3
    cache.release(first.sha256)
    await cache.hold(wanted(site, b"n" * 100_000))
    assert first.sha256 not in cache.resources()


async def test_a_file_beyond_the_whole_cache_is_not_begun(site: Site, cache: FileCache) -> None:
    with pytest.raises(JobFailed, match="cache holds"):
        await cache.hold(wanted(site, b"b" * 1_000_001))
    assert site.downloads == []


async def test_a_link_that_is_over_is_said(site: Site, cache: FileCache) -> None:
    file = wanted(site, b"abc")
    transport = httpx.MockTransport(lambda request: httpx.Response(403))
    async with httpx.AsyncClient(transport=transport) as http:
        cache._http = http
        with pytest.raises(JobFailed, match="403"):
            await cache.hold(file)


async def test_what_a_dead_agent_left_is_cleared(site: Site, tmp_path: Path) -> None:
    (tmp_path / "cache" / "jobs" / "old").mkdir(parents=True)
    stale = tmp_path / "cache" / "parts" / ("A" * 64)
    stale.parent.mkdir()
    stale.write_bytes(b"x")
    os.utime(stale, (1, 1))
    async with httpx.AsyncClient(transport=site) as http:
        cache = FileCache(tmp_path / "cache", 1_000_000, http)
        assert list(cache.jobs.iterdir()) == [] and cache.used_bytes() == 0
        cache.close()


async def test_a_folder_has_one_agent(cache: FileCache, tmp_path: Path) -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(Conflict, match="folder of its own"):
            FileCache(tmp_path / "cache", 1, http)
