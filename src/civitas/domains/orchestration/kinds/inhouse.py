"""What the platform does itself."""

from __future__ import annotations

from typing import Final

from civitas.domains.orchestration.kinds.kind import Kind, Runner

NOTHING: Final = frozenset[str]()

KINDS: Final = (
    Kind("echo", "the platform, at once", runner=Runner.INLINE, media=NOTHING, airs=NOTHING),
    Kind("repeat", "the platform: its turns are steps of their own", runner=Runner.LOOP),
    Kind("imageUpload", "the platform", runner=Runner.TASK, media=frozenset({"source"}), airs=NOTHING),
    Kind("blobArchive", "the platform", runner=Runner.TASK, media=NOTHING, airs=NOTHING),
    Kind("modelHash", "the platform, from the catalogue's own digests", runner=Runner.TASK, airs=NOTHING),
    Kind("modelPickleScan", "the platform, with the catalogue's scanner", runner=Runner.TASK, airs=NOTHING),
    Kind(
        "modelClamScan",
        "the platform, with ClamAV where it is connected",
        runner=Runner.TASK,
        airs=NOTHING,
    ),
    Kind("modelParseMetadata", "the platform, from the file's header", runner=Runner.TASK, airs=NOTHING),
    Kind("prepareResource", "the platform", runner=Runner.TASK, airs=NOTHING),
)
