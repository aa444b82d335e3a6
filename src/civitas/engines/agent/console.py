"""An agent on a terminal: what is in its slots, what came of the last jobs, how fast it goes."""

from __future__ import annotations

import asyncio

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from civitas.engines.agent.board import Board

SHOWN_ENDED = 8
EVERY_S = 0.25
_COLOURS = {
    "working": "green",
    "idle": "cyan",
    "paused": "yellow",
    "draining": "yellow",
    "connecting": "red",
    "succeeded": "green",
    "failed": "red",
    "rejected": "yellow",
    "lost": "yellow",
}


async def show(board: Board, console: Console) -> None:
    """Draw the board, anew four times a second, until cancelled."""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(drawn(board), refresh=True)
            await asyncio.sleep(EVERY_S)


def drawn(board: Board) -> RenderableType:
    """The board as a picture for a terminal."""
    return Panel(Group(_head(board), Text(), _slots(board), Text(), _ended(board)), title="civitas agent")


def _head(board: Board) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row("[bold]Agent[/]", f"{board.name}" + (f" (no. {board.agent_id})" if board.agent_id else ""))
    state = Text(board.state, style=_COLOURS[board.state])
    if board.trouble:
        state.append(f"  {board.trouble}", style="dim")
    table.add_row("[bold]State[/]", state)
    table.add_row("[bold]Site[/]", board.server)
    table.add_row("[bold]Offers[/]", _few(board.capabilities))
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(board.outcomes.items()))
    table.add_row("[bold]Jobs[/]", f"{counts or 'none yet'}; {board.per_minute():.1f} a minute")
    table.add_row(
        "[bold]Bytes[/]",
        f"{size(board.downloaded_bytes)} in, {size(board.uploaded_bytes)} out, {size(board.cache_bytes)} kept",
    )
    return table


def _few(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _slots(board: Board) -> RenderableType:
    table = Table("Slot", "Job", "Capability", "", "", "Note", box=None, pad_edge=False)
    jobs = list(board.snapshot()["jobs"])
    for number in range(max(board.slots, len(jobs)) if board.slots <= 16 else len(jobs)):
        if number >= len(jobs):
            table.add_row(str(number + 1), "[dim]free[/]")
            continue
        job = jobs[number]
        bar = ProgressBar(total=1.0, completed=job["fraction"], width=20)
        note = Text(job["note"] or job["phase"], overflow="ellipsis", no_wrap=True)
        table.add_row(str(number + 1), job["id"], job["capability"], bar, f"{job['seconds']:.0f} s", note)
    return table


def _ended(board: Board) -> RenderableType:
    table = Table("Ended", "Job", "Capability", "Took", "Why", box=None, pad_edge=False)
    for ended in list(board.ended)[:SHOWN_ENDED]:
        why = Text(ended.reason or "", overflow="ellipsis", no_wrap=True)
        outcome = Text(ended.outcome, style=_COLOURS.get(ended.outcome, ""))
        table.add_row(outcome, ended.id, ended.capability, f"{ended.seconds:.1f} s", why)
    return table


def size(count: int) -> str:
    """`12.5 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
