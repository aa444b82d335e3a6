"""`civitas up`: the database, the serving and background processes, one supervisor."""

from __future__ import annotations

import fcntl
import http.client
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import structlog
from rich.console import Console
from rich.table import Table

from civitas.app.lifeline import SUPERVISOR, listen
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.search.settings import LONGEST_PATH
from civitas.infra.settings import Settings
from civitas.kit.errors import Conflict, Unavailable

log = structlog.get_logger(__name__)

SOONEST_RESTART_S = 0.5
LATEST_RESTART_S = 30.0
STEADY_AFTER_S = 60.0
READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 40.0
AGENT_STOP_S = 15.0


@dataclass
class Child:
    """One process under supervision."""

    name: str
    arguments: list[str]
    pass_fds: tuple[int, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    # Variables of ours that it does not see.
    without: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_s: float = SOONEST_RESTART_S
    restart_at: float = 0.0
    restarts: int = 0

    def start(self) -> None:
        """Start it, in a process group of its own so that Ctrl-C reaches the supervisor alone."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "civitas.app.main", *self.arguments],
            env={
                **{name: value for name, value in os.environ.items() if name not in self.without},
                **self.environment,
                SUPERVISOR: str(os.getpid()),
            },
            pass_fds=self.pass_fds,
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
        self.started_at = time.monotonic()

    def tend(self) -> None:
        """Restart it when it died, after a pause that grows while it keeps dying."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            if now - self.started_at > STEADY_AFTER_S:
                self.pause_s = SOONEST_RESTART_S
            log.error("child.died", child=self.name, code=self.process.returncode, again_in_s=self.pause_s)
            self.process, self.restart_at = None, now + self.pause_s
            self.pause_s = min(self.pause_s * 2, LATEST_RESTART_S)
            self.restarts += 1
        if self.process is None and now >= self.restart_at:
            self.start()

    def signal(self, number: int) -> None:
        """Send a signal if it lives."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within this time."""
        if self.process is None:
            return True
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


class Supervisor:
    """Starts everything in order, keeps it running, stops it in the other order."""

    def __init__(self, settings: Settings, console: Console) -> None:
        self.settings = settings
        self.console = console
        self.server = EmbeddedServer(settings.home, settings.database)
        self.children: list[Child] = []
        self.stopping = False
        self._embedded = settings.database.url is None
        self._demo: subprocess.Popen[bytes] | None = None

    def run(self, *, demo: bool = False, once_ready: bool = False) -> None:
        """Run until Ctrl-C or SIGTERM. `demo` fills an empty catalogue; `once_ready` stops at once (for timing).

        Raises Conflict when this data folder is in use, Unavailable when a part does not start.
        """
        self.settings.home.mkdir(parents=True, exist_ok=True)
        with (self.settings.home / "up.lock").open("w") as lock:
            self._hold(lock.fileno())
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._on_signal)
            listener = listen(self.settings.site.host, self.settings.site.port)
            try:
                dsn = self._start_database()
                self._prepare(dsn)
                self._start_children(listener.fileno())
                self._wait_ready()
                if not self.stopping:
                    self._tell()
                    if demo:
                        self._make_demo()
                while not self.stopping and not once_ready:
                    self._tend(dsn)
                    time.sleep(0.2)
            finally:
                self._stop()
                listener.close()

    def _hold(self, fd: int) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"Civitas already runs from {self.settings.home}; stop it, or choose another CIVITAS_HOME."
            ) from None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _start_database(self) -> str:
        if not self._embedded:
            return str(self.settings.database.url)
        self.server.stop_orphan()
        return self.server.start().dsn

    def _prepare(self, dsn: str) -> None:
        """Migrate, and have a token for our agent, in a forked child: the supervisor never carries what that imports."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                import asyncio

                from civitas.app import own_agent, schema

                schema.upgrade(dsn)
                if self.settings.agent.beside_site:
                    asyncio.run(own_agent.ensure(dsn, self.settings.home))
                code = 0
            finally:
                os._exit(code)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
            raise Unavailable("The database could not be brought up to date; `civitas db upgrade` says why.")

    def _make_demo(self) -> None:
        """Fill an empty catalogue while the site already serves; it grows as the pictures are done."""
        self._demo = subprocess.Popen(
            [sys.executable, "-m", "civitas.app.main", "demo", "create", "--if-empty", "--background"],
            env={**os.environ, SUPERVISOR: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            process_group=0,
        )

    def _start_children(self, fd: int) -> None:
        for number in range(self.settings.site.serve_processes):
            self.children.append(Child(f"serve {number + 1}", ["serve", "--fd", str(fd)], pass_fds=(fd,)))
        self.children.append(Child("background", ["background"]))
        if self.settings.index.enabled and self._index_can_listen():
            self.children.append(Child("index", ["index"]))
        if self.settings.agent.beside_site:
            self.children.append(self._agent())
        for child in self.children:
            child.start()

    def _index_can_listen(self) -> bool:
        path = self.settings.index.path(self.settings.home)
        fits = len(os.fsencode(path)) <= LONGEST_PATH
        if not fits:
            log.warning(
                "index.off", reason=f"{path} is too long for a socket; set index.socket to a shorter path"
            )
        return fits

    def _agent(self) -> Child:
        """The agent beside the site: it works for this site, whatever other one the settings name."""
        own = {
            "CIVITAS_AGENT__SERVER": self.url(),
            "CIVITAS_AGENT__TOKEN_FILE": str(self.settings.home / "agent.token"),
        }
        return Child(
            "agent", ["agent"], environment=own, without=("CIVITAS_AGENT__TOKEN", "CIVITAS_AGENT_TOKEN")
        )

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline and not self.stopping:
            if self._answers():
                return
            for child in self.children:
                child.tend()
            time.sleep(0.1)
        if not self.stopping:
            raise Unavailable("The site did not become ready in time; the log above says why.")

    def _answers(self) -> bool:
        host = self.url().removeprefix("http://").rpartition(":")[0]
        connection = http.client.HTTPConnection(host, self.settings.site.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _tend(self, dsn: str) -> None:
        if self._embedded and not self.server.running:
            log.error("database.died")
            self.server.start()
        for child in self.children:
            child.tend()

    def _stop(self) -> None:
        if self._demo is not None and self._demo.poll() is None:
            self._demo.terminate()
            self._demo.wait()
        # First the agent, while the site still takes its results.
        for child in self.children:
            if child.name == "agent":
                child.signal(signal.SIGTERM)
                child.wait(AGENT_STOP_S)
        for child in self.children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for child in self.children:
            if not child.wait(max(0.1, deadline - time.monotonic())):
                child.signal(signal.SIGKILL)
                child.wait(STOP_TIMEOUT_S)
        if self._embedded:
            self.server.stop()
        self.console.print("Civitas has stopped; everything is kept in " + str(self.settings.home))

    def url(self) -> str:
        """Where this machine reaches the site."""
        host = self.settings.site.host
        shown = "127.0.0.1" if host in {"0.0.0.0", "::", "localhost"} else host  # noqa: S104
        return f"http://{shown}:{self.settings.site.port}"

    def _tell(self) -> None:
        table = Table(show_header=False, box=None, padding=(0, 2))
        table.add_row("[bold]Open[/]", f"[bold cyan]{self.url()}[/]")
        database = f"embedded PostgreSQL, process {self.server.pid}" if self._embedded else "DATABASE_URL"
        table.add_row("Database", database)
        for child in self.children:
            table.add_row(child.name, f"process {child.process.pid if child.process else '-'}")
        table.add_row("Storage", self.settings.storage.url or str(self._storage_folder()))
        table.add_row("Mail", self.settings.mail.host or f"kept at {self.url()}/mailbox")
        table.add_row("Stop", "Ctrl-C")
        self.console.print()
        self.console.print(table)
        self.console.print()

    def _storage_folder(self) -> Path:
        return self.settings.storage.local_path or self.settings.home / "storage"
