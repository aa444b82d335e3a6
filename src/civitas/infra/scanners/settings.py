"""What an operator may set about the safety scan."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ScannerSettings(BaseModel):
    """Bounds of the sandboxed scan, and the antivirus."""

    memory_mb: int = Field(default=2048, ge=256, description="Memory the scan of one file may use, in MiB.")
    timeout_s: float = Field(default=900, gt=0, description="Time the scan of one file may take, in seconds.")
    clamd: str | None = Field(
        default=None,
        description="ClamAV daemon: `unix:/run/clamav/clamd.ctl` or `tcp:host:3310`. Empty: no antivirus.",
    )
