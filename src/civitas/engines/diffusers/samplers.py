"""Names of samplers and schedules, as A1111, ComfyUI, sd.cpp and Civitai say them, to diffusers' schedulers.

Where diffusers has no such solver the nearest one stands in, and a notice says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from civitas.engines.diffusers.requests import Notice


@dataclass(frozen=True, slots=True)
class Solver:
    """A diffusers scheduler: its class, its settings, whether it can space its noise by the usual schedules."""

    label: str
    scheduler: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    spaced: bool = True
    stand_in: str = ""
    """When not empty: what it replaces, for the notice."""


_MULTI = "DPMSolverMultistepScheduler"
_SINGLE = "DPMSolverSinglestepScheduler"
_SDE: Final = {"algorithm_type": "sde-dpmsolver++"}

SOLVERS: Final[Mapping[str, Solver]] = {
    "euler": Solver("Euler", "EulerDiscreteScheduler"),
    "euler_a": Solver("Euler a", "EulerAncestralDiscreteScheduler", spaced=False),
    "lms": Solver("LMS", "LMSDiscreteScheduler"),
    "heun": Solver("Heun", "HeunDiscreteScheduler"),
    "dpm2": Solver("DPM2", "KDPM2DiscreteScheduler"),
    "dpm2_a": Solver("DPM2 a", "KDPM2AncestralDiscreteScheduler"),
    "dpmpp_2m": Solver("DPM++ 2M", _MULTI),
    "dpmpp_2m_sde": Solver("DPM++ 2M SDE", _MULTI, _SDE),
    "dpmpp_3m_sde": Solver("DPM++ 3M SDE", _MULTI, {**_SDE, "solver_order": 3}),
    "dpmpp_sde": Solver("DPM++ SDE", _SINGLE, _SDE),
    "ddim": Solver("DDIM", "DDIMScheduler", spaced=False),
    "plms": Solver("PLMS", "PNDMScheduler", {"skip_prk_steps": True}, spaced=False),
    "unipc": Solver("UniPC", "UniPCMultistepScheduler"),
    "deis": Solver("DEIS", "DEISMultistepScheduler"),
    "ddpm": Solver("DDPM", "DDPMScheduler", spaced=False),
    "lcm": Solver("LCM", "LCMScheduler", spaced=False),
    "tcd": Solver("TCD", "TCDScheduler", spaced=False),
    "dpmpp_2s": Solver("DPM++ 2S", _SINGLE, stand_in="DPM++ 2S a"),
    "dpm_fast": Solver("DPM++ 3S", _SINGLE, {"solver_order": 3}, stand_in="DPM fast"),
    "dpm_adaptive": Solver("DPM++ 3M", _MULTI, {"solver_order": 3}, stand_in="DPM adaptive"),
    "ipndm": Solver("DEIS", "DEISMultistepScheduler", {"solver_order": 3}, stand_in="IPNDM"),
    "heunpp2": Solver("Heun", "HeunDiscreteScheduler", stand_in="Heun++ 2"),
    "euler_cfg_pp": Solver("Euler", "EulerDiscreteScheduler", stand_in="Euler CFG++"),
    "euler_a_cfg_pp": Solver(
        "Euler a", "EulerAncestralDiscreteScheduler", spaced=False, stand_in="Euler a CFG++"
    ),
    "res_multistep": Solver("DPM++ 2M", _MULTI, stand_in="Res multistep"),
    "res_2s": Solver("DPM++ 2S", _SINGLE, stand_in="Res 2S"),
    "er_sde": Solver("DPM++ 2M SDE", _MULTI, _SDE, stand_in="ER SDE"),
}

_NAMES: Final[Mapping[str, str]] = {
    "eulera": "euler_a",
    "eulerancestral": "euler_a",
    "euleracfgpp": "euler_a_cfg_pp",
    "eulerancestralcfgpp": "euler_a_cfg_pp",
    "eulercfgpp": "euler_cfg_pp",
    "dpm2ancestral": "dpm2_a",
    "dpm2a": "dpm2_a",
    "dpm2sa": "dpmpp_2s",
    "dpmpp2sa": "dpmpp_2s",
    "dpmpp2sancestral": "dpmpp_2s",
    "dpmpp2sancestralcfgpp": "dpmpp_2s",
    "dpm2m": "dpmpp_2m",
    "dpmpp2m": "dpmpp_2m",
    "dpmpp2mv2": "dpmpp_2m",
    "dpmpp2mcfgpp": "dpmpp_2m",
    "dpmpp2msde": "dpmpp_2m_sde",
    "dpmpp2msdegpu": "dpmpp_2m_sde",
    "dpmpp2msdeheun": "dpmpp_2m_sde",
    "dpm3msde": "dpmpp_3m_sde",
    "dpmpp3msde": "dpmpp_3m_sde",
    "dpmpp3msdegpu": "dpmpp_3m_sde",
    "dpmsde": "dpmpp_sde",
    "dpmppsde": "dpmpp_sde",
    "dpmppsdegpu": "dpmpp_sde",
    "ddimtrailing": "ddim",
    "pndm": "plms",
    "unipcbh2": "unipc",
    "ipndmv": "ipndm",
    "undefined": "euler_a",
    "": "euler_a",
}
_INEXACT: Final = {"dpmpp2mcfgpp": "DPM++ 2M CFG++", "dpmpp2msdeheun": "DPM++ 2M SDE Heun"}

SCHEDULES: Final[Mapping[str, Mapping[str, Any]]] = {
    "": {},
    "automatic": {},
    "normal": {},
    "discrete": {},
    "uniform": {},
    "karras": {"use_karras_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
    "sgmuniform": {"timestep_spacing": "trailing"},
    "simple": {"timestep_spacing": "trailing"},
    "lcm": {"timestep_spacing": "trailing"},
    "ddimuniform": {"timestep_spacing": "leading"},
}
_SIGMAS: Final = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")


@dataclass(frozen=True, slots=True)
class Choice:
    """What will be used for the sampler and schedule that were asked for."""

    solver: Solver
    settings: dict[str, Any]
    label: str
    notices: tuple[Notice, ...]
    flow: bool = False
    """For a model of flow matching."""

    def build(self, config: Mapping[str, Any]) -> Any:
        """A fresh diffusers scheduler with the model's own noise schedule. Raises AttributeError never in practice."""
        import diffusers

        kind = getattr(diffusers, self.solver.scheduler)
        if self.flow:
            return _flowing(kind, config, self.settings)
        base = {k: v for k, v in config.items() if k not in _SIGMAS and not k.startswith("_")}
        return kind.from_config(base, **self.settings)


