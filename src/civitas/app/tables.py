"""Every mapped class of the program, imported so that the metadata is whole."""

from __future__ import annotations

from civitas.domains.accounts import tables as _accounts
from civitas.domains.blobs import tables as _blobs
from civitas.domains.buzz.buying import tables as _purchases
from civitas.domains.buzz.earning import tables as _earning
from civitas.domains.buzz.economy import tables as _economy
from civitas.domains.buzz.ledger import tables as _ledger
from civitas.domains.buzz.memberships import tables as _memberships
from civitas.domains.buzz.payments import tables as _notices
from civitas.domains.buzz.programme import tables as _programme
from civitas.domains.buzz.shop import tables as _shop
from civitas.domains.catalog import access_tables as _access
from civitas.domains.catalog import read_tables as _catalog_reads
from civitas.domains.catalog import tables as _catalog
from civitas.domains.catalog import wish_tables as _catalog_wishes
from civitas.domains.community.announcements import tables as _announcements
from civitas.domains.community.articles import tables as _articles
from civitas.domains.community.boards import tables as _boards
from civitas.domains.community.chat import tables as _chat
from civitas.domains.community.comments import tables as _comments
from civitas.domains.community.notifications import tables as _notifications
from civitas.domains.community.reviews import tables as _reviews
from civitas.domains.community.searches import tables as _searches
from civitas.domains.gallery import tables as _gallery
from civitas.domains.gallery.collections import tables as _collections
from civitas.domains.gallery.feeds import tables as _feeds
from civitas.domains.gallery.home import tables as _home
from civitas.domains.gallery.placements import tables as _placements
from civitas.domains.orchestration import agent_tables as _agents
from civitas.domains.orchestration import callback_tables as _callbacks
from civitas.domains.orchestration import media_tables as _media
from civitas.domains.orchestration import tables as _orchestration
from civitas.domains.studio import tables as _studio
from civitas.infra.db.base import Base
from civitas.infra.limiting import tables as _limiting
from civitas.infra.mail import mailer as _mail
from civitas.infra.payments import tables as _payments
from civitas.infra.queue import tables as _queue
from civitas.infra.search import tables as _search

__all__ = ["METADATA"]

_ROOMS = (
    _queue,
    _limiting,
    _search,
    _mail,
    _accounts,
    _blobs,
    _economy,
    _ledger,
    _notices,
    _memberships,
    _earning,
    _purchases,
    _programme,
    _shop,
    _payments,
    _catalog,
    _catalog_reads,
    _catalog_wishes,
    _access,
    _orchestration,
    _agents,
    _media,
    _callbacks,
    _studio,
    _gallery,
    _collections,
    _home,
    _placements,
    _articles,
    _chat,
    _announcements,
    _boards,
    _comments,
    _feeds,
    _reviews,
    _notifications,
    _searches,
)

METADATA = Base.metadata
