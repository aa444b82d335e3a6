"""Mapped classes of boards and milestones."""

from __future__ import annotations

from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, CreatedAt

ZERO = text("0")


class BoardStanding(Base):
    """Somebody's place on a board, as it was computed on a day; of a season `day` is its first."""

    __tablename__ = "board_standings"
    __table_args__ = (
        CheckConstraint("span IN ('window', 'season')", name="span"),
        Index("uq_board_standings_position", "board", "span", "day", "position", unique=True),
        Index("ix_board_standings_person_id", "person_id", "day"),
    )

    board: Mapped[str] = mapped_column(primary_key=True)
    span: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    points: Mapped[int]
    position: Mapped[int]


class BoardLegend(Base):
    """What somebody's days on a board add up to: a thousand for a day at the top, fewer below."""

    __tablename__ = "board_legends"
    __table_args__ = (Index("ix_board_legends_board_position", "board", "position"),)

    board: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True
    )
    points: Mapped[int]
    # Days in first place, in the first three, the first ten, the first hundred.
    diamonds: Mapped[int] = mapped_column(server_default=ZERO)
    golds: Mapped[int] = mapped_column(server_default=ZERO)
    silvers: Mapped[int] = mapped_column(server_default=ZERO)
    bronzes: Mapped[int] = mapped_column(server_default=ZERO)
    position: Mapped[int]


class Milestone(Base):
    """A thing reached a number for the first time; it is told once."""

    __tablename__ = "milestones"

    what: Mapped[str] = mapped_column(primary_key=True)
    subject_kind: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    amount: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    reached_at: Mapped[CreatedAt]
