"""How uploaded files are scanned."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field


class ScannerSettings(BaseModel):
    """Limits of the sandbox in which files are inspected, and where ClamAV answers."""

    timeout_s: float = Field(
        default=300, gt=0, description="A scan that takes longer ends as an error, in seconds."
    )
    cpu_s: int = Field(default=240, ge=1, description="Processor time one scan may use, in seconds.")
    memory_mb: int = Field(
        default=2048, ge=256, description="Memory one scan may use, in MiB; more ends it as an error."
    )
    output_kb: int = Field(
        default=1024, ge=16, description="Largest report that the sandbox may write, in KiB."
    )
    max_file_gb: float = Field(
        default=200, gt=0, description="Files larger than this are not scanned and stay blocked, in GiB."
    )
    spool_gb: float = Field(
        default=60,
        gt=0,
        description="Room for the copy of a file that has to be fetched from remote storage, in GiB.",
    )
    spool_folder: Path | None = Field(
        default=None,
        description="Where such copies lie during the scan. Empty: the system's temporary folder.",
    )
    archive_members: int = Field(
        default=20_000, ge=1, description="Archives with more members than this are refused as bombs."
    )
    archive_unpacked_gb: float = Field(
        default=100, gt=0, description="Archives that unpack to more than this are refused as bombs, in GiB."
    )
    archive_ratio: float = Field(
        default=50,
        gt=1,
        description="Archive members of 64 MiB or more that shrink by more than this factor are refused as bombs.",
    )
    archive_depth: int = Field(
        default=3, ge=0, le=10, description="How deep archives within archives are looked into."
    )
    nested_mb: int = Field(
        default=256, ge=1, description="Largest archive within an archive that is looked into, in MiB."
    )
    require_network_isolation: bool = Field(
        default=False,
        description="Refuse to scan where the sandbox cannot be cut off from the network.",
    )
    extra_allowed_globals: list[str] = Field(
        default_factory=list,
        description="Further Python names that pickles may import, such as `torch.nn.Linear`. Each one is trusted.",
    )
    clamd: str | None = Field(
        default=None,
        description="ClamAV's daemon: `unix:/run/clamav/clamd.ctl` or `tcp://127.0.0.1:3310`. Empty: no virus scan.",
    )
    clamd_timeout_s: float = Field(
        default=120, gt=0, description="How long clamd may stay silent, in seconds."
    )
    clamd_max_mb: int = Field(
        default=2000, ge=1, description="What clamd's StreamMaxLength allows, in MiB (clamd's limit is 4000)."
    )
    clamd_oversize: Literal["error", "first_part"] = Field(
        default="error",
        description="Larger files: `error` blocks them; `first_part` scans as much as clamd takes and says so.",
    )
