"""`python -m bench [hashing|start|upload|catalog ...]`: all of them, or those named."""

from __future__ import annotations

import importlib
import sys

SECTIONS = {
    "hashing": "bench.hashing",
    "start": "bench.starting",
    "upload": "bench.uploading",
    "catalog": "bench.catalog",
}


def main() -> None:
    """Run the named benchmarks in turn."""
    chosen = sys.argv[1:] or list(SECTIONS)
    for name in chosen:
        if name not in SECTIONS:
            raise SystemExit(f"There is no benchmark {name}; there are {', '.join(SECTIONS)}.")
        importlib.import_module(SECTIONS[name]).run()


if __name__ == "__main__":
    main()
