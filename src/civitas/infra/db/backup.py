"""Whole-database copies with the pg_dump and pg_restore that ship with Civitas."""

from __future__ import annotations

import subprocess
from pathlib import Path

from civitas.infra.db.embedded import binaries
from civitas.kit.errors import Unavailable


def backup(dsn: str, target: Path) -> int:
    """Write the database to `target` in pg_dump's custom format and return its size in bytes.

    The copy is one consistent snapshot, taken while the site runs. An existing file is replaced only by a
    finished copy.
    """
    partial = target.with_name(target.name + ".partial")
    _run(
        "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={partial}", f"--dbname={dsn}"
    )
    partial.replace(target)
    return target.stat().st_size


def restore(dsn: str, source: Path) -> None:
    """Replace what is in the database with a copy made by `backup`; all of it or, on an error, nothing."""
    if not source.is_file():
        raise Unavailable(f"There is no backup at {source}.")
    _run(
        "pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction",
        "--exit-on-error", f"--dbname={dsn}", str(source),
    )  # fmt: skip


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run([str(binaries() / program), *arguments], capture_output=True, check=False)
    if done.returncode:
        raise Unavailable(f"{program} failed and nothing was changed: {done.stderr.decode()[-800:].strip()}")
