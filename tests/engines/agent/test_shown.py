"""What an agent shows of itself: the console and the status page."""

from __future__ import annotations

import asyncio
import io
import socket

import httpx
import pytest
from rich.console import Console

from civitas.contracts.wire.agents import Wish
from civitas.engines.agent import console, status
from civitas.engines.agent.board import Board, Shown

EVIL = "<script>alert(1)</script>[red]"


@pytest.fixture
def board() -> Board:
    board = Board(name=f"box {EVIL}", server="http://site", slots=3)
    board.connected, board.agent_id = True, 4
    board.capabilities = [f"convertImage/{number}" for number in range(9)]
    running = Shown("job-1", 1, "convertImage", 2, phase="processing", fraction=0.5, note=EVIL)
    board.running[1] = running
    for number, outcome in enumerate(("succeeded", "succeeded", "failed"), start=10):
        shown = Shown(f"job-{number}", number, "transcode", 1)
        board.running[number] = shown
        board.end(shown, outcome, EVIL if outcome == "failed" else None)
    return board


def test_states(board: Board) -> None:
    assert (board.state, board.free) == ("working", 2)
    board.running.clear()
    assert board.state == "idle"
    board.wish = Wish.PAUSE
    assert board.state == "paused"
    board.draining = True
    assert board.state == "draining"
    board.connected = False
    assert board.state == "connecting"


def test_the_console_shows_slots_and_ends(board: Board) -> None:
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(console.drawn(board))
    text = out.getvalue()
    for word in (
        "working",
        "job-1",
        "convertImage/0",
        "and 3 more",
        "1 failed, 2 succeeded",
        "free",
        "transcode",
    ):
        assert word in text, word


async def test_the_console_draws_until_it_is_told_to_stop(board: Board) -> None:
    out = io.StringIO()
    drawing = asyncio.create_task(console.show(board, Console(file=out, force_terminal=True, width=120)))
    await asyncio.sleep(0.1)
    drawing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drawing
    assert "job-1" in out.getvalue()


@pytest.mark.parametrize(
    ("count", "written"), [(0, "0 B"), (999, "999 B"), (1_500_000, "1.5 MB"), (10**13, "10.0 TB")]
)
def test_sizes(count: int, written: str) -> None:
    assert console.size(count) == written


async def test_the_page_and_its_numbers(board: Board) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(status.app_of(board)), base_url="http://127.0.0.1:8999"
    ) as client:
        page = await client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "<script>" not in page.text and "&lt;script&gt;" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        told = (await client.get("/status.json")).json()
        assert (told["state"], told["slots"], told["free"]) == ("working", 3, 2)
        assert told["jobs"][0] | {"seconds": 0} == {
            "id": "job-1",
            "capability": "convertImage",
            "attempt": 2,
            "phase": "processing",
            "fraction": 0.5,
            "note": EVIL,
            "seconds": 0,
        }
        assert told["outcomes"] == {"succeeded": 2, "failed": 1}
        assert (await client.get("/readyz")).status_code == 200
        board.connected = False
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/else")).status_code == 404
        assert (await client.post("/")).status_code == 405
        stranger = await client.get("/status.json", headers={"host": "evil.example"})
        assert stranger.status_code == 421


async def test_the_page_is_served(board: Board) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    serving = asyncio.create_task(status.serve(board, listener))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with httpx.AsyncClient(trust_env=False) as client:
        async with asyncio.timeout(5):
            while True:
                try:
                    assert (await client.get(f"{url}/readyz")).status_code == 200
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.02)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    listener.close()
