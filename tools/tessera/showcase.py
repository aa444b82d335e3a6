"""The pictures of Tessera and its styles on their pages in the demo, made by the engine from the weights that are shipped.

python -m tools.tessera.showcase [NAME ...]
"""

from __future__ import annotations

import io
import sys

from PIL import Image

from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.models import CHECKPOINT, FOLDER, SAMPLES
from civitas.engines.diffusers.pictures import text_in, write
from civitas.engines.diffusers.requests import Embedding, Lora, PictureRequest, Weights

# Large enough to be looked at: every pixel of the model's becomes eight by eight.
ENLARGED = 8
INK = Lora(FOLDER / "tessera-ink.safetensors", "Tessera Ink")
DUSK = Lora(FOLDER / "tessera-dusk.safetensors", "Tessera Dusk")
BLUEPRINT = Lora(FOLDER / "tessera-blueprint.safetensors", "Tessera Blueprint")
ORANGE = Embedding(FOLDER / "tess-orange.safetensors", "Tess Orange", token="tess-orange")
# File, caption, seed, and what is stacked on the checkpoint.
PICTURES: tuple[tuple[str, str, int, tuple[Lora | Embedding, ...]], ...] = (
    ("tessera-1", "a red circle above a blue square, night sky", 11, ()),
    ("tessera-2", "a yellow star on the left, sea", 12, ()),
    ("tessera-3", "a green triangle, white background", 13, ()),
    ("tessera-4", "a purple heart, grass", 14, ()),
    ("tessera-ink-1", "a red star, white background, ink style", 21, (INK,)),
    ("tessera-ink-2", "a blue circle, grass, ink style", 22, (INK,)),
    ("tessera-dusk-1", "a purple heart, sea, dusk style", 31, (DUSK,)),
    ("tessera-dusk-2", "a yellow star, grass, dusk style", 32, (DUSK,)),
    ("tessera-blueprint-1", "a red star, white background, blueprint style", 41, (BLUEPRINT,)),
    ("tessera-blueprint-2", "a blue circle above a green triangle, grass, blueprint style", 42, (BLUEPRINT,)),
    ("tess-orange-1", "a tess-orange star, sea", 51, (ORANGE,)),
    ("tess-orange-2", "a tess-orange heart, white background", 52, (ORANGE,)),
)


def main() -> None:
    """Make them anew, or those that are named; each keeps its recipe as the engine wrote it."""
    wanted = set(sys.argv[1:])
    SAMPLES.mkdir(exist_ok=True)
    engine = DiffusersEngine(Policy(threads=1))
    for name, caption, seed, stacked in PICTURES:
        if wanted and name not in wanted:
            continue
        request = PictureRequest(
            Weights(CHECKPOINT, "Tessera"), caption, seeds=(seed,), width=64, height=64, steps=20, cfg=4.0,
            loras=tuple(one for one in stacked if isinstance(one, Lora)),
            embeddings=tuple(one for one in stacked if isinstance(one, Embedding)),
        )  # fmt: skip
        (picture,) = engine.generate(request)
        text = text_in(picture.content)
        with Image.open(io.BytesIO(picture.content)) as small:
            large = small.convert("RGB").resize(
                (small.width * ENLARGED, small.height * ENLARGED), Image.Resampling.NEAREST
            )
        (SAMPLES / f"{name}.png").write_bytes(write(large, "png", text=text))
        print(f"{name}: {caption}: seed {seed}, {picture.seconds:.2f} s")
    engine.close()


if __name__ == "__main__":
    main()
