"""The local store when things go wrong: crashes, hostile parts, two at once, a full disk."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest

from civitas.infra.storage.local import LocalStore
from civitas.infra.storage.multipart import MAX_PART, MIN_PART
from civitas.infra.storage.opening import open_store
from civitas.infra.storage.settings import StorageSettings
from civitas.infra.storage.store import MIB
from civitas.kit.clock import now
from civitas.kit.errors import Conflict, Fault, Invalid, NotFound, Unavailable

from .conftest import KEY, pieces

SIZE = MIN_PART + 5000
DATA = random.Random(1).randbytes(SIZE)
ONE, TWO = DATA[:MIN_PART], DATA[MIN_PART:]


async def begin(store: LocalStore) -> str:
    return await store.begin_multipart("up/file", SIZE, MIN_PART, "a/b")


async def refused(kind: type[Fault], code: str, ask: object) -> None:
    with pytest.raises(kind) as caught:
        await ask  # type: ignore[misc]
    assert caught.value.code == code


async def settled(store: LocalStore) -> None:
    """Wait for the jobs that close files after a request."""
    await asyncio.sleep(0.05)


def names(store: LocalStore) -> set[str]:
    return {entry.name for entry in (store.root / ".uploads").iterdir()}


def descriptors(store: LocalStore) -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(os.readlink(entry))
        except FileNotFoundError:
            continue
    return [target for target in found if target.startswith(str(store.root))]


async def test_the_upload_is_sparse_and_is_renamed_not_copied(local: LocalStore) -> None:
    handle = await begin(local)
    data = local.root / ".uploads" / handle / "data"
    before = data.stat()
    assert (before.st_size, before.st_blocks) == (SIZE, 0)
    await local.write_part("up/file", handle, 2, pieces(TWO))
    await local.write_part("up/file", handle, 1, pieces(ONE))
    await local.complete_multipart("up/file", handle)
    assert (local.root / "up/file").stat().st_ino == before.st_ino
    assert (local.root / "up/file").read_bytes() == DATA
    assert names(local) == set()


async def test_an_upload_goes_on_in_another_process(local: LocalStore) -> None:
    handle = await begin(local)
    first = await local.write_part("up/file", handle, 1, pieces(ONE))
    await local.aclose()
    other = LocalStore(local.root, local.links)
    assert await other.list_parts("up/file", handle) == [first]
    await other.write_part("up/file", handle, 2, pieces(TWO))
    await other.complete_multipart("up/file", handle)
    assert (other.root / "up/file").read_bytes() == DATA
    await other.aclose()


KILLED = """
import asyncio, sys
from pathlib import Path
from civitas.infra.storage.local import LocalStore
from civitas.infra.storage.signing import LinkSigner

async def main():
    store = LocalStore(Path(sys.argv[1]), LinkSigner(bytes(32)))
    data = sys.stdin.buffer.read()
    one, two = data[:5242880], data[5242880:]
    async def whole():
        yield two
    async def half():
        yield one[:3000000]
        await asyncio.sleep(0.2)
        print("ready", flush=True)
        await asyncio.sleep(60)
    handle = await store.begin_multipart("up/file", len(data), 5242880, "a/b")
    print(handle, flush=True)
    await store.write_part("up/file", handle, 2, whole())
    await store.write_part("up/file", handle, 1, half())

