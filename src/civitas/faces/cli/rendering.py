"""What a person or a script sees: results on stdout, progress and notices on stderr, never mixed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from html import unescape
from typing import Any

import orjson
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from civitas.faces.cli.exits import exit_code
from civitas.faces.cli.identifying import Finding
from civitas.faces.cli.publishing import scan_state
from civitas.faces.cli.records import RemoteModel, RemoteVersion, as_dict, as_int, as_text
from civitas.kit.errors import Fault
from civitas.kit.text import clean_line

_BLOCK_ENDS = re.compile(r"</(?:p|div|li|h[1-6])>|<br\s*/?>", re.IGNORECASE)
_TAGS = re.compile(r"<[^<>]{0,2000}>")
_NUMBERS = frozenset({"Id", "Version id", "Downloads", "Size"})
_WHOLE = frozenset({"Type", "Base model", "Status", "AutoV2", "Reference", "Published", "Scan"})
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def human_size(size: float) -> str:
    """Bytes as a person reads them, in powers of 1024."""
    for unit in _UNITS[:-1]:
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"


def plain_text(html: str, most: int = 1200) -> str:
    """The words of a description without markup or control characters, at most `most` characters."""
    text = unescape(_TAGS.sub("", _BLOCK_ENDS.sub("\n", html[:200_000])))
    lines = [clean_line(line) for line in text.splitlines()]
    joined = "\n".join(line for line in lines if line)
    return joined if len(joined) <= most else joined[: most - 1].rstrip() + "…"


class Output:
    """Both streams of a command. With `json`, stdout carries one JSON document and nothing else."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self.out = Console(highlight=False, soft_wrap=False)
        self.err = Console(stderr=True, highlight=False)

    def result(self, tree: Any) -> None:
        """The machine output."""
        sys.stdout.buffer.write(orjson.dumps(tree, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        sys.stdout.flush()

    def line(self, text: str, style: str = "") -> None:
        """One line of the result for a person; nothing with --json."""
        if not self.json:
            self.out.print(Text(text, style=style), soft_wrap=True)

    def notice(self, text: str, style: str = "dim") -> None:
        """One line about what is going on, on stderr."""
        self.err.print(Text(text, style=style), soft_wrap=True)

    def failure(self, fault: Fault) -> None:
        """Why the command ends: one line on stderr, and with --json an object on stdout too."""
        self.notice(f"error: {fault.message}", "bold red")
        if self.json:
            self.result({"error": fault.message, "code": fault.code, "exit": int(exit_code(fault))})

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table for a person; what comes from a server is shown as plain text, never as markup."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in headings:
            number = heading in _NUMBERS
            table.add_column(
                heading,
                justify="right" if number else "left",
                overflow="fold",
                no_wrap=number or heading in _WHOLE,
            )
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.out.print(table)


class Bars:
    """A Watcher that draws bars on a terminal, and writes a line per file elsewhere."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._live = output.err.is_terminal
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
            console=output.err,
            disable=not self._live,
        )
        self._task: TaskID | None = None
        self._name = ""

    def begin(self, name: str, total: int, done: int) -> None:
        """A file begins."""
        again, self._name = name == self._name, name
        if not self._live and again:
            return
        if not self._live:
            resumed = f", {human_size(done)} of it already here" if done else ""
            self._output.notice(f"{name}: {human_size(total)}{resumed}")
            return
        if self._task is None:
            self._bars.start()
        else:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(name[:48], total=total, completed=done)

    def move(self, count: int) -> None:
        """More bytes."""
        if self._task is not None:
            self._bars.advance(self._task, count)

    def phase(self, text: str, total: int) -> None:
        """Another kind of work on the same file."""
        if self._task is not None:
            self._bars.reset(self._task, total=total, completed=0, description=f"{text} {self._name[:40]}")

    def end(self) -> None:
        """The file is finished."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
            self._bars.stop()


def show_models(output: Output, models: Sequence[RemoteModel]) -> None:
    """The table of a search."""
    rows = []
    for model in models:
        newest = model.versions[0] if model.versions else None
        downloads = as_int(as_dict(model.raw.get("stats")).get("downloadCount"))
        rows.append(
            (
                str(model.id),
                model.name,
                model.type,
                newest.base_model if newest else "",
                newest.name if newest else "",
                model.creator,
                f"{downloads:,}",
            )
        )
    headings = ("Id", "Name", "Type", "Base model", "Newest", "Creator", "Downloads")
    output.table(headings, rows)


def show_model(output: Output, model: RemoteModel | None, version: RemoteVersion, url: str) -> None:
    """All of one model that matters before a download."""
    name = model.name if model else version.model_name
    output.line(f"{name}  ({model.type if model else version.model_type})", "bold")
    output.line(url)
    if model:
        output.line(f"by {model.creator or 'somebody'}; tags: {', '.join(model.tags) or 'none'}")
        description = plain_text(str(model.raw.get("description") or ""))
        if description:
            output.line(description, "dim")
        rows = [
            (str(v.id), ("› " if v.id == version.id else "") + v.name, v.base_model, v.published_at[:10])
            for v in model.versions[:20]
        ]
        output.table(("Version id", "Version", "Base model", "Published"), rows)
    output.line(f"Version {version.name} (id {version.id}, {version.base_model})", "bold")
    if version.trained_words:
        output.line(f"Trigger words: {', '.join(version.trained_words)}")
    if as_text(version.raw.get("air")):
        output.line(f"AIR: {as_text(version.raw['air'])}")
    files = [
        (
            str(file.id),
            file.name + (" *" if file.primary else ""),
            file.type,
            " ".join(part for part in (file.format, file.extent, file.fp, file.quant) if part),
            human_size(file.size),
            scan_state(file),
            file.hashes.get("AutoV2", "") or (file.sha256 or "")[:10],
        )
        for file in version.files
    ]
    output.table(("Id", "File", "Type", "Format", "Size", "Scan", "AutoV2"), files)


def show_findings(output: Output, findings: Sequence[Finding]) -> None:
    """What the files of a folder are."""
    rows = []
    for finding in findings:
        version = finding.version
        told = finding.reason
        if finding.newer:
            told = f"newer: {finding.newer.name} (@{finding.newer.id})"
        elif finding.matched_by == "AutoV3":
            told = "same weights, other metadata"
        rows.append(
            (
                finding.path.name,
                finding.status,
                f"{version.model_name} {version.name}" if version else "",
                f"{version.model_id}@{version.id}" if version else "",
                version.base_model if version else "",
                told,
            )
        )
    output.table(("File", "Status", "Model", "Reference", "Base model", ""), rows)
    counts = {
        status: sum(f.status == status for f in findings)
        for status in ("known", "newer", "unknown", "unreadable")
    }
    output.line(
        ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no model files"
    )
