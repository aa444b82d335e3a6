"""The audit of the catalogue's collection: what is so passes, what differs is told and loaded anew."""

from __future__ import annotations

import random
from pathlib import Path

import psycopg
import pytest
from tests.factories.indexes import following, until

from civitas.app.commands import gallery
from civitas.domains.catalog import index_audit, tasks, terms
from civitas.infra.db.database import Database
from civitas.infra.db.readpool import PooledReads
from civitas.infra.queue.context import TaskContext
from civitas.infra.search import asking, comparing
from civitas.infra.search.asking import SocketIndex

ROWS = """
INSERT INTO model_listings (model_id, person_id, name, level, facets, terms, last_version_at, rating, stars, downloads, thumbs_up,
                            comments, collected, images)
SELECT g, g % 7, 'castle' || g % 9, 1 + g % 3, ARRAY['t:' || (ARRAY['lora','vae'])[1 + g % 2], '#tag' || g % 12, '+credit'],
       (ARRAY['''castle'' ''=castle'' ''neon''', '''robot''', '''дом'' ''=дом'''])[1 + g % 3]::tsvector,
       now() - make_interval(hours => g * 5), (g % 13) / 13.0, 0, g % 11, g % 3, g % 2, g % 4, g
  FROM generate_series(1, 300) g
"""
COUNTED = """
INSERT INTO search_words
SELECT f, count(*) FROM model_listings, unnest(facets) f GROUP BY 1
UNION ALL SELECT word, ndoc FROM ts_stat('SELECT terms FROM model_listings') WHERE word NOT LIKE '=%'
"""


async def test_the_audit_tells_and_mends_an_index_that_differs(
    own_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "AGAIN_S", 0.1)
    with psycopg.connect(own_dsn, autocommit=True) as plain:
        plain.execute("ALTER TABLE model_listings DROP CONSTRAINT fk_model_listings_model_id")
        plain.execute(ROWS)
        plain.execute(COUNTED)
        reads, database = PooledReads(own_dsn), Database(own_dsn)
        await reads.open()
        try:
            async with following(own_dsn, tmp_path / "i") as (follower, index):
                await until(lambda: follower.state.answers)
                compared = await index_audit.compare(reads, index, rng=random.Random(4))
                assert compared.wrong == () and not compared.away
                # Two types, twelve tags, what is allowed; four words.
                assert compared.terms == 19 and compared.pages == 60 and follower.state.loads == 1
                # Rows that change behind the back of the triggers: nobody was told.
                with plain.transaction():
                    plain.execute("SET LOCAL session_replication_role = replica")
                    plain.execute(
                        "UPDATE model_listings SET downloads = 12, images = 0, facets = '{#tag1,t:vae}' WHERE model_id < 30"
                    )
                    plain.execute("UPDATE model_listings SET terms = '''neon''' WHERE model_id = 31")
                    plain.execute("DELETE FROM model_listings WHERE model_id > 290")
                compared = await index_audit.compare(reads, index, rng=random.Random(4))
                wrong = compared.wrong
                assert any("instead of 290 are there" in one for one in wrong)
                for term in (terms.facet("#tag1"), terms.word("robot")):
                    assert any(f"carry the term {term}" in one for one in wrong), term
                assert any("another page" in one for one in wrong)
                await until(lambda: follower.state.loads == 2 and follower.state.answers)
                index._paused_until = 0.0
                # The command looks at both rooms, over a connection of its own.
                both = await gallery._compare(own_dsn, SocketIndex(tmp_path / "i", timeout_s=2.0))
                assert both.wrong == () and both.terms == 19 and both.pages == 120
                # By night it is done without anybody.
                with plain.transaction():
                    plain.execute("SET LOCAL session_replication_role = replica")
                    plain.execute("DELETE FROM model_listings WHERE model_id > 280")
                asking.use(index)
                await tasks.audit_index(TaskContext(database))
                await until(lambda: follower.state.loads == 3 and follower.state.answers)
                assert follower.state.collections["models"].count == 280
            assert (await index_audit.compare(reads, SocketIndex(tmp_path / "nobody"))).away
        finally:
            asking.use(None)
            await database.close()
            await reads.close()


async def test_words_whose_digests_are_the_same_are_one_term(
    own_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(own_dsn, autocommit=True) as plain:
        plain.execute("INSERT INTO search_words VALUES ('robotica', 2), ('robotics', 1), ('rose', 1)")
    monkeypatch.setattr(terms, "word", lambda text: hash(text[:4]))
    monkeypatch.setattr(index_audit, "_ALIKE", index_audit._ALIKE.replace("4)", "0)"))
    reads = PooledReads(own_dsn)
    await reads.open()
    try:
        found = await index_audit._searches(reads, ["robotica", "rose"])
        assert sorted(found.values()) == ["'robotica' | 'robotics'", "'rose'"]
    finally:
        await reads.close()
