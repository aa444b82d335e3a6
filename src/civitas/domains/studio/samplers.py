"""Samplers by the names people know, and by their names on the orchestration wire."""

from __future__ import annotations

from typing import Final

# In the order in which a picker shows them.
WIRE: Final = {
    "Euler a": "eulerA",
    "Euler": "euler",
    "LMS": "lms",
    "Heun": "heun",
    "DPM2": "dpM2",
    "DPM2 a": "dpM2A",
    "DPM++ 2S a": "dpM2SA",
    "DPM++ 2M": "dpM2M",
    "DPM++ SDE": "dpmsde",
    "DPM++ 3M SDE": "dpM3MSDE",
    "DPM fast": "dpmFast",
    "DPM adaptive": "dpmAdaptive",
    "LMS Karras": "lmsKarras",
    "DPM2 Karras": "dpM2Karras",
    "DPM2 a Karras": "dpM2AKarras",
    "DPM++ 2S a Karras": "dpM2SAKarras",
    "DPM++ 2M Karras": "dpM2MKarras",
    "DPM++ SDE Karras": "dpmsdeKarras",
    "DDIM": "ddim",
    "DDPM": "ddpm",
    "DEIS": "deis",
    "PLMS": "plms",
    "UniPC": "uniPC",
    "LCM": "lcm",
}
NAMES: Final = tuple(WIRE)
BY_WIRE: Final = {wire: name for name, wire in WIRE.items()}
_FOLDED: Final = {name.casefold().replace(" ", "").replace("+", ""): name for name in WIRE}


def known(name: str) -> str | None:
    """The sampler that somebody means by a name from metadata (`DPM++ 2M karras`, `euler_a`); None when unknown."""
    if name in BY_WIRE:
        return BY_WIRE[name]
    plain = name.casefold().replace("_", "").replace(" ", "").replace("+", "").replace("-", "")
    plain = (
        plain.removesuffix("normal")
        .replace("ancestral", "a")
        .replace("dpmpp", "dpm")
        .replace("automatic", "")
    )
    return _FOLDED.get(plain)
