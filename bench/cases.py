"""What is asked of a large catalogue, and for each the statement and values of its limit."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
import psycopg

from bench.client import once, request
from bench.loading import TAGS, VOCABULARY, words
from civitas.kit import paging

PAGE = 20
VARIANTS = 200

STATEMENTS: dict[str, str] = {
    "page": "SELECT safe, stats FROM model_documents WHERE model_id = ANY(%s)",
    "model": "SELECT safe, stats FROM model_documents WHERE model_id = %s",
    "version": "SELECT safe, stats FROM version_documents WHERE version_id = %s",
    "hashes": "SELECT value, version_id FROM file_hashes WHERE value = ANY(%s)",
}


@dataclass
class Case:
    """One kind of request: what the product is asked, and the rows that its limit fetches for the same."""

    name: str
    asked: list[bytes]
    kind: str
    values: list[Any]
    bare: list[bytes]


def lists() -> dict[str, list[str]]:
    """The list requests, in variants so that no answer is asked for twice in a row."""
    rng, known = random.Random(3), words()
    types, bases = ("LORA", "Checkpoint", "VAE"), ("SDXL 1.0", "Pony", "SD 1.5", "Illustrious")
    sorts = ("Most Downloaded", "Newest", "Highest Rated", "Most Liked")
    common = [f"{known[i]} {known[i + 7]}" for i in range(20)]
    middle = [f"{known[i]} {known[i + 7]}" for i in range(100, 400)]
    rare = [f"{known[i]} {known[i + 7]}" for i in range(1500, TAGS - 10)]

    def pages(of: Callable[[], str]) -> list[str]:
        return [f"/api/v1/models?limit={PAGE}&" + of() for _ in range(VARIANTS)]

    def sort() -> str:
        return "sort=" + quote(rng.choice(sorts))

    def facets() -> str:
        return f"types={rng.choice(types)}&baseModels={quote(rng.choice(bases))}"

    def some(top: int, bottom: int = 0) -> str:
        return known[rng.randint(bottom, top)]

    return {
        "page, sorted": pages(sort),
        "page, sorted, of a period": pages(lambda: sort() + f"&period={rng.choice(('Year', 'Month', 'Week', 'Day'))}"),
        "page, type and base model": pages(lambda: f"{facets()}&{sort()}"),
        "page, common tag": pages(lambda: f"tag={quote(rng.choice(common))}&{sort()}"),
        "page, middling tag": pages(lambda: f"tag={quote(rng.choice(middle))}&{sort()}"),
        "page, rare tag": pages(lambda: f"tag={quote(rng.choice(rare))}&{sort()}"),
        "page, tag, type and base model": pages(lambda: f"tag={quote(rng.choice(middle))}&{facets()}&{sort()}"),
        "page, one creator": pages(lambda: f"username=maker_{rng.randint(1, 500)}&{sort()}"),
        "search, common word": pages(lambda: f"query={some(10)}"),
        "search, rare word": pages(lambda: f"query={some(VOCABULARY - 1, 5000)}"),
        "search, two words": pages(lambda: f"query={some(40)}%20{some(200)}"),
        "search, beginning of a word": pages(lambda: f"query={some(3000)[:5]}"),
        "search, one letter wrong": pages(lambda: f"query={_mistyped(some(3000), rng)}"),
        "search with filters": pages(lambda: f"query={some(40)}&types=LORA&baseModels=Pony&sort=Newest"),
    }  # fmt: skip


def _mistyped(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word))
    return word[:at] + "x" + word[at + 1 :]


def _deep(rng: random.Random, models: int) -> str:
    """A page far down a list: the cursor of a place in the middle, as the list itself makes them."""
    cursor = paging.encode("Most Downloaded", rng.randint(1, 3000), rng.randint(1, models))
    return f"/api/v1/models?limit={PAGE}&types=LORA&sort=Most%20Downloaded&cursor={cursor}"


async def prepare(port: int, models: int, only: str = "") -> list[Case]:
    """Ask every list once, to know the rows that its limit has to fetch."""
    rng, cases = random.Random(11), []
    paths = lists()
    paths["page, deep cursor"] = [_deep(rng, models) for _ in range(VARIANTS)]
    for number, (name, variants) in enumerate(paths.items()):
        if only not in name:
            continue
        values = []
        for path in variants:
            answer = orjson.loads(await once(port, request("GET", path)))
            values.append([model["id"] for model in answer["items"]])
        cases.append(_case(name, [request("GET", path) for path in variants], f"page-{number}", values))
    for name, path, kind, top in (
        ("model by id", "/api/v1/models/{}", "model", models),
        ("version by id", "/api/v1/model-versions/{}", "version", 3 * models),
    ):
        numbers = [rng.randint(1, top) for _ in range(5000)]
        cases.append(_case(name, [request("GET", path.format(n)) for n in numbers], kind, numbers))
    return [case for case in cases if only in case.name]


def _case(name: str, asked: list[bytes], kind: str, values: list[Any]) -> Case:
    return Case(name, asked, kind, values, [request("GET", f"/{kind}/{i}") for i in range(len(values))])


def hash_cases(dsn: str, models: int, only: str = "") -> list[Case]:
    """By one hash, and by ten thousand at once."""
    rng = random.Random(13)
    with psycopg.connect(dsn) as connection:
        numbers = [rng.randint(1, 3 * models) for _ in range(60_000)]
        rows = connection.execute(
            "SELECT value, version_id FROM file_hashes WHERE file_id = ANY(%s) AND kind = 'SHA256'",
            (numbers,),
        ).fetchall()
    rng.shuffle(rows)
    single = rows[:5000]
    batches = [
        orjson.dumps([value for value, _ in rng.sample(rows, min(10_000, len(rows)))]) for _ in range(10)
    ]
    cases = [
        _case(
            "version by hash",
            [request("GET", f"/api/v1/model-versions/by-hash/{value}") for value, _ in single],
            "version-hash",
            [number for _, number in single],
        ),
        Case(
            "10,000 hashes at once",
            [request("POST", "/api/v1/model-versions/by-hash/ids", batch) for batch in batches],
            "hashes", [], [request("POST", "/hashes", batch) for batch in batches],
        ),
    ]  # fmt: skip
    return [case for case in cases if only in case.name]
