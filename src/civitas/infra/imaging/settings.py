"""Limits and qualities of image handling."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MEBIBYTE = 1024 * 1024


class ImagingSettings(BaseModel):
    """What images are accepted, what is made of them, and what a decoder may use."""

    model_config = ConfigDict(frozen=True)

    max_bytes: int = Field(50_000_000, ge=1024, description="Largest image file accepted, in bytes.")
    max_pixels: int = Field(
        64_000_000,
        ge=256,
        description="Most pixels an image may have (width times height), checked before decoding.",
    )
    min_edge: int = Field(16, ge=1, description="Smallest width and height accepted, in pixels.")
    max_edge: int = Field(
        16_383, ge=16, le=16_383, description="Largest width and height accepted, in pixels."
    )
    max_frames: int = Field(2_000, ge=1, description="Most frames an animated image may have.")
    widths: tuple[int, ...] = Field(
        (96, 180, 320, 450, 640, 960, 1280, 2048),
        min_length=1,
        max_length=16,
        description="Widths, in pixels, at which smaller copies are made. Images are never enlarged.",
    )
    jpeg_quality: int = Field(82, ge=1, le=95, description="Quality of JPEG copies, 1 to 95.")
    webp_quality: int = Field(80, ge=1, le=100, description="Quality of WebP copies, 1 to 100.")
    avif_quality: int = Field(60, ge=1, le=100, description="Quality of AVIF copies, 1 to 100.")
    avif_speed: int = Field(
        8, ge=0, le=10, description="Speed of AVIF encoding, 0 (small files) to 10 (fast)."
    )
    moving_pixels: int = Field(
        60_000_000,
        ge=0,
        description="Most pixels of all frames together in the moving copy of an animated picture; 0 makes none.",
    )
    moving_cpu_seconds: float = Field(
        15, ge=0, description="Processor time for reading the frames of an animated picture, in seconds."
    )
    max_metadata_entries: int = Field(
        64, ge=1, description="Most text entries kept from one image's metadata."
    )
    max_metadata_text: int = Field(
        2 * MEBIBYTE, ge=1024, description="Most characters kept of one metadata entry, and of all together."
    )
    processes: int = Field(2, ge=1, le=32, description="Decoder processes that may run at the same time.")
    images_per_process: int = Field(
        200, ge=1, description="Images after which a decoder process is replaced."
    )
    memory: int = Field(
        2048 * MEBIBYTE, ge=256 * MEBIBYTE, description="Memory one decoder process may use, in bytes."
    )
    cpu_seconds: int = Field(60, ge=1, description="Processor time one image may use, in seconds.")
    wall_seconds: float = Field(
        90, gt=0, description="Time after which the decoder of one image is stopped, in seconds."
    )
