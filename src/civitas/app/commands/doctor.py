"""`civitas doctor`: what is misconfigured, in plain words, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg
import typer
from pydantic import ValidationError

from civitas.app import lifeline, schema
from civitas.app.house import find_dsn
from civitas.app.secrets import MIN_LENGTH
from civitas.infra import settings as settings_room
from civitas.infra.db.embedded import binaries
from civitas.infra.search.asking import SocketIndex
from civitas.infra.search.settings import LONGEST_PATH
from civitas.infra.settings import Settings
from civitas.kit.errors import Fault

Level = Literal["ok", "note", "wrong"]
MARKS = {"ok": "[green]ok[/]   ", "note": "[yellow]note[/] ", "wrong": "[red]wrong[/]"}
LITTLE_SPACE = 5 * 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    text: str


def doctor() -> None:
    """Look at settings, data folder, database, storage, mail and ports; exit code 1 when something is wrong."""
    from civitas.app.console import out

    findings = list(examine())
    for finding in findings:
        out.print(f"{MARKS[finding.level]} {finding.text}", highlight=False)
    if any(finding.level == "wrong" for finding in findings):
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    """Every check in turn; one that cannot be made is a finding too."""
    yield from _program()
    try:
        settings = settings_room.load()
    except ValidationError as error:
        for item in error.errors():
            name = "CIVITAS_" + "__".join(str(part).upper() for part in item["loc"])
            yield Finding(
                "wrong", f"{name} is not valid: {item['msg']}. docs/configure.md lists every setting."
            )
        return
    for check in (_files, _secret, _site, _home, _database, _storage, index_of, _mail, _scanner, _proxies):
        yield from check(settings)


def _program() -> Iterator[Finding]:
    yield Finding("ok", f"Python {sys.version.split()[0]} on {sys.platform}.")
    try:
        found = binaries() / "postgres"
        yield Finding(
            "ok" if found.exists() else "wrong", f"The PostgreSQL that comes along is at {found.parent}."
        )
    except Fault as fault:
        yield Finding("wrong", fault.message)


def _files(settings: Settings) -> Iterator[Finding]:
    read = [str(path) for path in settings_room.config_files() if path.exists()]
    yield Finding(
        "ok", f"Settings come from {' and '.join(read) if read else 'the environment and the defaults'}."
    )
    named = os.environ.get("CIVITAS_CONFIG")
    if named and not Path(named).exists():
        yield Finding("wrong", f"CIVITAS_CONFIG names {named}, which does not exist.")


def _secret(settings: Settings) -> Iterator[Finding]:
    if settings.secret_key is None:
        if settings.database.url:
            yield Finding(
                "note",
                "secret_key is not set: each machine makes its own, so several serving machines would not accept each "
                "other's links and sessions. Set the same CIVITAS_SECRET_KEY on all of them.",
            )
    elif len(settings.secret_key.get_secret_value()) < MIN_LENGTH:
        yield Finding("wrong", f"secret_key is shorter than {MIN_LENGTH} characters and can be guessed.")


def _site(settings: Settings) -> Iterator[Finding]:
    site = settings.site
    open_to_all = not lifeline.is_loopback(site.host)
    if site.base_url and not site.base_url.startswith(("http://", "https://")):
        yield Finding("wrong", f"site.base_url is {site.base_url}; it must begin with https:// or http://.")
    if open_to_all and not (site.base_url or "").startswith("https://"):
        yield Finding(
            "note",
            f"The site listens on {site.host} for everyone, but site.base_url is not an https:// address: put a proxy "
            "with TLS in front and name the public address, or cookies and passwords travel in the clear.",
        )
    if site.development and open_to_all:
        yield Finding(
            "wrong", "site.development is on while the site listens for everyone: anyone can read the mail."
        )
    with socket.socket(socket.AF_INET6 if ":" in site.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((site.host, site.port))
            yield Finding("ok", f"Port {site.port} on {site.host} is free.")
        except OSError as error:
            yield Finding(
                "note", f"Port {site.port} on {site.host} is in use ({error.strerror}); perhaps by Civitas."
            )


def _home(settings: Settings) -> Iterator[Finding]:
    folder = settings.home
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK):
        yield Finding("wrong", f"The data folder {folder} cannot be written; choose another CIVITAS_HOME.")
        return
    free = shutil.disk_usage(existing).free
    level: Level = "note" if free < LITTLE_SPACE else "ok"
    yield Finding(level, f"The data folder is {folder}, with {free / 2**30:.0f} GiB free.")


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        dsn = find_dsn(settings)
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            version = connection.info.server_version
    except Fault as fault:
        yield Finding("note", fault.message)
        return
    except psycopg.OperationalError as error:
        if settings.database.url is None:
            yield Finding("note", "The embedded database is not running now; `civitas up` starts it.")
        else:
            yield Finding("wrong", f"The database does not answer: {str(error).splitlines()[0]}.")
        return
    if version < 160000:
        yield Finding("wrong", f"PostgreSQL {version // 10000} is too old; Civitas needs 16 or newer.")
    current, head = schema.current(dsn), schema.head()
    if current != head:
        yield Finding(
            "wrong", f"The schema is at {current or 'nothing'}, not at {head}: run `civitas db upgrade`."
        )
    else:
        yield Finding("ok", f"PostgreSQL {version // 10000} answers and its schema is up to date.")


def _storage(settings: Settings) -> Iterator[Finding]:
    storage = settings.storage
    if storage.url is None:
        yield Finding("ok", f"Files are kept in {storage.local_path or settings.home / 'storage'}.")
    elif not storage.url.startswith("s3://"):
        yield Finding("wrong", f"storage.url is {storage.url}; it must be s3://bucket or empty.")
    elif (storage.s3_endpoint or "").startswith("http://") and not storage.s3_allow_http:
        yield Finding("wrong", "storage.s3_endpoint is plain http; set storage.s3_allow_http, or use https.")
    else:
        yield Finding("ok", f"Files are kept in {storage.url}.")


def index_of(settings: Settings) -> Iterator[Finding]:
    """Whether the index in memory answers on this machine, and what it holds."""
    if not settings.index.enabled:
        yield Finding(
            "note", "The index in memory is off (index.enabled): many filters, and search, go by SQL."
        )
        return
    path = settings.index.path(settings.home)
    if len(os.fsencode(path)) > LONGEST_PATH:
        yield Finding("wrong", f"{path} is too long for a socket; set index.socket to at most 100 bytes.")
        return
    status = asyncio.run(_asked(SocketIndex(path)))
    if status is None:
        yield Finding("note", f"No index answers at {path}; `civitas up` or `civitas index` starts one.")
    elif status["state"] in ("refused", "lost"):
        yield Finding("wrong", f"The index in memory is of no use now ({status['state']}): {status['note']}")
    elif status["answers"]:
        held = ", ".join(f"{count:,} {name}" for name, count in status["documents"].items())
        yield Finding("ok", f"The index in memory holds {held} in {status['resident'] >> 20:,} MiB.")
    else:
        yield Finding("ok", f"The index in memory is at rest ({status['state']}): {status['note']}")


async def _asked(index: SocketIndex) -> dict[str, Any] | None:
    try:
        return await index.status()
    finally:
        await index.aclose()


def _mail(settings: Settings) -> Iterator[Finding]:
    if settings.mail.host:
        yield Finding("ok", f"Mail goes through {settings.mail.host}:{settings.mail.port}.")
    else:
        yield Finding(
            "note", "No mail server is set: mails are kept on the mailbox page, for administrators to read."
        )


def _scanner(settings: Settings) -> Iterator[Finding]:
    if settings.scanners.clamd is None:
        yield Finding(
            "note", "No antivirus is set (scanners.clamd): pickles and archives are still checked by us."
        )
    else:
        yield Finding("ok", f"The antivirus is asked at {settings.scanners.clamd}.")


def _proxies(settings: Settings) -> Iterator[Finding]:
    if settings.site.base_url and not settings.site.trusted_proxies:
        yield Finding(
            "note",
            "site.trusted_proxies is empty: behind a proxy every visitor seems to come from one address, and rate "
            "limits count them together. Name the proxy's address.",
        )
