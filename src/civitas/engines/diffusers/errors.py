"""What can go wrong while pictures are made, as faults that fail one request and leave the engine ready for the next."""

from __future__ import annotations

from civitas.kit.errors import Fault, Invalid, Unavailable


class ExtraMissing(Unavailable):
    """torch or diffusers is not installed."""

    code = "generate_extra_missing"


class WeightsCorrupt(Invalid):
    """A file of weights cannot be read, or makes numbers that are no pictures."""

    code = "weights_corrupt"


class ModelUnsupported(Invalid):
    """The weights are whole, but of an architecture that this engine cannot run or combine."""

    code = "model_unsupported"


class PartsMissing(Unavailable):
    """The file holds only some parts of its model, and the others are not on this machine."""

    code = "parts_missing"


class RequestImpossible(Invalid):
    """The request contradicts itself or the model."""

    code = "request_impossible"


class OutOfMemory(Fault):
    """The picture or the model does not fit into memory; smaller is the way out. What was cached is kept."""

    kind, code = "too_large", "out_of_memory"


class Cancelled(Fault):
    """The caller asked to stop; pictures that were finished before are lost with the request."""

    kind, code = "gone", "cancelled"