asyncio.run(main())
"""


async def test_a_killed_process_leaves_an_upload_that_goes_on(local: LocalStore) -> None:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(local.root), stdin=pipe, stdout=pipe
    )
    assert child.stdin and child.stdout
    child.stdin.write(DATA)
    child.stdin.write_eof()
    async with asyncio.timeout(30):
        handle = (await child.stdout.readline()).decode().strip()
        assert await child.stdout.readline() == b"ready\n"
        await refused(Conflict, "part_busy", local.write_part("up/file", handle, 1, pieces(ONE)))
        child.kill()
        await child.wait()
    assert [part.number for part in await local.list_parts("up/file", handle)] == [2]
    await local.write_part("up/file", handle, 1, pieces(ONE))
    await local.complete_multipart("up/file", handle)
    assert (local.root / "up/file").read_bytes() == DATA


async def test_a_part_counts_only_when_it_is_whole(local: LocalStore) -> None:
    handle = await begin(local)

    async def breaks() -> AsyncIterator[bytes]:
        yield ONE[: 3 * MIB]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await local.write_part("up/file", handle, 1, breaks())
    assert await local.list_parts("up/file", handle) == []
    await settled(local)
    assert descriptors(local) == []
    await local.write_part("up/file", handle, 1, pieces(ONE))
    assert [part.number for part in await local.list_parts("up/file", handle)] == [1]


@pytest.mark.parametrize("torn", [b"", b"abc", b"zz" * 32, b"\xff" * 64])
async def test_a_torn_marker_is_no_part(local: LocalStore, torn: bytes) -> None:
    handle = await begin(local)
    await local.write_part("up/file", handle, 2, pieces(TWO))
    (local.root / ".uploads" / handle / "part-00002").write_bytes(torn)
    assert await local.list_parts("up/file", handle) == []
    await refused(Invalid, "parts_missing", local.complete_multipart("up/file", handle))
    await local.write_part("up/file", handle, 2, pieces(TWO))
    assert len(await local.list_parts("up/file", handle)) == 1


async def test_a_crash_between_naming_and_clearing_up(local: LocalStore) -> None:
    handle = await begin(local)
    await local.write_part("up/file", handle, 1, pieces(ONE))
    await local.write_part("up/file", handle, 2, pieces(TWO))
    (local.root / "up").mkdir()
    os.link(local.root / ".uploads" / handle / "data", local.root / "up/file")
    info = await local.complete_multipart("up/file", handle)
    assert (info.size, names(local)) == (SIZE, set())


async def test_bad_parts_leave_the_good_one(local: LocalStore) -> None:
    handle = await begin(local)
    good = await local.write_part("up/file", handle, 2, pieces(TWO), base64_sha256(TWO))
    assert good.checksum == base64_sha256(TWO)
    other = bytes(len(TWO))

    async def write(data: bytes, checksum: str | None = None) -> None:
        await local.write_part("up/file", handle, 2, pieces(data), checksum)

    await refused(Invalid, "part_size", write(TWO[:-1]))
    await refused(Invalid, "part_size", write(TWO + b"x"))
    await refused(Invalid, "part_size", write(b""))
    await refused(Invalid, "part_checksum", write(TWO, base64_sha256(other)))
    await refused(Invalid, "part_checksum", write(other, base64_sha256(TWO)))
    await refused(Invalid, "part_checksum", write(TWO, "not base64"))
    await refused(Conflict, "part_exists", write(other))
    assert await local.write_part("up/file", handle, 2, pieces(TWO)) == good
    assert await local.list_parts("up/file", handle) == [good]
    await local.write_part("up/file", handle, 1, pieces(ONE))
    await local.complete_multipart("up/file", handle)
    assert (local.root / "up/file").read_bytes() == DATA


async def test_bad_first_parts_never_count(local: LocalStore) -> None:
    handle = await begin(local)
    for data in (ONE[:-1], ONE + b"x"):
        await refused(Invalid, "part_size", local.write_part("up/file", handle, 1, pieces(data)))
    await refused(
        Invalid, "part_checksum", local.write_part("up/file", handle, 1, pieces(ONE), base64_sha256(TWO))
    )
    await refused(Invalid, "part_number", local.write_part("up/file", handle, 3, pieces(ONE)))
    await refused(Invalid, "part_number", local.write_part("up/file", handle, 0, pieces(ONE)))
    assert await local.list_parts("up/file", handle) == []


async def test_a_part_too_long_does_not_touch_its_neighbour(local: LocalStore) -> None:
    handle = await begin(local)
    await local.write_part("up/file", handle, 2, pieces(TWO))
    await refused(Invalid, "part_size", local.write_part("up/file", handle, 1, pieces(ONE + b"!" * 4000)))
    await local.write_part("up/file", handle, 1, pieces(ONE))
    await local.complete_multipart("up/file", handle)
    assert (local.root / "up/file").read_bytes() == DATA


async def test_two_writers_of_one_part(local: LocalStore, tmp_path: Path) -> None:
    handle = await begin(local)
    neighbour = LocalStore(local.root, local.links)
    here, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield ONE[:MIB]
        here.set()
        await go_on.wait()
        yield ONE[MIB:]

    writing = asyncio.create_task(local.write_part("up/file", handle, 1, slow()))
    await here.wait()
    for store in (local, neighbour):
        await refused(Conflict, "part_busy", store.write_part("up/file", handle, 1, pieces(bytes(MIN_PART))))
        await store.write_part("up/file", handle, 2, pieces(TWO))
    go_on.set()
    await writing
    await local.complete_multipart("up/file", handle)
    assert (local.root / "up/file").read_bytes() == DATA
    await neighbour.aclose()


async def test_a_cancelled_writer_lets_the_next_one_in(local: LocalStore) -> None:
    handle = await begin(local)
    here = asyncio.Event()

    async def hangs() -> AsyncIterator[bytes]:
        yield bytes(2 * MIB)
        here.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(local.write_part("up/file", handle, 1, hangs()))
    await here.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await settled(local)
    assert descriptors(local) == []
    await local.write_part("up/file", handle, 1, pieces(ONE))
    await local.write_part("up/file", handle, 2, pieces(TWO))
    await local.complete_multipart("up/file", handle)
    assert (local.root / "up/file").read_bytes() == DATA


async def test_aborting_under_a_writer(local: LocalStore) -> None:
    handle = await begin(local)
    here, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield ONE[:MIB]
        here.set()
        await go_on.wait()
        yield ONE[MIB:]

    writing = asyncio.create_task(local.write_part("up/file", handle, 1, slow()))
    await here.wait()
    await local.abort_multipart("up/file", handle)
    go_on.set()
    await refused(NotFound, "no_such_upload", writing)
    assert names(local) == set()


async def test_completing_twice_at_once(local: LocalStore) -> None:
    handle = await begin(local)
    await local.write_part("up/file", handle, 1, pieces(ONE))
    await local.write_part("up/file", handle, 2, pieces(TWO))
    done = await asyncio.gather(*(local.complete_multipart("up/file", handle) for _ in range(6)))
    assert {info.size for info in done} == {SIZE}
    assert (local.root / "up/file").read_bytes() == DATA
    assert (local.root / "up/file").stat().st_nlink == 1


async def test_a_full_disk_is_told_before_and_while_writing(local: LocalStore) -> None:
    most = 10_000 * MAX_PART
    await refused(Unavailable, "storage_full", local.begin_multipart("up/huge", most, MAX_PART, "a/b"))
    assert names(local) == set()
    handle = await begin(local)
    data = local.root / ".uploads" / handle / "data"
    data.unlink()
    data.symlink_to("/dev/full")
    await refused(Unavailable, "storage_full", local.write_part("up/file", handle, 1, pieces(ONE)))
    assert await local.list_parts("up/file", handle) == []


async def test_keys_below_a_file_are_refused(local: LocalStore) -> None:
    await local.put("a", b"1", "a/b")
    await refused(Conflict, "key_taken", local.put("a/b", b"2", "a/b"))
    await local.put("c/d", b"3", "a/b")
    await refused(Conflict, "key_taken", local.put("c", b"4", "a/b"))
    assert await local.head("a/b") is None
    assert await local.head("c") is None
    await refused(NotFound, "no_such_object", local.read_range("c", 0, 5))
    await refused(NotFound, "no_such_object", local.read_range("a/b", 0, 5))
    await local.delete("c")
    await settled(local)
    assert names(local) == set()


async def test_what_is_no_file_is_no_object(local: LocalStore) -> None:
    os.mkfifo(local.root / "pipe")
    (local.root / "UPPER").write_bytes(b"not ours")
    assert await local.head("pipe") is None
    async with asyncio.timeout(5):
        await refused(NotFound, "no_such_object", local.read_range("pipe", 0, 5))
    assert [info async for info in local.list_prefix("")] == []


async def test_deleting_prunes_empty_folders(local: LocalStore) -> None:
    for key in ("a/b/c/one", "a/two"):
        await local.put(key, b"x", "a/b")
    await local.delete("a/b/c/one")
    assert not (local.root / "a/b").exists()
    await local.delete("a/two")
    assert not (local.root / "a").exists()
    assert local.root.is_dir()


async def test_puts_and_deletes_in_one_folder_do_not_trip_each_other(local: LocalStore) -> None:
    async def churn(number: int) -> None:
        for _ in range(15):
            await local.put(f"a/b/{number}", b"x", "a/b")
            await local.delete(f"a/b/{number}")

    await asyncio.gather(*(churn(number) for number in range(6)))


async def test_a_reader_that_leaves_closes_its_file(local: LocalStore) -> None:
    await local.put("big", bytes(4 * MIB), "a/b")
    async with aclosing(local.chunks("big")) as reading:
        await anext(reading)
        assert len(descriptors(local)) == 1
    await settled(local)
    assert descriptors(local) == []


async def test_a_reader_keeps_what_it_opened(local: LocalStore) -> None:
    await local.put("big", b"a" * (4 * MIB), "a/b")
    async with aclosing(local.chunks("big")) as reading:
        got = await anext(reading)
        await local.put("big", b"b" * MIB, "a/b")
        got += b"".join([piece async for piece in reading])
    assert got == b"a" * (4 * MIB)


async def test_a_file_that_shrinks_is_told(local: LocalStore) -> None:
    await local.put("big", bytes(4 * MIB), "a/b")
    async with aclosing(local.chunks("big")) as reading:
        await anext(reading)
        os.truncate(local.root / "big", 2 * MIB)
        with pytest.raises(Unavailable) as caught:
            async for _ in reading:
                pass
    assert caught.value.code == "storage_changed"


async def test_leftovers_of_crashes_are_swept_at_the_next_start(local: LocalStore) -> None:
    uploads = local.root / ".uploads"
    handle = await begin(local)
    (uploads / "put-aa").write_bytes(b"x")
    (uploads / "dead-bb").mkdir()
    (uploads / "dead-bb" / "data").write_bytes(b"x")
    (uploads / "cc").mkdir()
    old = time.time() - 2 * 86_400
    for path in list(uploads.iterdir()):
        os.utime(path, (old, old))
    (uploads / "put-fresh").write_bytes(b"x")
    await LocalStore(local.root, local.links).aclose()
    assert names(local) == {handle, "put-fresh"}
    assert [stale.handle async for stale in local.list_stale_multiparts(now() + timedelta(hours=1))] == [
        handle
    ]


async def test_an_upload_in_use_is_not_stale(local: LocalStore) -> None:
    handle = await begin(local)
    plan = local.root / ".uploads" / handle / "plan"
    plan.write_text('{"key": "up/file", "started": 1000}')
    hour_ago = now() - timedelta(hours=1)
    assert [stale async for stale in local.list_stale_multiparts(hour_ago)] == []
    for path in (plan.parent / "data", plan.parent):
        os.utime(path, (1000, 1000))
    assert [stale.handle async for stale in local.list_stale_multiparts(hour_ago)] == [handle]


async def test_memory_stays_small_whatever_the_part(local: LocalStore) -> None:
    part = 64 * MIB
    handle = await local.begin_multipart("up/mem", part, part, "a/b")
    block = bytes(64 * 1024)
    outstanding = 0
    most = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal outstanding, most
        for sent in range(part // len(block)):
            written = await asyncio.to_thread(written_bytes) if sent % 64 == 0 else None
            if written is not None:
                most = max(most, sent * len(block) - written)
            yield block

    def written_bytes() -> int:
        return (local.root / ".uploads" / handle / "data").stat().st_blocks * 512

    await local.write_part("up/mem", handle, 1, body())
    assert most <= 4 * MIB


def test_opening(tmp_path: Path) -> None:
    store = open_store(StorageSettings(local_path=tmp_path / "elsewhere"), tmp_path / "home", KEY)
    assert isinstance(store, LocalStore)
    assert store.root == tmp_path / "elsewhere"
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "x"):
        with pytest.raises(Unavailable) as caught:
            open_store(StorageSettings(local_path=path), tmp_path, KEY)
        assert caught.value.code == "storage_closed"


@pytest.mark.parametrize(
    "url", ["", "s3:", "s3://", "gs://bucket", "bucket", "s3://b/x?y", "https://x/y", "s3://b/c//d"]
)
def test_addresses_that_are_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(Invalid) as caught:
        open_store(StorageSettings(url=url), tmp_path, KEY)
    assert caught.value.code == "storage_url"


def base64_sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
