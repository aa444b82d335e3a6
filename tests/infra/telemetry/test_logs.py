"""What is logged, and what never is."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A process of its own: the configuration is the process's, and pytest has one of its own.
FAILING = """
import structlog
from civitas.infra.telemetry.logs import configure
from civitas.infra.telemetry.settings import TelemetrySettings

configure(TelemetrySettings(log_format={format!r}), "serve")
def connect(address):
    raise OSError("no answer")
try:
    connect("postgresql://civitas:" + "open-" + "sesame@127.0.0.1/civitas")
except OSError:
    structlog.get_logger("x").warning("database.failed", exc_info=True)
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_tells_no_values_of_variables(log_format: str) -> None:
    script = FAILING.format(format=log_format)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "database.failed" in done.stderr and "no answer" in done.stderr and "connect" in done.stderr
    assert "open-sesame" not in done.stderr
