"""The audit of the index in memory: what is so passes, what differs is told and loaded anew."""

from __future__ import annotations

import random
from pathlib import Path

import psycopg
import pytest
from tests.factories.indexes import following, until

from civitas.domains.gallery.feeds import index_audit
from civitas.infra.db.readpool import PooledReads
from civitas.infra.search import comparing
from civitas.infra.search.asking import SocketIndex

ROWS = """
INSERT INTO feed_images (image_id, post_id, person_id, published_at, reactions, comments, collected, shuffle, week, fresh, level,
                         terms)
SELECT g, g, g % 7, now() - make_interval(hours => g), g % 11, g % 3, g % 2, (g * 7919) % 1000 - 500,
       floor(extract(epoch FROM now() - make_interval(hours => g)) / 604800), g < 800, 1,
       ARRAY[67108865, 67108897, 268435456 + g % 5, 268435456 + 10 + g % 50]
  FROM generate_series(1, 400) g
"""


async def test_the_audit_tells_and_mends_an_index_that_differs(
    own_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "AGAIN_S", 0.1)
    with psycopg.connect(own_dsn, autocommit=True) as plain:
        plain.execute("ALTER TABLE feed_images DROP CONSTRAINT fk_feed_images_image_id")
        plain.execute(ROWS)
        plain.execute(
            "INSERT INTO feed_terms (term, images) SELECT t, count(*) FROM feed_images, unnest(terms) t GROUP BY t"
        )
        plain.execute("INSERT INTO feed_terms VALUES (0, 400)")
        reads = PooledReads(own_dsn)
        await reads.open()
        try:
            async with following(own_dsn, tmp_path / "i") as (follower, index):
                await until(lambda: follower.state.answers)
                compared = await index_audit.compare(reads, index, rng=random.Random(4))
                assert compared.wrong == () and not compared.away
                assert compared.terms > 50 and compared.pages == 60 and follower.state.loads == 1
                # Rows that change behind the back of the triggers: nobody was told.
                with plain.transaction():
                    plain.execute("SET LOCAL session_replication_role = replica")
                    plain.execute(
                        "UPDATE feed_images SET reactions = 12, terms = '{268435461}' WHERE image_id < 30"
                    )
                    plain.execute("DELETE FROM feed_images WHERE image_id > 390")
                compared = await index_audit.compare(reads, index, rng=random.Random(4))
                assert any("instead of 390 are there" in one for one in compared.wrong)
                assert any("carry the term" in one for one in compared.wrong)
                assert any("another page" in one for one in compared.wrong)
                await until(lambda: follower.state.loads == 2 and follower.state.answers)
                index._paused_until = 0.0
                assert (await index_audit.compare(reads, index, rng=random.Random(4))).wrong == ()
            assert (await index_audit.compare(reads, SocketIndex(tmp_path / "nobody"))).away
        finally:
            await reads.close()
