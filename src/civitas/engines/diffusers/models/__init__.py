"""Where Tessera lies, the small model that comes with Civitas; README.md beside this file is its card."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
CHECKPOINT: Final = FOLDER / "tessera.safetensors"
# Pictures that it made, with their recipes inside.
SAMPLES: Final = FOLDER / "samples"
