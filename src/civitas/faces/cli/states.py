"""What a long command remembers on disk, so that the same command continues after a crash or a kill."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

import orjson
import platformdirs


class State:
    """A JSON object in the user's state folder, found again by what the command is about.

    Every `save` replaces the file in one step. Safe to share between threads.
    """

    def __init__(self, kind: str, *about: str, folder: Path | None = None) -> None:
        name = hashlib.sha256("\0".join(about).encode()).hexdigest()[:32]
        base = folder or platformdirs.user_state_path("civitas", appauthor=False)
        self.path = base / kind / f"{name}.json"
        self._lock = threading.Lock()
        try:
            tree = orjson.loads(self.path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            tree = None
        self.data: dict[str, Any] = tree if isinstance(tree, dict) else {"about": list(about)}

    def save(self) -> None:
        """Write what is remembered now."""
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.path.with_name(self.path.name + ".new")
            fresh.write_bytes(orjson.dumps(self.data, option=orjson.OPT_INDENT_2))
            fresh.replace(self.path)

    def branch(self, *keys: str) -> dict[str, Any]:
        """The object at this place of the tree, made when it is absent."""
        node = self.data
        for key in keys:
            below = node.get(key)
            if not isinstance(below, dict):
                below = node[key] = {}
            node = below
        return node

    def forget(self) -> None:
        """Delete the file: the work is done."""
        self.path.unlink(missing_ok=True)
        self.data = {}
