"""Foreign clients as their authors publish them: one version each, in a virtual environment of its own.

They are installed once, into CIVITAS_COMPAT_CACHE or the user's cache folder, and never changed there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import platformdirs
from filelock import FileLock

INSTALL_S = 420
KEPT_HOMES = 2


class NotInstallable(Exception):
    """The client cannot be had on this machine; the message says why."""


@dataclass(frozen=True)
class PythonClient:
    """A package of PyPI with its exact version."""

    name: str
    version: str
    # Its declared dependencies are left out where the part that we run needs none of them.
    with_dependencies: bool = True

    @property
    def requirement(self) -> str:
        """As pip is told."""
        return f"{self.name}=={self.version}"

    @property
    def folder(self) -> Path:
        """Where its environment is, or will be."""
        python = f"py{sys.version_info.major}.{sys.version_info.minor}"
        return cache_folder() / "clients" / f"{self.name}-{self.version}-{python}"

    def program(self, name: str) -> Path:
        """One of its commands, after `install`."""
        return self.folder / "bin" / name

    def install(self) -> Path:
        """Its environment, made now if it is not there. Raises NotInstallable."""
        ready = self.folder / ".ready"
        if ready.exists():
            return self.folder
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.folder}.lock"):
            if not ready.exists():
                shutil.rmtree(self.folder, ignore_errors=True)
                self._make()
                ready.touch()
        return self.folder

    def _make(self) -> None:
        options = [] if self.with_dependencies else ["--no-deps"]
        pip = [self.program("python"), "-m", "pip", "install", "--quiet", "--retries", "1", *options]
        for command in ([sys.executable, "-m", "venv", self.folder], [*pip, self.requirement]):
            _run([str(part) for part in command], self.requirement, self.folder.parent)


@dataclass(frozen=True)
class NodeClient:
    """A package of npm with its exact version, and what bundles a program that uses it."""

    name: str
    version: str

    @property
    def requirement(self) -> str:
        """As npm is told."""
        return f"{self.name}@{self.version}"

    @property
    def folder(self) -> Path:
        """Where its project is, or will be."""
        return cache_folder() / "clients" / f"{self.name.replace('/', '-').strip('@')}-{self.version}-node"

    def install(self) -> Path:
        """Its project, made now if it is not there. Raises NotInstallable."""
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            raise NotInstallable("node and npm are not installed")
        ready = self.folder / ".ready"
        if ready.exists():
            return self.folder
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.folder}.lock"):
            if not ready.exists():
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir()
                (self.folder / "package.json").write_text('{"private": true}')
                _run(
                    [npm, "install", "--no-audit", "--no-fund", self.requirement, ESBUILD],
                    self.requirement,
                    self.folder,
                )
                ready.touch()
        return self.folder

    def bundle(self, program: str, into: Path) -> Path:
        """A program in one file that node runs anywhere, with the client in it as it was published."""
        source = self.folder / f"{hashlib.sha256(program.encode()).hexdigest()[:16]}.mjs"
        source.write_text(program)
        made = into / "program.mjs"
        esbuild = self.folder / "node_modules" / ".bin" / "esbuild"
        _run(
            [str(esbuild), str(source), "--bundle", "--platform=node", "--format=esm", f"--outfile={made}", "--log-level=error"],
            self.requirement, self.folder,
        )  # fmt: skip
        return made


def _run(command: list[str], what: str, folder: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise NotInstallable(f"{what} took over {INSTALL_S} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise NotInstallable(f"{what} cannot be installed: {' '.join(said[-3:])[:400]}")


def cache_folder() -> Path:
    """Where environments and seeded instances are kept between runs."""
    given = os.environ.get("CIVITAS_COMPAT_CACHE")
    return Path(given) if given else platformdirs.user_cache_path("civitas-compat")


CIVITAI_PY = PythonClient("civitai", "1.0.0")
# Two libraries of one import name: this one speaks the older API of jobs.
CIVITAI_JOBS_PY = PythonClient("civitai-py", "0.1.10")
STANDARD_WEBHOOKS = PythonClient("standardwebhooks", "1.1.0")
CIVITAI_CLIENT_JS = NodeClient("@civitai/client", "0.2.0-beta.86")
CIVITAI_JOBS_JS = NodeClient("civitai", "0.1.15")
ESBUILD = "esbuild@0.28.2"
CIVITAI_DOWNLOADER = PythonClient("civitai-downloader", "1.3.5", with_dependencies=False)
CIVITDL = PythonClient("civitdl", "2.2.0")
COMFY_CLI = PythonClient("comfy-cli", "1.23.0")


class SeededHome:
    """A filled instance, kept as long as the sources that decide what is in it stay the same."""

    SOURCES = (
        "src/civitas/domains",
        "src/civitas/infra",
        "src/civitas/kit",
        "src/civitas/contracts",
        "src/civitas/app",
    )

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def fingerprint(self) -> str:
        """Of everything that seeding runs."""
        found = hashlib.sha256()
        paths = [
            path for source in self.SOURCES for path in (self._root / source).rglob("*") if path.is_file()
        ]
        paths += [self._root / "tests/compat/seeding.py", self._root / "tests/factories/accounts.py"]
        for path in sorted(paths):
            if "__pycache__" not in path.parts:
                found.update(path.read_bytes())
        return found.hexdigest()[:16]

    def copy_to(self, home: Path) -> None:
        """Put a fresh copy at `home`, making the original first if need be. RuntimeError with what went wrong."""
        kept = cache_folder() / "homes"
        kept.mkdir(parents=True, exist_ok=True)
        original = kept / self.fingerprint
        with FileLock(str(kept / "lock")):
            if not original.exists():
                self._make(home, kept, original)
            elif not home.exists():
                subprocess.run(["cp", "-a", str(original), str(home)], check=True)

    def _make(self, home: Path, kept: Path, original: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "tests.compat.seeding", str(home)],
            cwd=self._root, capture_output=True, text=True, timeout=600, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"Seeding failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        older = sorted(
            (path for path in kept.iterdir() if path.is_dir()), key=lambda path: path.stat().st_ctime
        )
        for path in older[:-KEPT_HOMES]:
            shutil.rmtree(path)
        # Owners and modes belong to a database's folder.
        subprocess.run(["cp", "-a", str(home), str(original)], check=True)
