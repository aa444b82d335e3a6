"""How a command ends: exit codes that a script can rely on, and the faults that only a client has."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from civitas.kit.errors import (
    Conflict,
    Fault,
    Forbidden,
    Gone,
    Invalid,
    Limited,
    NotFound,
    PaymentNeeded,
    TooLarge,
    Unauthorised,
    Unavailable,
)


class Exit(IntEnum):
    """The exit codes of every user command; they never change their meaning."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    AUTH = 4
    FORBIDDEN = 5
    HASH_MISMATCH = 6
    NETWORK = 7
    RATE_LIMITED = 8
    REFUSED = 9
    NO_SPACE = 10
    UNSAFE = 11
    PARTIAL = 12
    INTERRUPTED = 130


MEANING: Mapping[Exit, str] = {
    Exit.OK: "done",
    Exit.ERROR: "another error, explained in one line",
    Exit.USAGE: "the command line or the manifest is wrong",
    Exit.NOT_FOUND: "no such model, version, file or profile, or it was removed (404, 410)",
    Exit.AUTH: "no key, or the key does not hold (401)",
    Exit.FORBIDDEN: "not allowed: early access, a missing scope, a private model (402, 403)",
    Exit.HASH_MISMATCH: "the bytes that arrived are not the bytes that were promised",
    Exit.NETWORK: "the server cannot be reached or answers with errors (5xx)",
    Exit.RATE_LIMITED: "too many requests (429), and the server asks to wait longer than --patience",
    Exit.REFUSED: "the server refuses what was sent (400, 409, 413)",
    Exit.NO_SPACE: "the disk is full, or would be",
    Exit.UNSAFE: "a safety scan failed",
    Exit.PARTIAL: "several things were asked for, and some of them failed",
    Exit.INTERRUPTED: "interrupted by Ctrl-C; the same command continues",
}


class UsageFault(Invalid):
    """The command line, a reference or a manifest cannot be understood."""

    code = "usage"


class HashMismatch(Fault):
    """The bytes are not the promised bytes; nothing was left under the final name."""

    kind, code = "conflict", "hash_mismatch"


class NetworkFault(Unavailable):
    """The server cannot be reached, breaks off, or answers with a server error."""

    code = "network"


class NoSpace(Fault):
    """The disk has too little room."""

    kind, code = "unavailable", "no_space"


class Unsafe(Fault):
    """A safety scan says that a file is dangerous, or could not clear it."""

    kind, code = "forbidden", "unsafe"


class SomeFailed(Fault):
    """Several things were asked for; some were done, some were not."""

    kind, code = "conflict", "some_failed"


_CODES: tuple[tuple[type[Fault], Exit], ...] = (
    (UsageFault, Exit.USAGE),
    (HashMismatch, Exit.HASH_MISMATCH),
    (NoSpace, Exit.NO_SPACE),
    (Unsafe, Exit.UNSAFE),
    (SomeFailed, Exit.PARTIAL),
    (NotFound, Exit.NOT_FOUND),
    (Gone, Exit.NOT_FOUND),
    (Unauthorised, Exit.AUTH),
    (Forbidden, Exit.FORBIDDEN),
    (PaymentNeeded, Exit.FORBIDDEN),
    (Limited, Exit.RATE_LIMITED),
    (Unavailable, Exit.NETWORK),
    (Invalid, Exit.REFUSED),
    (Conflict, Exit.REFUSED),
    (TooLarge, Exit.REFUSED),
)


def exit_code(fault: Fault) -> Exit:
    """The exit code of a command that ends with `fault`."""
    for kind, code in _CODES:
        if isinstance(fault, kind):
            return code
    return Exit.ERROR


def table() -> str:
    """The exit codes as lines of plain text, for the help of a command."""
    return "Exit codes: " + "; ".join(f"{code.value} {meaning}" for code, meaning in MEANING.items()) + "."
