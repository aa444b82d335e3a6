"""The log of changes, which triggers write (see the migration): what is kept of it.

A reader remembers a transaction number below which all had ended when it last looked. It reads what was written by that
one or later ones and has not been read yet: transactions that wrote early and committed late are among them, because
they had not ended then. So nothing is lost, and nothing waits for another transaction to end.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.infra.search.changelog import KEPT

_MARK: Final = text("""
INSERT INTO index_marks (marked_at, xid) VALUES (now(), pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
ON CONFLICT DO NOTHING""")
# What was written by a transaction that is yet to come came with a copy of another server's database.
_ALIEN: Final = "xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_ALIEN_MARKS: Final = text(f"DELETE FROM index_marks WHERE {_ALIEN}")  # noqa: S608
_OLD: Final = text(f"""
WITH old AS (SELECT xid, marked_at FROM index_marks WHERE marked_at < now() - CAST(:kept AS interval)
              ORDER BY marked_at DESC LIMIT 1),
     older AS (DELETE FROM index_marks m USING old WHERE m.marked_at < old.marked_at),
     dropped AS (DELETE FROM index_changes WHERE xid < (SELECT xid FROM old) OR {_ALIEN} RETURNING 1)
SELECT count(*) FROM dropped""")  # noqa: S608


async def prune(session: AsyncSession) -> int:
    """Let go of what is older than `KEPT`, and of what another server wrote (a restored copy); how many lines."""
    await session.execute(_ALIEN_MARKS)
    await session.execute(_MARK)
    return int((await session.execute(_OLD, {"kept": KEPT})).scalar_one())
