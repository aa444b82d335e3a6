"""The sandbox process: `python -I -m civitas.infra.scanners.sandbox FD`, started by `runner`.

It reads one request as JSON from its standard input, inspects the file that it inherited as descriptor FD, and
writes one answer as JSON to its standard output. All modules are loaded before it shuts itself in.
"""

from __future__ import annotations

import codecs
import json
import logging
import os
import sys
from importlib import metadata
from typing import Any

from civitas.infra.scanners.inspection.findings import Findings, Limits
from civitas.infra.scanners.inspection.views import View
from civitas.infra.scanners.inspection.walk import inspect
from civitas.infra.scanners.report import Verdict
from civitas.kit import confine

MAX_REQUEST = 256 * 1024


def run(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    """Inspect the open file `fd` as the request says; the answer is JSON-ready."""
    findings = Findings(
        Limits(
            members=request["members"],
            unpacked=request["unpacked"],
            ratio=request["ratio"],
            depth=request["depth"],
            nested=request["nested"],
            allowed=frozenset(request["allowed"]),
        )
    )
    size = os.fstat(fd).st_size
    if size != request["size"]:
        findings.add(
            "format", Verdict.ERROR, "The file does not have the size that it should have.", size=size
        )
    try:
        inspect(View(fd, 0, size), request["name"], findings)
    except MemoryError:
        findings.add("sandbox", Verdict.ERROR, "The scan needed more memory than it may use.")
    except RecursionError:
        findings.add("sandbox", Verdict.ERROR, "The file is nested too deeply to be looked into.")
    except OSError as error:
        findings.add("sandbox", Verdict.ERROR, "The file could not be read to its end.", error=str(error))
    return {
        "checks": [
            {"name": c.name, "verdict": c.verdict.value, "reason": c.reason, "details": dict(c.details)}
            for c in findings.checks()
        ],
        "imports": [[item.name, item.judgement.value] for item in findings.import_list()],
    }


def main() -> int:
    """Read the request, shut the process in, inspect, answer."""
    fd = int(sys.argv[1])
    request = json.loads(sys.stdin.buffer.read(MAX_REQUEST))
    logging.disable(logging.CRITICAL)
    # Found by name only when first used, and by then this process can no longer read where Python lives.
    for encoding in ("cp437", "ascii", "latin-1", "utf-8", "unicode-escape", "raw-unicode-escape"):
        codecs.lookup(encoding)
    versions = {"picklescan": metadata.version("picklescan"), "inspection": "1"}
    confine.limit(request["memory"], request["cpu_s"], request["nested"] + 1024 * 1024)
    isolation = confine.isolate()
    if request["require_isolation"] and isolation["network"] == "open":
        answer: dict[str, Any] = {"checks": [], "imports": []}
    else:
        answer = run(fd, request)
    answer |= {"versions": versions, "isolation": isolation}
    sys.stdout.buffer.write(json.dumps(answer).encode())
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    code = main()
    # Skips what the interpreter would still do at its end, which the limits may not allow.
    os._exit(code)
