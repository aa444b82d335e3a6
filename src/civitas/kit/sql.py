"""Named SQL statements kept in `.sql` files.

A file holds statements, each after a line `-- name: the_name`. Comments after it belong to the statement.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from types import MappingProxyType

_NAME = re.compile(r"^--\s*name:\s*([a-z0-9_]+)\s*$", re.MULTILINE)


@cache
def statements(package: str, filename: str) -> MappingProxyType[str, str]:
    """All named statements of `sql/<filename>` in `package`, by name.

    Raises ValueError when a name occurs twice or text stands before the first name.
    """
    text = resources.files(package).joinpath("sql", filename).read_text(encoding="utf-8")
    pieces = _NAME.split(text)
    if pieces[0].strip() and not pieces[0].lstrip().startswith("--"):
        raise ValueError(f"{package}/sql/{filename}: text before the first name")
    found: dict[str, str] = {}
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in found:
            raise ValueError(f"{package}/sql/{filename}: {name} is named twice")
        found[name] = body.strip().rstrip(";")
    return MappingProxyType(found)
