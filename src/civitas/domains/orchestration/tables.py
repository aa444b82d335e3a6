"""Mapped classes of workflows, steps, jobs and claims. Amounts of Buzz are whole quarters."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from civitas.domains.orchestration.types import OPEN, ClaimState, Status
from civitas.infra.db.base import Base, BigId, CreatedAt

STATUSES = ", ".join(f"'{status}'" for status in Status)
STILL_OPEN = "status IN ({})".format(", ".join(f"'{status}'" for status in OPEN))
PRIORITIES = "priority IN ('high', 'normal', 'low')"
LEVELS = "nsfw_level IN ('pg', 'pg13', 'r', 'x', 'xxx', 'na')"
EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_LIST = text("'[]'::jsonb")
NO_TEXTS = text("'{}'::text[]")
NO_NUMBERS = text("'{}'::bigint[]")


class Workflow(Base):
    """What somebody submitted: steps, what they may cost, who is told. The lock of all that belongs to it."""

    __tablename__ = "workflows"
    __table_args__ = (
        CheckConstraint(f"status IN ({STATUSES})", name="status"),
        CheckConstraint(f"(completed_at IS NULL) = ({STILL_OPEN})", name="completed"),
        CheckConstraint(LEVELS, name="nsfw_level"),
        CheckConstraint("upgrade_mode IN ('manual', 'automatic')", name="upgrade_mode"),
        CheckConstraint("cardinality(tags) <= 10", name="tags"),
        Index(
            "uq_workflows_person_id_external_id",
            "person_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        Index("ix_workflows_person_id", "person_id", "created_at", "id"),
        Index("ix_workflows_tags", "tags", postgresql_using="gin"),
        Index("ix_workflows_open", "person_id", postgresql_where=text(STILL_OPEN)),
        Index("ix_workflows_twin", "person_id", "fingerprint", "created_at"),
        Index("ix_workflows_forget_at", "forget_at", postgresql_where=text("forget_at IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    # The API key that submitted it, whose own limits count.
    key_id: Mapped[int | None]
    status: Mapped[str] = mapped_column(server_default="unassigned")
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=NO_TEXTS)
    # Named apart from SQLAlchemy's own `metadata`.
    notes: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    arguments: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    callbacks: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    tips: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    cost: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    # Which colours may pay, as asked; empty when nothing was said.
    currencies: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=NO_TEXTS)
    nsfw_level: Mapped[str | None]
    experimental: Mapped[bool | None]
    allow_mature: Mapped[bool | None]
    upgrade_mode: Mapped[str] = mapped_column(server_default="manual")
    ephemeral: Mapped[bool] = mapped_column(server_default=text("false"))
    external_id: Mapped[str | None]
    # SHA-256 of steps and arguments: the same work submitted again within moments is the same workflow.
    fingerprint: Mapped[bytes]
    # The site it came from (`main` or `green`): which colours pay and what may come out.
    domain: Mapped[str] = mapped_column(server_default="main")
    # Quarters reserved in one hold, and what was captured of it; the hold's key is `workflow:<id>`.
    reserved: Mapped[int] = mapped_column(server_default=text("0"))
    captured: Mapped[int] = mapped_column(server_default=text("0"))
    # The holds that carry the reservation, [{"id", "parts": [[colour, quarters], ...]}, ...]: one from the submission,
    # more when it turned out dearer on the way.
    holds: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    # Quarters that moved, newest last: [["debit" or "credit", colour, quarters], ...].
    transactions: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    # Whether mature output is kept back until it is paid in a colour that may pay for it.
    withheld: Mapped[bool] = mapped_column(server_default=text("false"))
    # When anything of it last changed: whoever waits looks at this alone.
    changed_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]
    forget_at: Mapped[datetime | None]


class WorkflowStep(Base):
    """One unit of work inside a workflow. Its jobs are made when everything it refers to is there."""

    __tablename__ = "workflow_steps"
    __table_args__ = (
        CheckConstraint(f"status IN ({STATUSES})", name="status"),
        CheckConstraint(f"(completed_at IS NULL) = ({STILL_OPEN})", name="completed"),
        CheckConstraint(PRIORITIES, name="priority"),
        UniqueConstraint("workflow_id", "name", name="uq_workflow_steps_workflow_id_name"),
        Index("ix_workflow_steps_created_at", "created_at", postgresql_using="brin"),
        Index("ix_workflow_steps_position", "workflow_id", "position"),
        Index("ix_workflow_steps_parent_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index(
            "ix_workflow_steps_expires_at",
            "expires_at",
            postgresql_where=text(f"expires_at IS NOT NULL AND {STILL_OPEN}"),
        ),
    )

    id: Mapped[BigId]
    workflow_id: Mapped[str] = mapped_column(
        Text(collation="C"), ForeignKey("workflows.id", ondelete="CASCADE")
    )
    # The `repeat` step that this one is a turn of.
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("workflow_steps.id", ondelete="CASCADE"))
    position: Mapped[int]
    name: Mapped[str]
    type: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="unassigned")
    # As submitted, references and all; and with every reference replaced, once that can be done.
    input: Mapped[dict[str, Any]]
    resolved: Mapped[dict[str, Any] | None]
    output: Mapped[dict[str, Any] | None]
    notes: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    priority: Mapped[str] = mapped_column(server_default="normal")
    timeout_s: Mapped[int | None]
    retries: Mapped[int] = mapped_column(server_default=text("0"))
    # Names of the steps that must succeed first.
    needs: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=NO_TEXTS)
    # What it costs in quarters, and its part in the workflow's cost.
    price: Mapped[int] = mapped_column(server_default=text("0"))
    # What of the price was delivered, once it has ended.
    delivered: Mapped[int] = mapped_column(server_default=text("0"))
    # What the price is made of and who gets a part of it: factors, fixed, fees, resources.
    terms: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    warnings: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    reason: Mapped[str | None]
    blocked_reason: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class Job(Base):
    """One piece of a step, done by one agent. Waiting jobs are claimed in the order of `place`."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"status IN ({STATUSES})", name="status"),
        CheckConstraint(f"(completed_at IS NULL) = ({STILL_OPEN})", name="completed"),
        Index("ix_jobs_created_at", "created_at", postgresql_using="brin"),
        Index("ix_jobs_workflow_id", "workflow_id", "step_id", "number"),
        Index("ix_jobs_waiting", "capability", "place", "id", postgresql_where=text("status = 'unassigned'")),
        Index(
            "ix_jobs_running",
            "capability",
            "started_at",
            postgresql_where=text("status IN ('preparing', 'scheduled', 'processing')"),
        ),
        # Claimed, and wanted by more agents still.
        Index(
            "ix_jobs_racing",
            "capability",
            "place",
            "id",
            postgresql_where=text("racers > 1 AND status IN ('preparing', 'scheduled', 'processing')"),
        ),
        Index("ix_jobs_person_id", "person_id", postgresql_where=text(STILL_OPEN)),
    )

    id: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    workflow_id: Mapped[str] = mapped_column(
        Text(collation="C"), ForeignKey("workflows.id", ondelete="CASCADE")
    )
    step_id: Mapped[int] = mapped_column(ForeignKey("workflow_steps.id", ondelete="CASCADE"))
    person_id: Mapped[int]
    # Its number among the step's jobs; a second try has the number of the first and a higher `attempt`.
    number: Mapped[int]
    attempt: Mapped[int] = mapped_column(server_default=text("1"))
    status: Mapped[str] = mapped_column(server_default="unassigned")
    step_type: Mapped[str]
    capability: Mapped[str]
    input: Mapped[dict[str, Any]]
    # Blobs that stand for `media:N`, and the model files needed, each with its digest.
    media: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    resources: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    digests: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=NO_TEXTS)
    # Ids of the blobs that its slots become.
    slots: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=NO_TEXTS)
    allow_mature: Mapped[bool] = mapped_column(server_default=text("true"))
    # Relative work in it; throughput is measured in this unit a second.
    complexity: Mapped[float] = mapped_column(server_default=text("1"))
    # Its part of the step's price, in quarters: given back when it does not succeed.
    worth: Mapped[int] = mapped_column(server_default=text("0"))
    # Lower is earlier: the person's turn, less what the priority is worth.
    place: Mapped[float]
    # How many agents may have it at the same time; more than one is a race.
    racers: Mapped[int] = mapped_column(server_default=text("1"))
    # Since when no connected agent can run it.
    unserved_since: Mapped[datetime | None]
    # Agents that failed or refused it.
    refused_by: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=NO_NUMBERS)
    progress: Mapped[float | None]
    preview: Mapped[str | None]
    # What its agent says of the work under way.
    note: Mapped[str | None]
    output: Mapped[dict[str, Any] | None]
    agent_id: Mapped[int | None]
    reason: Mapped[str | None]
    blocked_reason: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class JobClaim(Base):
    """One agent's try at one job. The id is the fencing token: a claim that is not open has no say."""

    __tablename__ = "job_claims"
    __table_args__ = (
        CheckConstraint(
            "state IN ({})".format(", ".join(f"'{state}'" for state in ClaimState)), name="state"
        ),
        Index("ix_job_claims_job_id", "job_id"),
        Index("uq_job_claims_won", "job_id", unique=True, postgresql_where=text("state = 'won'")),
        Index("ix_job_claims_leased_until", "leased_until", postgresql_where=text("state = 'open'")),
        Index("ix_job_claims_agent_id", "agent_id", "id"),
        Index("ix_job_claims_open", "agent_id", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[BigId]
    job_id: Mapped[str] = mapped_column(Text(collation="C"), ForeignKey("jobs.id", ondelete="CASCADE"))
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    state: Mapped[str] = mapped_column(server_default="open")
    reason: Mapped[str | None]
    claimed_at: Mapped[CreatedAt]
    leased_until: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class QueueTurn(Base):
    """How far a person's turn in the queue is: whoever was served much waits behind whoever was not."""

    __tablename__ = "queue_turns"
    __table_args__ = (Index("ix_queue_turns_turn", "turn"),)

    person_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    turn: Mapped[float]


class StepResult(Base):
    """What a step made, kept so that the same input of the same person is answered without charge (FEATURES O12)."""

    __tablename__ = "step_results"
    __table_args__ = (Index("ix_step_results_expires_at", "expires_at"),)

    # SHA-256 of type and resolved input.
    fingerprint: Mapped[bytes] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    output: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
