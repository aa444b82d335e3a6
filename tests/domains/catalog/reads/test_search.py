"""Search: what is typed is understood, and the right models come first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.catalog import make_published_model

from civitas.domains.accounts.types import ANONYMOUS
from civitas.domains.catalog import reading, rebuilding, search, vocabulary, words
from civitas.domains.catalog.listing import Filters, Sort
from civitas.domains.catalog.tables import FileHash, ModelMetric
from civitas.infra.db.readpool import BoundReads
from civitas.kit.errors import Invalid


def test_a_query_is_taken_apart() -> None:
    query = search.parse('#anime -#"ink wash" @Jane -@bob type:lora base:"SDXL 1.0" red -blue "old town" sky')
    assert query.wanted == search.Wanted(
        words=("red", "sky"), phrases=(("old", "town"),), tags=("anime",), users=("Jane",), types=("lora",),
        bases=("SDXL 1.0",),
    )  # fmt: skip
    assert query.unwanted == search.Wanted(words=("blue",), tags=("ink wash",), users=("bob",))
    assert query.open_end


def test_models_named_by_air_address_or_short_form() -> None:
    for text in (
        "urn:air:sdxl:lora:civitai:4384@128713",
        "civitai:4384@128713",
        "https://hub.example.org/models/4384/some-name?modelVersionId=128713",
    ):
        assert search.parse(text).model_ids == (4384,), text
    assert search.parse("urn:air:flux1:checkpoint:huggingface:org/name").model_ids == (0,)


def test_hashes_are_known_by_their_look() -> None:
    assert search.parse("hash:2e2b1f").wanted.hashes == ("2E2B1F",)
    assert search.parse("879DB523C3").wanted.hashes == ("879DB523C3",)
    assert search.parse("dreamshape").wanted.hashes == ()


@given(st.text(max_size=search.MAX_QUERY))
def test_no_text_breaks_the_parser_or_the_tsquery(text: str) -> None:
    query = search.parse(text)
    vocabulary_ = search.judge(query, [])
    for made in (search.tsquery(query, vocabulary_), search.tsquery(query, vocabulary_, named=True)):
        assert made is None or ("\\" not in made and made.count("'") % 2 == 0)


def test_a_giant_query_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        search.parse("a" * 301)
    assert caught.value.code == "query_too_long"


WORD = st.text(alphabet="abcdez", min_size=1, max_size=9)


@given(WORD, st.integers(0, 8), st.sampled_from(["change", "drop", "add", "swap"]), st.sampled_from("abcxyz"))
def test_one_wrong_letter_is_found_by_a_common_form(word: str, at: int, how: str, letter: str) -> None:
    at %= len(word)
    other = {
        "change": word[:at] + letter + word[at + 1 :],
        "drop": word[:at] + word[at + 1 :],
        "add": word[:at] + letter + word[at:],
        "swap": word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    }[how]
    assert words.within_one(word, other) and words.within_one(other, word)
    if min(len(word), len(other)) >= words.MIN_TOLERANT:
        assert words.forms(word) & words.forms(other)


def test_two_wrong_letters_are_too_many() -> None:
    assert not words.within_one("castle", "cistla")
    assert not words.within_one("castle", "caslet_")
    assert not words.within_one("abc", "abcde")


def test_splitting() -> None:
    assert words.split("Épi-CRéalism_v2") == ["epi", "crealism", "v2"]
    assert words.split("真実の眼 XL") == ["真実", "実の", "の眼", "xl"]
    assert {"dream", "shaper", "dreamshaperxl"} <= words.spellings("DreamShaper XL")


GOLDEN = {
    # query: names that must come first, in order
    "dreamshaper": ["DreamShaper", "DreamShaper XL"],
    "dream shaper": ["DreamShaper", "DreamShaper XL"],
    "dreamshapr": ["DreamShaper"],
    "realstic vision": ["Realistic Vision"],
    "reali": ["Realistic Vision"],
    "cafe nostalgie": ["Café Nostalgïe"],
    "CAFÉ": ["Café Nostalgïe"],
    "glowy": ["Neon Noir"],
    "detail tweaker": ["Detail Tweaker", "Add More Detail Tweaker Pack"],
    '"more detail"': ["Add More Detail Tweaker Pack"],
    "detail -tweaker": ["Detail Slider"],
    "@painter_jo": ["Neon Noir"],
    "painter_jo": ["Neon Noir"],
    "#cyberpunk": ["Neon Noir"],
    "noir #cyberpunk type:lora base:pony": ["Neon Noir"],
    "noir -#cyberpunk": [],
    "noir -@painter_jo": [],
    "noir type:checkpoint": [],
    "真実": ["真実の眼"],
    "xyzzyplugh": [],
}


async def make_golden(session: AsyncSession) -> dict[str, int]:
    jo = await make_person(session, "painter_jo")
    wanted = [
        ("DreamShaper", {"type": "Checkpoint"}, 10),
        ("DreamShaper XL", {"type": "Checkpoint"}, 5000),
        ("Realistic Vision", {"type": "Checkpoint"}, 900),
        ("Café Nostalgïe", {}, 3),
        ("Detail Tweaker", {}, 50),
        ("Add More Detail Tweaker Pack", {}, 4000),
        ("Detail Slider", {}, 20),
        ("真実の眼", {}, 1),
        ("Plain", {"tags": ("dreamshaper",)}, 99_999),
    ]
    ids = {}
    for name, columns, downloads in wanted:
        ids[name], _ = await make_published_model(session, name=name, **columns)
        await session.execute(insert(ModelMetric).values(model_id=ids[name], downloads=downloads))
    ids["Neon Noir"], _ = await make_published_model(
        session, jo, name="Neon Noir", tags=("cyberpunk", "night"),
        version={"trained_words": ["glowy sign"], "base_model": "Pony"},
    )  # fmt: skip
    await rebuilding.rebuild(session, ids.values())
    await vocabulary.fold(session)
    return ids


async def names(reads: BoundReads, text: str, **options: object) -> list[str]:
    page = await reading.models(reads, ANONYMOUS, Filters(query=search.parse(text)), limit=20)
    return [found["name"] for found in page.objects("https://x")]


async def test_the_golden_queries(session: AsyncSession, reads: BoundReads) -> None:
    await make_golden(session)
    for text, expected in GOLDEN.items():
        found = await names(reads, text)
        assert found[: len(expected)] == expected, (text, found)
        if not expected:
            assert found == [], text


async def test_relevance_pages_hold_everything_once(session: AsyncSession, reads: BoundReads) -> None:
    made = []
    for i in range(9):
        name = ("Castle", f"Castle {i}", f"Ruin {i}")[i % 3]
        tags = ("castle",) if i % 3 == 2 else ("style",)
        made.append((await make_published_model(session, name=name, tags=tags))[0])
    await rebuilding.rebuild(session, made)
    found: list[str] = []
    cursor = None
    while True:
        filters = Filters(query=search.parse("castle"))
        page = await reading.models(reads, ANONYMOUS, filters, limit=2, cursor=cursor)
        found += [m["name"] for m in page.objects("https://x")]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(found) == 9
    assert found[:3] == ["Castle"] * 3
    assert [name.split()[0] for name in found[3:]] == ["Castle"] * 3 + ["Ruin"] * 3
    by_date = await reading.models(reads, ANONYMOUS, filters, sort=Sort.OLDEST, limit=20)
    assert [m["id"] for m in by_date.objects("https://x")] == made


async def test_a_hash_finds_its_model(session: AsyncSession, reads: BoundReads) -> None:
    ids = await make_golden(session)
    value = await session.scalar(
        select(FileHash.value).where(FileHash.kind == "SHA256").order_by(FileHash.file_id)
    )
    assert await names(reads, f"hash:{(value or '').lower()}") == ["DreamShaper"]
    assert await names(reads, value or "") == ["DreamShaper"]
    assert await names(reads, "hash:nonsense") == []
    assert await names(reads, f"civitai:{ids['Plain']}@1") == ["Plain"]


async def test_suggestions(session: AsyncSession, reads: BoundReads) -> None:
    await make_golden(session)
    found = await reading.suggest(reads, ANONYMOUS, "dre")
    assert [s["name"] for s in found if s["kind"] == "model"] == ["DreamShaper XL", "DreamShaper"]
    assert [s["name"] for s in found if s["kind"] == "tag"] == ["dreamshaper"]
    found = await reading.suggest(reads, ANONYMOUS, "@painter_")
    assert [s["name"] for s in found if s["kind"] == "creator"] == ["painter_jo"]
    assert await reading.suggest(reads, ANONYMOUS, "#cyberp") == [
        {"kind": "tag", "id": found_id(await reading.suggest(reads, ANONYMOUS, "cyberp")), "name": "cyberpunk",
         "detail": None, "count": 1}
    ]  # fmt: skip
    assert await reading.suggest(reads, ANONYMOUS, "  ") == []


def found_id(found: list[dict[str, object]]) -> object:
    return next(s["id"] for s in found if s["kind"] == "tag")
