"""Names made safe: slugs, file names, folded search words."""

from __future__ import annotations

import re
import unicodedata

_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_NOT_ASCII_FILE = re.compile(r"[^A-Za-z0-9._() \[\]+@-]+")
_RESERVED = re.compile(r"^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)


def fold(text: str) -> str:
    """Lower case without accents, NFKC: two texts that people would call the same word fold alike."""
    wide = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(ch for ch in wide if not unicodedata.combining(ch))


def slug(text: str, fallback: str = "untitled", limit: int = 60) -> str:
    """A URL segment of `a-z0-9-`, at most `limit` characters, never empty."""
    made = _NOT_SLUG.sub("-", fold(text)).strip("-")[:limit].strip("-")
    return made or fallback


def clean_line(text: str) -> str:
    """One line of visible text: NFC, control and bidirectional-override characters out, spaces single."""
    kept = (
        ch
        if unicodedata.category(ch) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} or ch in "\u200c\u200d"
        else " "
        for ch in unicodedata.normalize("NFC", text)
    )
    return " ".join("".join(kept).split())


def clean_block(text: str) -> str:
    """Several lines of visible text: every line as by `clean_line`, no blank lines at the ends, never two inside."""
    lines = [clean_line(line) for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    kept = [line for at, line in enumerate(lines) if line or (at > 0 and lines[at - 1])]
    return "\n".join(kept).strip("\n")


_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def clean_markdown(text: str) -> str:
    """Text that people format: NFC, line ends as one, control and bidirectional-override characters out.

    Indents, blank lines and tabs mean something there, so they stay; what is blank at the ends goes.
    """
    kept = (
        ch if ch in "\n\t\u200c\u200d" or unicodedata.category(ch) not in _INVISIBLE else ""
        for ch in unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    )
    lines = [
        line.rstrip() if not line.endswith("  ") else line.rstrip() + "  "
        for line in "".join(kept).split("\n")
    ]
    return "\n".join(lines).strip("\n").rstrip() if any(line.strip() for line in lines) else ""


def _plain(text: str) -> str:
    return _NOT_ASCII_FILE.sub("_", unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode())


def ascii_filename(name: str, fallback: str = "file", limit: int = 150) -> str:
    """A file name that every system and every old client can store: ASCII, no path, no quote, no `=`.

    WIRE rule 3: Content-Disposition must hold exactly one `=`. The extension survives the cut to `limit`.
    """
    base = name.replace("\\", "/").rsplit("/", 1)[-1].strip()
    stem, dot, ext = base.rpartition(".")
    if not dot:
        stem, ext = base, ""
    stem, ext = _plain(stem).strip(" ._") or fallback, _plain(ext).strip(" ._")
    if _RESERVED.match(stem):
        stem = f"_{stem}"
    return f"{stem[: limit - len(ext) - 1]}.{ext}" if ext else stem[:limit]
