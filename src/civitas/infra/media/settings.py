"""Limits of media that people and addresses give us, and who rates it."""

from __future__ import annotations

from pydantic import BaseModel, Field, SecretStr


class MediaSettings(BaseModel):
    """Media of workflows."""

    max_upload_mb: int = Field(
        default=512,
        ge=1,
        description="Largest blob that can be uploaded or fetched, in MiB; pictures have their own limit.",
    )
    max_post_mb: int = Field(
        default=750,
        ge=1,
        description="Largest video or sound of a post, in MiB; pictures have their own limit.",
    )
    video_max_edge: int = Field(
        default=3840, ge=16, description="Largest width and height of a video, in pixels."
    )
    video_max_seconds: float = Field(
        default=245, gt=0, description="Longest video or sound of a post, in seconds."
    )
    video_processes: int = Field(default=1, ge=1, le=16, description="Videos that are read at the same time.")
    video_memory_mb: int = Field(
        default=4096, ge=512, description="Memory that the process reading one video may use, in MiB."
    )
    video_cpu_seconds: int = Field(
        default=600, ge=10, description="Processor time one video may use, in seconds."
    )
    video_wall_seconds: float = Field(
        default=540, gt=0, description="Time after which reading one video is given up, in seconds."
    )
    fetch_timeout_s: float = Field(
        default=120, gt=0, description="Foreign media that has not arrived after this long is given up."
    )
    development_hosts: list[str] = Field(
        default_factory=list,
        description="Host names that media may be fetched from over plain HTTP and in a private network, for development.",
    )
    rater_url: str = Field(
        default="",
        description="A service that rates pictures: it gets the bytes by POST and answers "
        '`{"nsfwLevel": "pg", "blockedReason": null}`. '
        "Empty: outputs are rated by the rule of their "
        "words and models, and by agents that rate; uploads stay their owner's alone.",
    )
    rater_token: SecretStr | None = Field(default=None, description="Bearer token for that service.")
    rater_timeout_s: float = Field(default=30, gt=0, description="How long it has to answer.")
