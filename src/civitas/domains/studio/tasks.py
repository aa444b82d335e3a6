"""What the studio does by itself."""

from __future__ import annotations

from civitas.domains.studio import blocking
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every


@every("35 3 * * *")
async def forget_refused_prompts(context: TaskContext) -> None:
    """Forget refused prompts that no longer count."""
    while True:
        async with context.unit() as session:
            if await blocking.forget(session) == 0:
                return