def _flowing(kind: Any, config: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    """A scheduler of flow matching; the general solvers are given the same spacing and the same way to add noise."""
    import diffusers

    if kind is diffusers.EulerDiscreteScheduler:
        base = {k: v for k, v in config.items() if k not in _SIGMAS and not k.startswith("_")}
        return diffusers.FlowMatchEulerDiscreteScheduler.from_config(base, **settings)
    made = kind(
        num_train_timesteps=config.get("num_train_timesteps", 1000), prediction_type="flow_prediction",
        use_flow_sigmas=True, flow_shift=config.get("shift", 1.0), **settings,
    )  # fmt: skip

    def scale_noise(sample: Any, timestep: Any, noise: Any) -> Any:
        return made.add_noise(sample, noise, timestep.reshape(-1).expand(len(sample)))

    made.scale_noise = scale_noise
    return made


def choose_flow(sampler: str, schedule: str, allowed: Sequence[str]) -> Choice:
    """As `choose` for a model of flow matching, for which only some solvers exist; Euler stands in for all others."""
    wished = choose(sampler, schedule)
    key = next((k for k in allowed if SOLVERS[k] is wished.solver), "")
    spacing = {k: v for k, v in wished.settings.items() if k in _SIGMAS}
    if key == "euler" or (key and not spacing):
        return replace(wished, settings=spacing, flow=True)
    euler = SOLVERS["euler"]
    if key:
        notice = Notice(
            "schedule_ignored",
            f"{SOLVERS[key].label} spaces its steps evenly for this kind of model; that was used.",
        )
        return Choice(SOLVERS[key], {}, SOLVERS[key].label, (*wished.notices, notice), flow=True)
    notice = Notice(
        "sampler_replaced",
        f"{wished.label} is not for this kind of model; {euler.label} was used instead.",
    )
    kept = tuple(n for n in wished.notices if n.code == "schedule_unknown")
    return Choice(euler, {}, euler.label, (notice, *kept), flow=True)


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name.lower().replace("++", "pp").replace("+", "p"))


def choose(sampler: str, schedule: str = "") -> Choice:
    """The solver for a sampler by any of its names, with its schedule. Never raises: the unknown becomes Euler a."""
    notices: list[Notice] = []
    name, spacing = _plain(sampler), _plain(schedule)
    for word in ("karras", "exponential"):
        if name.endswith(word) and name != word:
            name, spacing = name.removesuffix(word), word
    key = _NAMES.get(name, "")
    if not key:
        key = next((k for k in SOLVERS if _plain(k) == name), "")
    if not key:
        key = "euler_a"
        notices.append(
            Notice("sampler_unknown", f"There is no sampler {sampler!r}; Euler a was used instead.")
        )
    solver = SOLVERS[key]
    wanted = solver.stand_in or _INEXACT.get(name, "")
    if wanted:
        notices.append(
            Notice("sampler_replaced", f"{wanted} is not available; {solver.label} was used instead.")
        )
    extra = SCHEDULES.get(spacing)
    if extra is None:
        notices.append(
            Notice("schedule_unknown", f"There is no schedule {schedule!r}; the usual one was used.")
        )
        extra = {}
    if not solver.spaced and any(k in _SIGMAS for k in extra):
        notices.append(
            Notice(
                "schedule_ignored",
                f"{solver.label} does not space its steps by {spacing}; the usual one was used.",
            )
        )
        extra = {}
    label = solver.label
    if any(k in _SIGMAS for k in extra):
        label += " " + spacing.capitalize()
    return Choice(solver, {**solver.settings, **extra}, label, tuple(notices))
