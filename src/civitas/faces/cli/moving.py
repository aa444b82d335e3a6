"""The commands that read files: download and identify."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from civitas.faces.cli.client import SiteClient
from civitas.faces.cli.downloading import Choice, Outcome, download, pick
from civitas.faces.cli.exits import Exit, UsageFault, exit_code
from civitas.faces.cli.hashing import HashCache
from civitas.faces.cli.identifying import Finding, hash_all, identify, model_files
from civitas.faces.cli.layouts import Layout, place
from civitas.faces.cli.references import Target, look_up, parse
from civitas.faces.cli.rendering import human_size, show_findings
from civitas.faces.cli.sessions import (
    AGAIN,
    ConnectionsOption,
    JsonOption,
    PatienceOption,
    ProfileOption,
    Session,
    session,
)
from civitas.faces.cli.sidecars import write_info, write_preview
from civitas.kit.errors import Fault


def download_command(
    references: Annotated[list[str], typer.Argument(metavar="MODEL[@VERSION]|URL|AIR|HASH...")],
    file_type: Annotated[str | None, typer.Option("--file-type", help="Model, VAE, Config, ...")] = None,
    format: Annotated[str | None, typer.Option("--format", help="SafeTensor, GGUF, ...")] = None,
    fp: Annotated[str | None, typer.Option("--fp", help="fp16, bf16, fp8, ...")] = None,
    size: Annotated[str | None, typer.Option("--size", help="full or pruned")] = None,
    quant: Annotated[str | None, typer.Option("--quant", help="Q4_K_M, ...")] = None,
    file_id: Annotated[int | None, typer.Option("--file-id", help="Exactly this file.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All files that fit, not only the best one.")] = False,
    folder: Annotated[Path | None, typer.Option("--output", "-o", help="Folder to put files into.")] = None,
    layout: Annotated[
        Layout | None, typer.Option("--layout", help="Sort into this program's folders.")
    ] = None,
    root: Annotated[Path | None, typer.Option("--root", help="Where that program is installed.")] = None,
    with_info: Annotated[bool, typer.Option("--with-info", help="Write .civitai.info and .json.")] = False,
    with_preview: Annotated[bool, typer.Option("--with-preview", help="Write a preview image.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace other files of that name.")] = False,
    connections: ConnectionsOption = 4,
    patience: PatienceOption = 120.0,
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Download model files: resumed, in parallel ranges, and checked by SHA256."""
    with session(profile, json=json, patience=patience, connections=connections, resumable=AGAIN) as run:
        if layout and folder:
            raise UsageFault("Give --output or --layout with --root, not both.")
        if root and not layout:
            raise UsageFault("--root needs --layout.")
        choice = Choice(file_type, format, fp, size, quant, file_id, every)
        errand = _Errand(run, choice, folder, layout, root, with_info, with_preview, overwrite)
        wanted = [parse(reference) for reference in references]
        for reference in wanted:
            try:
                client = run.client_of(reference)
                errand.fetch(client, look_up(client, reference, with_model=errand.needs_model))
            except Fault as fault:
                errand.failed(reference.text, fault)
        errand.close()


