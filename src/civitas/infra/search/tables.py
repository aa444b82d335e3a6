"""The log of changes that an index follows, and how far it is kept."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId


class IndexChange(Base):
    """Documents of a collection that one statement changed, written by triggers. NULL: any of them may have."""

    __tablename__ = "index_changes"
    __table_args__ = (Index("ix_index_changes_xid", "xid", "id"),)

    id: Mapped[BigId]
    # Not the time and not `id` say what a reader has seen: transactions end in another order than they write.
    xid: Mapped[int]
    collection: Mapped[str]
    ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))


class IndexMark(Base):
    """All transactions before this one had ended at this moment. The oldest mark that is old enough is what is kept from."""

    __tablename__ = "index_marks"

    marked_at: Mapped[datetime] = mapped_column(primary_key=True)
    xid: Mapped[int]
