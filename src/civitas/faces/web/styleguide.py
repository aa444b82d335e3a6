"""`/styleguide`: every component in every state, for people who give their instance a look of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from starlette.requests import Request
from starlette.responses import Response

from civitas.faces.web.assets import STATIC_ROOT, assets
from civitas.faces.web.props import CompareRow, Creator, FileRow, LineageNode, ModelCard, Picture, Stat, Step
from civitas.faces.web.templating import render
from civitas.kit import clock

_SYMBOL = re.compile(r'<symbol id="([a-z-]+)"')
_SECTIONS = (
    "Colour",
    "Type",
    "Icons",
    "Buttons",
    "Forms",
    "Badges",
    "Cards",
    "Navigation",
    "Data",
    "Lineage",
    "Overlays",
    "Feedback",
    "Prose",
)
# name, width, height, BlurHash, what one sees; the pictures are drawn by our own code.
_WORKS = (
    ("dunes", 480, 600, "UnIfu,WDRkoy=}WBWBt60}a{oLjZE2oet6Rk", "Violet hills under a low pale sun"),
    ("spheres", 480, 600, "UhL45O-oKRkE~ps,V?azF|WC$doy%3WCbwbY", "Glossy spheres on a lilac ground"),
    ("ink", 480, 600, "UHK_U60LNK9]~VOU%1S~B:XS=HnO%fW;tQoe", "Marbled ink in teal and ochre"),
    ("arches", 480, 720, "UdMjEpO?%2v~~pV[SgoL-:tRaKV@sAxuWVV@", "Striped arches beneath an orange disc"),
    ("aurora", 640, 426, "UT5%i=kXkWe.yGjbkCf5QSi_aKbEQlkCWAbG", "Northern lights above dark hills"),
    ("petals", 480, 600, "UYHUU?-TEpE2o$kXxcsp0zR-xZW9Nzeobct1", "Paper flowers on deep green"),
    ("flow", 480, 640, "UEHUj|D8_3%2H@-;?Fwb?bozIUXnoy%MtRIp", "Brush strokes following a current"),
    ("weave", 480, 480, "U9O0=k]U0hIbIZNbtQNG;ft47LK5IZR*EOV@", "Soft folds of rose, violet and cream"),
)
_PROSE = """## What it was trained on
Two hundred and forty gouache studies, scanned **flat** and captioned by hand. See the
[notes](https://example.org/notes) for the ones left out.

- Strength from `0.6` to `0.9`
- Works best with *short* prompts

> The trigger word is the whole trick: without it you get ordinary paper.

| Sampler | Steps |
| --- | --- |
| Euler a | 24 |
| DPM++ 2M | 30 |

<script>alert("never")</script>
```json
{"steps": 24, "cfg": 5.5}
```
"""


@dataclass(frozen=True, slots=True)
class StyleGuide:
    """What the style guide's template takes."""

    sections: tuple[tuple[str, str], ...]
    colours: tuple[tuple[str, tuple[str, ...]], ...]
    icons: tuple[str, ...]
    pictures: tuple[Picture, ...]
    cards: tuple[ModelCard, ...]
    creator: Creator
    stats: tuple[Stat, ...]
    files: tuple[FileRow, ...]
    compare: tuple[CompareRow, ...]
    lineage: tuple[LineageNode, ...]
    steps: tuple[Step, ...]
    moments: tuple[datetime, ...]
    prose: str
    command: str


async def show(request: Request) -> Response:
    """GET `/styleguide`: the page itself."""
    return render(request, "styleguide.html", sample())


@cache
def _icons() -> tuple[str, ...]:
    return tuple(_SYMBOL.findall((STATIC_ROOT / "icons" / "sprite.svg").read_text(encoding="utf-8")))


def _picture(index: int, *, blurred: bool = False) -> Picture:
    name, width, height, blurhash, alt = _WORKS[index]
    src = assets().url(f"samples/{name}.webp")
    return Picture(src, width, height, alt, blurhash, blurred=blurred, level="R" if blurred else None)


def _cards() -> tuple[ModelCard, ...]:
    rows = (
        (0, "Gouache Horizon", "LORA", "SDXL", "mira.vell", 128_400, 9_310, "New", "PG"),
        (1, "Clay & Glass", "Checkpoint", "Flux.1 D", "ostrava", 1_204_000, 48_200, None, "PG"),
        (
            2,
            "Suminagashi, a marbled paper look for skies and water",
            "LORA",
            "Pony",
            "ines",
            8_420,
            611,
            None,
            "PG",
        ),
        (3, "Modernist Arcade", "TextualInversion", "SD 1.5", "bauhalt", 52_010, 3_080, None, "PG-13"),
        (4, "Northern VAE", "VAE", "SDXL", "kveldulf", 310_000, 12_900, None, "PG"),
        (5, "Paper Garden", "DoRA", "Illustrious", "mira.vell", 19_330, 2_240, "Updated", "PG"),
        (6, "Riverbrush ControlNet", "Controlnet", "SDXL", "ines", 77_125, 4_019, None, "PG"),
        (7, "Soft Weave", "ComfyWorkflows", "Flux.1 D", "ostrava", 964, 88, None, "R"),
    )
    shown = (
        ModelCard(
            id=index + 1,
            name=name,
            href=f"/models/{index + 1}",
            type=kind,
            base_model=base,
            picture=_picture(index, blurred=level == "R"),
            creator=Creator(who),
            stats=(Stat("download", downloads, "downloads"), Stat("thumb-up", likes, "likes")),
            level="R" if level == "R" else "PG",
            badge=badge,
        )
        for index, name, kind, base, who, downloads, likes, badge, level in rows
    )
    return (*shown, ModelCard(9, "Untitled draft", "/models/9", "Upscaler", note="Draft, seen by you alone"))


def _files() -> tuple[FileRow, ...]:
    digest = "9F2B0E4C7A51D3886E1F40A2B95C6D7E3A08F1C2D4B5E697881A0B3C5D7E9F10"
    return (
        FileRow(
            1, "gouache-horizon-v2.safetensors", "Model", 228_463_616, "SafeTensor", "bf16", "ok",
            "picklescan 1.0.5 and ClamAV found nothing, today at 09:14.", "/api/download/models/1", True,
            (("SHA256", digest), ("AutoV2", digest[:10]), ("BLAKE3", digest[::-1]), ("CRC32", "5A1D99C0")),
        ),
        FileRow(2, "gouache-horizon-v2-pruned.ckpt", "Pruned Model", 2_132_625_894, "PickleTensor", "fp16", "warn",
                "The import collections.Counter is on no list, so a person has to look at it first."),
        FileRow(3, "training-data.zip", "Training Data", 48_220_110, "Other", "", "pending"),
        FileRow(4, "optimiser.bin", "Other", 4_096, "PickleTensor", "", "blocked",
                "It would run os.system when opened. Nobody but you can see this file."),
        FileRow(5, "config.yaml", "Config", 2_311, "Other", "", "error",
                "The scanner ran out of time. It tries again within the hour."),
    )  # fmt: skip


def _lineage() -> tuple[LineageNode, ...]:
    return (
        LineageNode("base", "SDXL 1.0", "base model", "/models/100", "Checkpoint", 0),
        LineageNode("clay", "Clay & Glass", "v3.1", "/models/2", "Checkpoint", 1, "Trained from",
                    (("base", "SDXL 1.0"),), _picture(1)),
        LineageNode("ink", "Suminagashi", "v1", "/models/3", "LORA", 1, "Trained from", (("base", "SDXL 1.0"),),
                    _picture(2)),
        LineageNode("this", "Gouache Horizon", "v2", "/models/1", "LORA", 2, "Merge, sum 0.35",
                    (("clay", "Clay & Glass"), ("ink", "Suminagashi")), _picture(0), True),
        LineageNode("fork", "Paper Garden", "v1 by mira.vell", "/models/6", "DoRA", 3, "Fork",
                    (("this", "Gouache Horizon"),), _picture(5)),
        LineageNode("flow", "Riverbrush", "v0.9 by ines", "/models/7", "LORA", 3, "Fork",
                    (("this", "Gouache Horizon"),), _picture(6)),
    )  # fmt: skip


def sample() -> StyleGuide:
    """The style guide's context: made-up models, the same on every instance."""
    now = clock.now()
    return StyleGuide(
        sections=tuple((name, name.lower()) for name in _SECTIONS),
        colours=(
            ("Room and ink", ("wall", "surface", "surface-2", "surface-3", "ink-3", "ink-2", "ink")),
            ("Accent and signals", ("accent", "accent-strong", "ok", "warn", "danger", "spark")),
            (
                "Pigments",
                ("ultramarine", "vermilion", "viridian", "ochre", "violet", "turquoise", "rose", "slate"),
            ),
        ),
        icons=_icons(),
        pictures=tuple(_picture(index) for index in range(len(_WORKS))),
        cards=_cards(),
        creator=Creator("mira.vell", None, "12 models · 4.1K followers"),
        stats=(
            Stat("download", 128_400, "downloads"),
            Stat("thumb-up", 9_310, "likes"),
            Stat("comment", 214, "comments"),
            Stat("bookmark", 3_811, "collections"),
        ),
        files=_files(),
        compare=(
            CompareRow("Base model", "SDXL 1.0", "SDXL 1.0"),
            CompareRow("Steps", "4,200", "6,800"),
            CompareRow("Network dimension", "32", "16"),
            CompareRow("Trigger words", "gouache horizon", "gouache horizon"),
            CompareRow("File size", "218 MB", "109 MB"),
            CompareRow("Clip skip", "", "2"),
        ),
        lineage=_lineage(),
        steps=(
            Step("Model", "done", "#navigation"),
            Step("Version", "done", "#navigation"),
            Step("Files", "current"),
            Step("Images"),
            Step("Publish"),
        ),
        moments=(now - timedelta(minutes=3), now - timedelta(days=9), now - timedelta(days=420)),
        prose=_PROSE,
        command="civitas download 1 --layout comfyui",
    )