class _Errand:
    """The files of one download command."""

    def __init__(
        self,
        run: Session,
        choice: Choice,
        folder: Path | None,
        layout: Layout | None,
        root: Path | None,
        with_info: bool,
        with_preview: bool,
        overwrite: bool,
    ) -> None:
        self._run = run
        self._choice = choice
        self._folder, self._layout, self._root = folder, layout, root
        self._info, self._preview = with_info, with_preview
        self._settings = run.settings(overwrite=overwrite, cache=HashCache())
        self._rows: list[dict[str, Any]] = []
        self._faults: list[tuple[str, Fault]] = []

    @property
    def needs_model(self) -> bool:
        return self._info or self._layout is not None

    def fetch(self, client: SiteClient, target: Target) -> None:
        version = target.version
        kind = version.model_type or (target.model.type if target.model else "")
        for file in pick(target, self._choice):
            folder = self._folder or Path()
            if self._layout:
                folder = place((self._root or Path()).expanduser(), self._layout, kind, file)
            outcome = download(client, version, file, folder.expanduser(), self._settings)
            sidecars = self._sidecars(client, target, outcome)
            self._tell(outcome)
            self._rows.append(
                {
                    "path": str(outcome.path),
                    "status": outcome.status,
                    "size": outcome.size,
                    "sha256": outcome.sha256,
                    "autoV2": outcome.sha256[:10],
                    "verified": outcome.verified,
                    "resumed": outcome.resumed,
                    "modelId": version.model_id,
                    "versionId": version.id,
                    "fileId": file.id,
                    "sidecars": [str(path) for path in sidecars],
                }
            )

    def _sidecars(self, client: SiteClient, target: Target, outcome: Outcome) -> list[Path]:
        written = write_info(outcome.path, target.version, target.model) if self._info else []
        if self._preview:
            try:
                preview = write_preview(client, outcome.path, target.version)
                written += [preview] if preview else []
            except Fault as fault:
                self._run.output.notice(f"no preview: {fault.message}", "yellow")
        return written

    def _tell(self, outcome: Outcome) -> None:
        proof = (
            f"{outcome.verified} matches" if outcome.verified else "the server gives no hash to check it by"
        )
        if outcome.status == "present":
            self._run.output.line(f"{outcome.path} is here already ({proof})")
        else:
            self._run.output.line(f"{outcome.path}  {human_size(outcome.size)}, {proof}", "green")

    def failed(self, text: str, fault: Fault) -> None:
        self._faults.append((text, fault))

    def close(self) -> None:
        if self._faults and not self._run.output.json and len(self._faults) + len(self._rows) > 1:
            for text, fault in self._faults:
                self._run.output.notice(f"{text}: {fault.message}", "red")
        if self._run.output.json:
            errors = [{"reference": text, "error": f.message, "code": f.code} for text, f in self._faults]
            self._run.output.result({"files": self._rows, "errors": errors})
        _end(self._run, [fault for _text, fault in self._faults], done=len(self._rows))


def _end(run: Session, faults: Sequence[Fault], *, done: int) -> None:
    """Leave with the exit code that all failures share, or PARTIAL; nothing when none failed."""
    if not faults:
        return
    codes = {exit_code(fault) for fault in faults}
    code = codes.pop() if len(codes) == 1 and not done else Exit.PARTIAL
    if len(faults) == 1 and not done:
        run.output.notice(f"error: {faults[0].message}", "bold red")
    raise typer.Exit(code)


def identify_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of model files, or one file.")],
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders below it too.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated output.")] = False,
    info: Annotated[
        bool, typer.Option("--write-info", help="Write .civitai.info beside what is known.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also recognise safetensors whose metadata was edited (AutoV3).")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Files hashed at once.")] = 2,
    patience: PatienceOption = 120.0,
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Say what the model files of a folder are, and which have a newer version."""
    again = "Hashes are remembered; run the same command again to continue."
    with session(profile, json=json, patience=patience, resumable=again) as run:
        if json and as_csv:
            raise UsageFault("Give --json or --csv, not both.")
        folder = folder.expanduser()
        paths = model_files(folder, recursive=recursive)
        watcher = run.settings().watcher
        watcher.begin(f"hashing {len(paths)} files", sum(_size(path) for path in paths), 0)
        try:
            digests = hash_all(paths, HashCache(), threads=jobs, moved=watcher.move, stop=run.stop)
        finally:
            watcher.end()
        findings = identify(run.client(), digests, deep=deep)
        if info:
            for finding in findings:
                if finding.version:
                    write_info(finding.path, finding.version, finding.model)
        if json:
            run.output.result({"files": [finding.row() for finding in findings]})
        elif as_csv:
            _write_csv(findings)
        else:
            show_findings(run.output, findings)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _write_csv(findings: Sequence[Finding]) -> None:
    rows = [finding.row() for finding in findings]
    names = list(Finding(Path(), 0, "").row())
    out = csv.DictWriter(sys.stdout, names)
    out.writeheader()
    for row in rows:
        out.writerow({**row, "trainedWords": "; ".join(row["trainedWords"])})
