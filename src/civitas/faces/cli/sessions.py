"""What every command shares: its profile, its client, its output, and how it ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Annotated

import typer

from civitas.faces.cli.client import SiteClient
from civitas.faces.cli.downloading import Settings
from civitas.faces.cli.exits import Exit, exit_code
from civitas.faces.cli.hashing import HashCache
from civitas.faces.cli.profiles import Book, Profile, choose, of_origin, read_book, tidy_url
from civitas.faces.cli.references import Reference
from civitas.faces.cli.rendering import Bars, Output
from civitas.faces.cli.transfers import Limits
from civitas.kit.errors import Fault

AGAIN = "What has arrived is kept; run the same command again to continue."

ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", "-p", help="Use this server; see `civitas login`.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine output on stdout, and nothing else there.")]
PatienceOption = Annotated[
    float, typer.Option("--patience", min=0, help="Longest wait in seconds that a server may ask for.")
]
ConnectionsOption = Annotated[
    int, typer.Option("--connections", min=1, max=32, help="Parallel connections for one file.")
]


@dataclass(slots=True)
class Session:
    """One run of a command."""

    output: Output
    book: Book
    profile: Profile
    patience: float
    connections: int
    stop: threading.Event = field(default_factory=threading.Event)
    _clients: dict[tuple[str, str | None], SiteClient] = field(default_factory=dict)

    def client(self, profile: Profile | None = None) -> SiteClient:
        """The client of a profile, this run's own one by default; the same one every time."""
        who = profile or self.profile
        if (who.url, who.key) not in self._clients:
            self._clients[who.url, who.key] = SiteClient(
                who.url, who.key, patience=self.patience, notify=self.output.notice, stop=self.stop
            )
        return self._clients[who.url, who.key]

    def client_of(self, reference: Reference) -> SiteClient:
        """The client for the server that an address names, with the key of its profile; else this run's own."""
        if reference.server is None or tidy_url(reference.server) == self.profile.url:
            return self.client()
        return self.client(self.profile_of(reference.server))

    def profile_of(self, url: str) -> Profile:
        """The profile of a server's address, or nobody there."""
        if tidy_url(url) == self.profile.url:
            return self.profile
        return of_origin(self.book, url) or Profile("visitor", tidy_url(url))

    def settings(self, *, overwrite: bool = False, cache: HashCache | None = None) -> Settings:
        """How files are moved in this run."""
        return Settings(
            limits=Limits(connections=self.connections, patience=self.patience),
            overwrite=overwrite,
            watcher=Bars(self.output),
            notify=self.output.notice,
            stop=self.stop,
            cache=cache,
        )

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()


@contextmanager
def reported(output: Output, resumable: str = "") -> Iterator[None]:
    """Turn a fault into one line and its exit code, and an interrupt into how to go on."""
    try:
        yield
    except Fault as fault:
        output.failure(fault)
        raise typer.Exit(exit_code(fault)) from None
    except KeyboardInterrupt:
        output.notice(f"Interrupted. {resumable}".strip(), "yellow")
        if output.json:
            output.result({"error": "Interrupted.", "code": "interrupted", "exit": int(Exit.INTERRUPTED)})
        raise typer.Exit(Exit.INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our output has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise typer.Exit(Exit.OK) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        output.notice(f"error: {place}{error.strerror or error}", "bold red")
        if output.json:
            output.result(
                {"error": f"{place}{error.strerror or error}", "code": "system", "exit": int(Exit.ERROR)}
            )
        raise typer.Exit(Exit.ERROR) from None


@contextmanager
def session(
    profile: str | None,
    *,
    json: bool = False,
    patience: float = 120.0,
    connections: int = 4,
    resumable: str = "",
) -> Iterator[Session]:
    """A run of a command against a profile's server; SIGTERM ends it as Ctrl-C does."""
    output = Output(json=json)
    with reported(output, resumable), _terminable():
        book = read_book()
        run = Session(output, book, choose(profile, os.environ, book), patience, connections)
        try:
            yield run
        except KeyboardInterrupt:
            run.stop.set()
            raise
        finally:
            run.close()


@contextmanager
def _terminable() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
