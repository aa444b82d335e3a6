"""Named servers and their keys, kept in a TOML file that only its owner can read."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from civitas.faces.cli.exits import UsageFault
from civitas.kit.errors import NotFound

DEFAULT_URL = "http://127.0.0.1:8000"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Profile:
    """One server as one person: `key` is None for an anonymous visitor."""

    name: str
    url: str
    key: str | None = field(default=None, repr=False)
    username: str | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port (RFC 6454): a key is only ever sent to this."""
        return origin_of(self.url)


@dataclass(frozen=True, slots=True)
class Book:
    """All profiles of this person and the name of the one used when none is named."""

    profiles: Mapping[str, Profile] = field(default_factory=dict)
    default: str | None = None


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, lower-case host and port of a URL; raises UsageFault when it is not http(s) or has no host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageFault(f"{url!r} is not a web address.") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise UsageFault(f"{url!r} is not a web address: write it as https://host or http://host:port.")
    return parts.scheme, parts.hostname.lower(), port or _DEFAULT_PORTS[parts.scheme]


def tidy_url(url: str) -> str:
    """A server's address without path, query, credentials or trailing slash; a bare host becomes https.

    Raises UsageFault for anything that is not a web address.
    """
    text = url.strip()
    if "://" not in text:
        local = text.startswith(("localhost", "127.", "[::1]"))
        text = f"{'http' if local else 'https'}://{text}"
    scheme, host, port = origin_of(text)
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{shown}:{port}"


def profile_name(text: str) -> str:
    """`text` when it can name a profile; raises UsageFault otherwise."""
    if not _NAME.fullmatch(text):
        raise UsageFault(
            "A profile name has letters, digits, - and _ only, at most 40, and starts with no sign."
        )
    return text


def book_path() -> Path:
    """Where the profiles are kept: `profiles.toml` in the user's configuration folder."""
    return platformdirs.user_config_path("civitas", appauthor=False) / "profiles.toml"


def read_book(path: Path | None = None) -> Book:
    """Read all profiles; an absent file is an empty book. A file that others can read is closed to them.

    Raises UsageFault when the file is not what `write_book` writes.
    """
    path = path or book_path()
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Book()
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)
    try:
        tree = tomllib.loads(raw.decode())
        profiles = {
            name: Profile(name, str(entry["url"]), entry.get("key"), entry.get("username"))
            for name, entry in tree.get("profiles", {}).items()
        }
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, AttributeError, TypeError):
        raise UsageFault(f"{path} is damaged; correct it, or delete it and sign in again.") from None
    default = tree.get("default")
    return Book(profiles, default if default in profiles else None)


def write_book(book: Book, path: Path | None = None) -> None:
    """Replace the file of profiles in one step, readable by its owner alone (mode 0600)."""
    path = path or book_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = ["# Servers and keys of the civitas command. Keep it to yourself.\n"]
    if book.default:
        lines.append(f"default = {json.dumps(book.default, ensure_ascii=False)}\n")
    for profile in book.profiles.values():
        lines.append(f"\n[profiles.{profile.name}]\nurl = {json.dumps(profile.url, ensure_ascii=False)}\n")
        lines += [
            f"{key} = {json.dumps(value, ensure_ascii=False)}\n"
            for key, value in (("key", profile.key), ("username", profile.username))
            if value
        ]
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write("".join(lines))
    fresh.replace(path)


def remember(book: Book, profile: Profile, *, make_default: bool) -> Book:
    """The book with `profile` added or replaced; the first one becomes the default."""
    profiles = {**book.profiles, profile.name: profile}
    return Book(profiles, profile.name if make_default or not book.default else book.default)


def forget(book: Book, name: str) -> Book:
    """The book without that profile's key; raises NotFound when there is no such profile."""
    if name not in book.profiles:
        raise NotFound(f"There is no profile named {name}.")
    profiles = {key: value for key, value in book.profiles.items() if key != name}
    default = next(iter(profiles), None) if book.default == name else book.default
    return Book(profiles, default)


def choose(name: str | None, environ: Mapping[str, str], book: Book) -> Profile:
    """The profile to use: the named one, else CIVITAS_URL and CIVITAS_KEY, else the default, else localhost.

    CIVITAS_URL alone takes the key of a profile of the same origin; CIVITAS_KEY alone replaces the profile's key.
    Raises NotFound for a name that is not in the book.
    """
    if name:
        if name not in book.profiles:
            known = ", ".join(book.profiles) or "none yet"
            raise NotFound(
                f"There is no profile named {name} (known: {known}); make it with `civitas login`."
            )
        return book.profiles[name]
    url, key = environ.get("CIVITAS_URL"), environ.get("CIVITAS_KEY")
    if url:
        known_profile = of_origin(book, url)
        if known_profile and not key:
            return known_profile
        return Profile("environment", tidy_url(url), key)
    profile = book.profiles[book.default] if book.default else Profile("default", DEFAULT_URL)
    return replace(profile, key=key) if key else profile


def of_origin(book: Book, url: str) -> Profile | None:
    """The first profile whose server has the origin of `url`, the default one before others."""
    wanted = origin_of(tidy_url(url))
    ordered = sorted(book.profiles.values(), key=lambda profile: profile.name != book.default)
    return next((profile for profile in ordered if profile.origin == wanted), None)
