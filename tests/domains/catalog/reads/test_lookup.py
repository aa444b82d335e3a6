"""What is known of words is remembered for a moment, by pool."""

from __future__ import annotations

import psycopg
import pytest

from civitas.domains.catalog import lookup, search
from civitas.domains.catalog.lookup import COUNTED, NAMED
from civitas.infra.db.readpool import PooledReads


async def test_words_are_looked_up_again_when_what_is_known_is_old(
    own_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(own_dsn, autocommit=True) as plain:
        plain.execute("INSERT INTO search_words VALUES ('castle', 5), ('castles', 2), ('ca:stle', 9)")
        plain.execute("INSERT INTO search_forms VALUES ('castle', 'castle'), ('cstle', 'castle')")
        reads, other = PooledReads(own_dsn), PooledReads(own_dsn)
        await reads.open()
        await other.open()
        try:
            query = search.parse("castle")
            found = await lookup.vocabulary_of(reads, query, COUNTED)
            assert found.known == {"castle": 5} and found.beginnings == 7 and found.endings is None
            assert (await lookup.vocabulary_of(reads, query, 1)).beginnings == 5, "of so many"
            plain.execute("UPDATE search_words SET models = 6 WHERE word = 'castle'")
            assert await lookup.vocabulary_of(reads, query, COUNTED) is found
            assert (await lookup.vocabulary_of(other, query, COUNTED)).known == {"castle": 6}
            monkeypatch.setattr(lookup, "LASTS_S", 0.0)
            assert (await lookup.vocabulary_of(reads, query, COUNTED)).known == {"castle": 6}
        finally:
            await reads.close()
            await other.close()


async def test_what_begins_with_a_long_word_is_named_unless_it_is_too_many(
    own_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "NAMED", 2)
    monkeypatch.setattr(lookup, "REMEMBERED", 1)
    with psycopg.connect(own_dsn, autocommit=True) as plain:
        plain.execute(
            "INSERT INTO search_words VALUES ('waterfall', 5), ('waterfalls', 2), ('waterproof', 1)"
        )
    reads = PooledReads(own_dsn)
    await reads.open()
    try:

        async def named(text: str) -> tuple[str, ...] | None:
            return (await lookup.vocabulary_of(reads, search.parse(text), NAMED + 1)).endings

        assert await named("waterfal") == ("waterfall", "waterfalls")
        assert await named("castle waterpro") == ("waterproof",)
        assert await named("waterfal") == ("waterfall", "waterfalls"), "one is remembered, and asked for anew"
        assert await named("waterf") is None, "a span of the index"
        monkeypatch.setattr(lookup, "NAMED", 1)
        assert await named("waterfall") is None and await named('waterfal "x"') is None
    finally:
        await reads.close()
