"""Areas that hang together, found with whole rows and columns at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

# A spiral of this many turns is followed to its end; nothing that people send comes near.
MOST_SWEEPS = 400


def reached(open_: Flags, seeds: Flags, *, diagonal: bool = False) -> Flags:
    """What can be reached from the seeds through what is open; over corners too when `diagonal`."""
    marked = seeds & open_
    count = int(np.count_nonzero(marked))
    for _ in range(MOST_SWEEPS):
        marked = _along_rows(open_, marked)
        marked = _along_rows(open_.T, marked.T).T
        if diagonal:
            marked = marked | (_grown(marked) & open_)
        now = int(np.count_nonzero(marked))
        if now == count:
            break
        count = now
    return marked


def _along_rows(open_: Flags, marked: Flags) -> Flags:
    """Every run of open pixels in a row that holds a mark is marked whole."""
    starts = open_.copy()
    starts[:, 1:] &= ~open_[:, :-1]
    runs = np.cumsum(starts.ravel())
    hit = np.zeros(int(runs[-1]) + 1, dtype=np.bool_)
    hit[runs[marked.ravel()]] = True
    return np.asarray(hit[runs].reshape(open_.shape) & open_)


def _grown(flags: Flags) -> Flags:
    """With all eight neighbours."""
    grown = flags.copy()
    grown[1:] |= flags[:-1]
    grown[:-1] |= flags[1:]
    sideways = grown.copy()
    grown[:, 1:] |= sideways[:, :-1]
    grown[:, :-1] |= sideways[:, 1:]
    return grown
