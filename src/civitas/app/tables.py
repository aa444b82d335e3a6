"""Every mapped class of the program, imported so that the metadata is whole."""

from __future__ import annotations

from civitas.domains.accounts import tables as _accounts
from civitas.domains.blobs import tables as _blobs
from civitas.domains.catalog import read_tables as _catalog_reads
from civitas.domains.catalog import tables as _catalog
from civitas.domains.gallery import tables as _gallery
from civitas.infra.db.base import Base
from civitas.infra.limiting import tables as _limiting
from civitas.infra.mail import mailer as _mail
from civitas.infra.queue import tables as _queue

__all__ = ["METADATA"]

_ROOMS = (_queue, _limiting, _mail, _accounts, _blobs, _catalog, _catalog_reads, _gallery)

METADATA = Base.metadata
