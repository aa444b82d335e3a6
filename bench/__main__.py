"""`python -m bench [NAME ...]`: all benchmarks, or those named; each writes its section of the page.

`hashing`, `start`, `upload`, `catalog`, `gallery`, `growth`, `ledger`, `orchestration`, `callbacks`, `engine`, `pages`, `ingest`.

`catalog` loads a million models into `bench-home` first (CIVITAS_BENCH_HOME names another folder, CIVITAS_BENCH_MODELS
another number): 27 GB, half an hour on two cores.
"""

from __future__ import annotations

import importlib
import sys

SECTIONS = {
    "hashing": "bench.hashing",
    "start": "bench.starting",
    "upload": "bench.uploading",
    "catalog": "bench.catalog",
    "gallery": "bench.gallery",
    "growth": "bench.growth",
    "ledger": "bench.ledger",
    "orchestration": "bench.orchestration",
    "callbacks": "bench.callbacks",
    "engine": "bench.engine",
    "pages": "bench.pages",
    "ingest": "bench.ingesting",
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
