"""Mapped classes that only reads use: derived from the catalogue's facts, and rebuilt from them at any time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId

ZERO = text("0")
# Compared by bytes whatever the database's collation is: ranges of prefixes need it.
Bytewise = String(collation="C")


class ModelDocument(Base):
    """The public JSON of one model, with marks where the host and the counters go (see documents)."""

    __tablename__ = "model_documents"
    __table_args__ = (CheckConstraint("state IN ('public', 'tombstone')", name="state"),)

    model_id: Mapped[int] = mapped_column(
        ForeignKey("models.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    state: Mapped[str]
    # For viewers of safe levels; `full` is for all levels, and null where it would be the same text.
    safe: Mapped[str] = mapped_column(Text)
    full: Mapped[str | None] = mapped_column(Text)
    # The counters' JSON objects in the order of their marks: the model's, then one for each version.
    stats: Mapped[str] = mapped_column(Text, server_default=text("''"))
    version_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'::bigint[]"))


class VersionDocument(Base):
    """The public JSON of one version, as it is answered by id and by hash."""

    __tablename__ = "version_documents"
    __table_args__ = (
        CheckConstraint("state IN ('public', 'tombstone')", name="state"),
        Index("ix_version_documents_model_id", "model_id"),
        # Thousands of hashes are looked up at once without touching the table itself.
        Index("ix_version_documents_lookup", "version_id", "state", "model_id"),
    )

    version_id: Mapped[int] = mapped_column(
        ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    model_id: Mapped[int]
    state: Mapped[str]
    safe: Mapped[str] = mapped_column(Text)
    full: Mapped[str | None] = mapped_column(Text)
    stats: Mapped[str] = mapped_column(Text, server_default=text("''"))


class ModelListing(Base):
    """One model that lists and search may show: narrow rows to filter, sort and search by."""

    __tablename__ = "model_listings"
    __table_args__ = (
        # Without a list of pending entries, which every search would have to read from end to end.
        Index(
            "ix_model_listings_facets_terms",
            "facets",
            "terms",
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
        ),
        Index("ix_model_listings_person_id", "person_id", "model_id"),
        Index("ix_model_listings_name", "name", "model_id"),
        Index(
            "ix_model_listings_early_access_until",
            "early_access_until",
            postgresql_where=text("early_access_until IS NOT NULL"),
        ),
        *(
            Index(f"ix_model_listings_{column}", column, "model_id")
            for column in (
                "last_version_at", "rating", "downloads", "thumbs_up", "comments", "collected", "images",
            )
        ),
    )  # fmt: skip

    model_id: Mapped[int] = mapped_column(
        ForeignKey("models.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    person_id: Mapped[int]
    # The folded name, for exact matches.
    name: Mapped[str] = mapped_column(Bytewise)
    # Bits of the levels that its pictures have.
    level: Mapped[int]
    # What it can be filtered by, each with a prefix for its kind (see indexing).
    facets: Mapped[list[str]] = mapped_column(ARRAY(Text))
    terms: Mapped[str] = mapped_column(TSVECTOR)
    early_access_until: Mapped[datetime | None]
    last_version_at: Mapped[datetime]
    # Lower bound of the share of thumbs up (Wilson, 95%); `stars` is the plain share, 0 to 5.
    rating: Mapped[float] = mapped_column(server_default=ZERO)
    stars: Mapped[float] = mapped_column(server_default=ZERO)
    downloads: Mapped[int] = mapped_column(server_default=ZERO)
    thumbs_up: Mapped[int] = mapped_column(server_default=ZERO)
    comments: Mapped[int] = mapped_column(server_default=ZERO)
    collected: Mapped[int] = mapped_column(server_default=ZERO)
    images: Mapped[int] = mapped_column(server_default=ZERO)


class SearchWord(Base):
    """A word by which models can be found, and by how many."""

    __tablename__ = "search_words"

    word: Mapped[str] = mapped_column(Bytewise, primary_key=True)
    models: Mapped[int]


class SearchForm(Base):
    """A word as it reads with one letter missing: how a word with one wrong letter finds the right ones."""

    __tablename__ = "search_forms"

    form: Mapped[str] = mapped_column(Bytewise, primary_key=True)
    word: Mapped[str] = mapped_column(
        Bytewise, ForeignKey("search_words.word", ondelete="CASCADE"), primary_key=True, index=True
    )


class CountChange(Base):
    """More or fewer models with a word, a tag or a creator: appended by rebuilding, folded in batches."""

    __tablename__ = "count_changes"
    __table_args__ = (
        CheckConstraint("kind IN ('word', 'tag', 'safe tag', 'person', 'safe person')", name="kind"),
    )

    id: Mapped[BigId]
    kind: Mapped[str]
    key: Mapped[str] = mapped_column(Bytewise)
    change: Mapped[int]
