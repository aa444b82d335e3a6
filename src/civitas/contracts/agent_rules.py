"""What an operator may set about agents."""

from __future__ import annotations

from pydantic import BaseModel, Field


class AgentRules(BaseModel):
    """How agents are dealt with: the machines that run jobs."""

    heartbeat_s: float = Field(default=10, gt=0, le=300, description="An agent is to be heard of this often.")
    lease_s: float = Field(
        default=45,
        gt=0,
        le=3600,
        description="A claimed job goes to somebody else when nothing was heard of its agent for so many seconds. "
        "At least three heartbeats.",
    )
    no_provider_s: float = Field(
        default=120,
        ge=0,
        description="A job that no connected agent can run ends after so many seconds, and is paid back.",
    )
    hold_s: float = Field(
        default=8,
        ge=0,
        description="A job waits this long for a busy agent that has its model files before another downloads them.",
    )
    overdue_s: float = Field(
        default=30,
        ge=0,
        description="A job that waited longer is given to the next agent that can run it, files at hand or not.",
    )
    second_chance_s: float = Field(
        default=5,
        ge=0,
        description="An agent that failed a job may try it again when nobody took it for so long.",
    )
    look_s: float = Field(
        default=0.1,
        gt=0,
        le=10,
        description="How often each serving process looks for jobs for agents that wait.",
    )
    most_upload_mb: int = Field(
        default=2048, ge=1, description="Largest file that an agent may deliver for a job, in MiB."
    )
