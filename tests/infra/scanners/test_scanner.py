"""The real sandbox process, and a clamd that speaks the real protocol."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.infra.scanners import corpus as make

from civitas.infra.scanners.clamav import Clamd, ClamdError
from civitas.infra.scanners.report import ScanReport, Verdict
from civitas.infra.scanners.scanner import FileScanner, PresetScanner
from civitas.infra.scanners.settings import ScannerSettings

linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is shut in wholly only on Linux")


def eicar() -> bytes:
    """The harmless test signature of the antivirus makers, put together so that no scanner finds it here."""
    return ("X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-" + "ANTIVIRUS-TEST-FILE!$H+H*").encode()


async def scan(tmp_path: Path, name: str, data: bytes, **settings: object) -> ScanReport:
    path = tmp_path / "file"
    path.write_bytes(data)
    scanner = FileScanner(ScannerSettings.model_validate(settings))
    return await scanner.scan(path, filename=name, size=len(data))


def check(report: ScanReport, name: str) -> dict[str, object]:
    return dict(next(check.details for check in report.checks if check.name == name))


async def test_the_sandbox_passes_an_honest_checkpoint(tmp_path: Path) -> None:
    report = await scan(tmp_path, "model.ckpt", make.torch_zip())
    assert report.verdict is Verdict.CLEAN
    assert report.passed
    assert {item.name for item in report.imports} >= {"torch._utils._rebuild_tensor_v2"}
    assert report.versions["picklescan"]
    assert report.to_json()["verdict"] == "clean"


async def test_the_sandbox_refuses_an_attack(tmp_path: Path) -> None:
    report = await scan(tmp_path, "model.safetensors", make.torch_zip(make.OS_SYSTEM))
    assert report.verdict is Verdict.DANGEROUS
    assert not report.passed
    assert ("os.system", Verdict.DANGEROUS) in [(item.name, item.judgement) for item in report.imports]


@linux
async def test_the_sandbox_has_no_network(tmp_path: Path) -> None:
    report = await scan(tmp_path, "a.txt", b"words")
    reached = check(report, "sandbox")
    assert reached["network"] != "open"
    if os.geteuid() == 0:
        assert reached["privileges"] == "nobody"


@linux
def test_nothing_can_be_started_or_reached_from_within() -> None:
    code = """
import os, socket, sys
from civitas.kit import confine
confine.limit(512 << 20, 10, 1 << 20)
reached = confine.isolate()
def attempt(deed):
    try:
        deed()
        return "went through"
    except (OSError, MemoryError):
        return "refused"
print(reached["network"], attempt(lambda: socket.socket()),
      attempt(lambda: os.execv(sys.executable, ["x"])), attempt(lambda: bytearray(1 << 30)),
      attempt(lambda: os.fork() or os._exit(0)) if reached["privileges"] == "nobody" else "refused",
      attempt(lambda: open("/etc/civitas", "w")), sep="|")
