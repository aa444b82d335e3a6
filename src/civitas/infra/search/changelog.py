"""What writers and readers of the log of changes have agreed on. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

# What the triggers notify.
CHANNEL: Final = "civitas_index"
# Who has not read for so long must load anew.
KEPT: Final = timedelta(minutes=15)
