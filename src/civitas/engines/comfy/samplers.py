"""Names of samplers and schedules, as Civitai, A1111 and sd.cpp say them, in ComfyUI's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SAMPLERS: Final = (
    "euler",
    "euler_cfg_pp",
    "euler_ancestral",
    "euler_ancestral_cfg_pp",
    "heun",
    "heunpp2",
    "dpm_2",
    "dpm_2_ancestral",
    "lms",
    "dpm_fast",
    "dpm_adaptive",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp",
    "dpmpp_sde",
    "dpmpp_sde_gpu",
    "dpmpp_2m",
    "dpmpp_2m_cfg_pp",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu",
    "dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu",
    "ddpm",
    "lcm",
    "ipndm",
    "ipndm_v",
    "deis",
    "ddim",
    "uni_pc",
    "uni_pc_bh2",
    "res_multistep",
    "er_sde",
)
SCHEDULES: Final = (
    "normal",
    "karras",
    "exponential",
    "sgm_uniform",
    "simple",
    "ddim_uniform",
    "beta",
    "kl_optimal",
)
USUAL_SAMPLER, USUAL_SCHEDULE = "euler_ancestral", "normal"
_ALIASES: Final[Mapping[str, str]] = {
    "": USUAL_SAMPLER,
    "undefined": USUAL_SAMPLER,
    "eulera": "euler_ancestral",
    "dpm2a": "dpm_2_ancestral",
    "dpm2sa": "dpmpp_2s_ancestral",
    "dpmpp2sa": "dpmpp_2s_ancestral",
    "dpm2m": "dpmpp_2m",
    "dpm3msde": "dpmpp_3m_sde",
    "dpm2msde": "dpmpp_2m_sde",
    "dpmsde": "dpmpp_sde",
}
# What ComfyUI does not have, and what comes nearest.
_NEAREST: Final[Mapping[str, str]] = {
    "plms": "ipndm",
    "pndm": "ipndm",
    "tcd": "lcm",
    "res2s": "res_multistep",
    "dpmpp2mv2": "dpmpp_2m",
}
_SPACINGS: Final[Mapping[str, str]] = {
    "": USUAL_SCHEDULE,
    "automatic": USUAL_SCHEDULE,
    "discrete": USUAL_SCHEDULE,
    "uniform": USUAL_SCHEDULE,
    "lcm": "sgm_uniform",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """ComfyUI's names, and what was not found as it was asked for."""

    sampler: str
    schedule: str
    notices: tuple[str, ...] = ()


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name.lower().replace("+", "p"))


_BY_PLAIN: Final = {_plain(name): name for name in SAMPLERS}
_SCHEDULE_BY_PLAIN: Final = {_plain(name): name for name in SCHEDULES}


def choose(sampler: str, schedule: str = "") -> Choice:
    """ComfyUI's sampler and schedule. Never raises: what is unknown becomes the usual, with a notice."""
    notices = []
    name, spacing = _plain(sampler), _plain(schedule)
    for word in ("karras", "exponential"):
        if name.endswith(word) and name != word:
            name, spacing = name.removesuffix(word), word
    if name == "ddimtrailing":
        name, spacing = "ddim", spacing or "sgmuniform"
    found = _BY_PLAIN.get(name) or _ALIASES.get(name)
    if found is None:
        found = _NEAREST.get(name, USUAL_SAMPLER)
        notices.append(f"ComfyUI has no sampler {sampler!r:.60}; {found} was used instead.")
    spaced = _SCHEDULE_BY_PLAIN.get(spacing) or _SPACINGS.get(spacing)
    if spaced is None:
        spaced = USUAL_SCHEDULE
        notices.append(f"ComfyUI has no schedule {schedule!r:.60}; {spaced} was used instead.")
    return Choice(found, spaced, tuple(notices))