"""
    command = [sys.executable, "-I", "-c", code]
    out = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    network, *attempts = out.strip().split("|")
    assert network != "open"
    assert attempts == ["refused"] * 5


async def test_a_scan_that_takes_too_long_is_killed_with_its_group(tmp_path: Path) -> None:
    started = time.monotonic()
    report = await scan(tmp_path, "a.txt", b"words", timeout_s=0.01)
    assert report.verdict is Verdict.ERROR
    assert "did not end" in report.checks[0].reason
    assert time.monotonic() - started < 5


async def test_a_cancelled_scan_leaves_no_process(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(make.bomb())
    scanner = FileScanner(ScannerSettings(archive_ratio=1e9, archive_unpacked_gb=900))
    scanning = asyncio.create_task(scanner.scan(path, filename="a.zip", size=path.stat().st_size))
    await asyncio.sleep(0.02)
    scanning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scanning
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if children.exists():
        commands = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children.read_text().split()]
        assert not any(b"scanners.sandbox" in command for command in commands)


@linux
async def test_too_little_memory_is_an_error(tmp_path: Path) -> None:
    data = b"\x80\x04" + b"B" + (300 << 20).to_bytes(4, "little") + bytes(300 << 20) + b"."
    report = await scan(tmp_path, "a.pkl", data, memory_mb=256)
    assert report.verdict is Verdict.ERROR


async def test_a_report_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    many = b"".join(f"cmodule{n}\n{'x' * 180}\n0".encode() for n in range(400))
    report = await scan(tmp_path, "a.pkl", b"\x80\x02" + many + b"N.", output_kb=16)
    assert report.verdict is Verdict.ERROR
    assert "too long" in report.checks[0].reason


async def test_files_beyond_the_limits_are_not_passed(tmp_path: Path) -> None:
    assert (await scan(tmp_path, "a.txt", b"words", max_file_gb=1e-9)).verdict is Verdict.ERROR
    missing = FileScanner(ScannerSettings())
    assert (await missing.scan(tmp_path / "none", filename="a.txt", size=1)).verdict is Verdict.ERROR


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 7):
        yield data[start : start + 7]


async def test_streams_are_copied_within_a_quota(tmp_path: Path) -> None:
    data = make.torch_zip()
    scanner = FileScanner(ScannerSettings(spool_folder=tmp_path))
    assert (await scanner.scan(pieces(data), filename="a.ckpt", size=len(data))).verdict is Verdict.CLEAN
    for wrong in (len(data) - 1, len(data) + 1):
        assert (await scanner.scan(pieces(data), filename="a.ckpt", size=wrong)).verdict is Verdict.ERROR
    assert list(tmp_path.iterdir()) == []
    small = FileScanner(ScannerSettings(spool_gb=1e-9))
    assert (await small.scan(pieces(data), filename="a.ckpt", size=len(data))).verdict is Verdict.ERROR


@asynccontextmanager
async def clamd(limit: int = 1 << 30, answer: bytes | None = None) -> AsyncIterator[str]:
    """A clamd that knows one signature; `answer` is said to everything instead."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = await reader.readuntil(b"\0")
        if command == b"zVERSION\0":
            reply = b"ClamAV 1.4.2/27500/Thu"
        else:
            content = b""
            while (length := int.from_bytes(await reader.readexactly(4), "big")) and len(content) <= limit:
                content += await reader.readexactly(length)
            if len(content) > limit:
                reply = b"INSTREAM size limit exceeded. ERROR"
            else:
                found = eicar() in content
                reply = b"stream: Eicar-Test-Signature FOUND" if found else b"stream: OK"
            reply = reply if answer is None else answer
        writer.write(reply + b"\0")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_clamd_finds_the_test_signature(tmp_path: Path) -> None:
    async with clamd() as address:
        bad = await scan(tmp_path, "a.txt", b"words " + eicar(), clamd=address)
        good = await scan(tmp_path, "a.txt", b"words", clamd=address)
    assert bad.verdict is Verdict.DANGEROUS
    assert check(bad, "virus") == {"name": "Eicar-Test-Signature"}
    assert good.verdict is Verdict.CLEAN
    assert good.versions["clamav"].startswith("ClamAV 1.4.2")


@pytest.mark.parametrize(
    "answer", [b"", b"stream: OK but", b"stream: lstat() failed. ERROR", b"UNKNOWN COMMAND"]
)
async def test_unclear_answers_of_clamd_are_errors(tmp_path: Path, answer: bytes) -> None:
    async with clamd(answer=answer) as address:
        assert (await scan(tmp_path, "a.txt", b"words", clamd=address)).verdict is Verdict.ERROR


async def test_clamd_out_of_reach_silent_or_misspelt_is_an_error(tmp_path: Path) -> None:
    for address in ("tcp://127.0.0.1:1", f"unix:{tmp_path}/none", "http://x"):
        assert (await scan(tmp_path, "a.txt", b"words", clamd=address)).verdict is Verdict.ERROR

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(silent, tmp_path / "clamd")
    async with server:
        with pytest.raises(ClamdError):
            await Clamd(f"unix:{tmp_path}/clamd", 0.05).version()


async def test_files_larger_than_clamd_takes(tmp_path: Path) -> None:
    data = b"x" * (3 << 20)
    async with clamd() as address:
        refused = await scan(tmp_path, "a.txt", data, clamd=address, clamd_max_mb=1)
        partly = await scan(
            tmp_path, "a.txt", data, clamd=address, clamd_max_mb=1, clamd_oversize="first_part"
        )
    async with clamd(limit=1 << 20) as address:
        over = await scan(tmp_path, "a.txt", data, clamd=address)
    assert refused.verdict is Verdict.ERROR
    assert partly.verdict is Verdict.CLEAN
    assert check(partly, "virus") == {"scanned": 1 << 20, "size": 3 << 20}
    assert over.verdict is Verdict.ERROR


async def test_the_preset_scanner_says_what_it_was_told(tmp_path: Path) -> None:
    scanner = PresetScanner(**{"bad.ckpt": Verdict.DANGEROUS})
    assert (await scanner.scan(tmp_path, filename="bad.ckpt", size=1)).verdict is Verdict.DANGEROUS
    assert (await scanner.scan(tmp_path, filename="good.ckpt", size=1)).verdict is Verdict.CLEAN
    assert scanner.scanned == ["bad.ckpt", "good.ckpt"]
