"""The prompt as the model wants it: embeddings for Stable Diffusion and SDXL, plain text for all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from civitas.engines.diffusers import embeddings, prompts
from civitas.engines.diffusers.loading import Loaded
from civitas.engines.diffusers.prompts import Chunk, Encoded
from civitas.engines.diffusers.requests import Notice, PictureRequest

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Conditioning:
    """Arguments of the pipeline for one picture; `repeated` makes them for several."""

    tensors: dict[str, torch.Tensor]
    texts: dict[str, str]
    notices: tuple[Notice, ...]

    def repeated(self, count: int) -> dict[str, Any]:
        made: dict[str, Any] = {k: v.repeat(count, *([1] * (v.ndim - 1))) for k, v in self.tensors.items()}
        made.update({k: [v] * count for k, v in self.texts.items()})
        return made


def condition(model: Loaded, request: PictureRequest) -> Conditioning:
    """Encode both prompts. Raises `WeightsCorrupt` and `ModelUnsupported` for embeddings that do not fit."""
    if model.family is None:
        return _plain(request)
    if model.family.flow:
        return _flowing(model, request)
    pipe = model.pipe
    encoders = [(pipe.text_encoder, pipe.tokenizer)]
    if getattr(pipe, "text_encoder_2", None) is not None:
        encoders.append((pipe.text_encoder_2, pipe.tokenizer_2))
    widths = [encoder.config.hidden_size for encoder, _ in encoders]
    tables, notices = embeddings.load(request.embeddings, widths)
    said = list(notices)
    sides: dict[str, list[list[Chunk]]] = {"prompt": [], "negative prompt": []}
    for table, (_, tokenizer) in zip(tables, encoders, strict=True):
        for name, text in (("prompt", request.prompt), ("negative prompt", request.negative)):
            parts, cut = prompts.chunks(text, tokenizer, table)
            sides[name].append(parts)
            if cut:
                said.append(
                    Notice(
                        "prompt_cut",
                        f"The {name} is too long; {prompts.MAX_CHUNKS * prompts.CHUNK} tokens of it were read.",
                    )
                )
    longest = max(len(parts) for side in sides.values() for parts in side)
    skip = max(model.family.skip, request.clip_skip + model.family.skip - 1)
    if not model.family.skips:
        skip = model.family.skip
        if request.clip_skip > 1:
            said.append(Notice("clip_skip_ignored", "This model has no clip skip."))
    elif model.family.key == "sdxl" and request.clip_skip == 2:
        skip = model.family.skip  # what people mean by 2 for SDXL is what SDXL does anyway
    yes, no = (_encoded(model, encoders, side, longest, skip) for side in sides.values())
    tensors = {"prompt_embeds": yes.states, "negative_prompt_embeds": no.states}
    if yes.pooled is not None and no.pooled is not None:
        tensors["pooled_prompt_embeds"], tensors["negative_pooled_prompt_embeds"] = yes.pooled, no.pooled
    return Conditioning(tensors, {}, tuple(dict.fromkeys(said)))


def _plain(request: PictureRequest) -> Conditioning:
    notices = []
    if prompts.weighted(request.prompt) or prompts.weighted(request.negative):
        notices.append(
            Notice("weights_ignored", "This model does not know prompt weights; they were taken out.")
        )
    if request.embeddings:
        notices.append(
            Notice("embeddings_ignored", "This model does not take textual inversions; they were left out.")
        )
    if request.clip_skip > 1:
        notices.append(Notice("clip_skip_ignored", "This model has no clip skip."))
    texts = {"prompt": prompts.plain(request.prompt), "negative_prompt": prompts.plain(request.negative)}
    return Conditioning({}, texts, tuple(notices))


def _flowing(model: Loaded, request: PictureRequest) -> Conditioning:
    """Plain words for Stable Diffusion 3 and Flux, with what they will not read."""
    assert model.family is not None
    made, pipe, said = _plain(request), model.pipe, []
    tokenizer, most = pipe.tokenizer, prompts.CHUNK
    if model.family.key == "flux1":
        if request.negative.strip():
            said.append(Notice("negative_ignored", "Flux has no negative prompt; it was left out."))
        made.texts.pop("negative_prompt")
        tokenizer = pipe.tokenizer_2
        most = model.family.tokens // (2 if not pipe.transformer.config.guidance_embeds else 1) - 1
    elif pipe.text_encoder_3 is None:
        said.append(
            Notice("t5_absent", "T5 or its tokenizer is not at hand; the words are read by CLIP alone.")
        )
    else:
        tokenizer, most = pipe.tokenizer_3, model.family.tokens - 1
    for name, text in made.texts.items():
        if len(tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids) > most:
            said.append(
                Notice(
                    "prompt_cut", f"The {name.replace('_', ' ')} is too long; {most} tokens of it were read."
                )
            )
    return Conditioning(made.tensors, made.texts, (*made.notices, *said))


def _encoded(
    model: Loaded, encoders: list[tuple[Any, Any]], side: list[list[Chunk]], longest: int, skip: int
) -> Encoded:
    import torch

    assert model.family is not None
    states, pooled = [], None
    for (encoder, tokenizer), parts in zip(encoders, side, strict=True):
        filled = [*parts, *(Chunk() for _ in range(longest - len(parts)))]
        deepest = encoder.config.num_hidden_layers
        made = prompts.encode(
            encoder,
            tokenizer,
            filled,
            skip=min(skip, deepest),
            normed=model.family.normed,
            pad=tokenizer.pad_token_id,
        )
        states.append(made.states)
        pooled = made.pooled if made.pooled is not None else pooled
    return Encoded(torch.cat(states, dim=-1), pooled)
