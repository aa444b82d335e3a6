"""What orchestration refuses."""

from __future__ import annotations

from collections.abc import Mapping

from civitas.kit.errors import Conflict, Invalid, Limited, NotFound, Unavailable


class BadTemplate(Invalid):
    """A workflow cannot be accepted as it is; `fields` maps paths (`steps[1].input.image`) to what is wrong."""

    code = "bad_workflow"

    def __init__(self, fields: Mapping[str, str], *, code: str | None = None) -> None:
        where, told = next(iter(fields.items()))
        more = f" There are {len(fields)} such faults." if len(fields) > 1 else ""
        super().__init__(
            f"{where}: {told}{more} Nothing was started or charged.", code=code, fields=dict(fields)
        )


class UnknownWorkflow(NotFound):
    """There is no such workflow, it is not the caller's, or it was deleted or has been forgotten."""

    code = "no_such_workflow"

    def __init__(self) -> None:
        super().__init__("There is no such workflow, or it is not kept any more.")


class UnknownStep(NotFound):
    """The workflow has no step of this name."""

    code = "no_such_step"

    def __init__(self, name: str) -> None:
        super().__init__(f"This workflow has no step named {name[:100]!r}.")


class Ended(Conflict):
    """The workflow or step has ended, and what ended stays as it is."""

    code = "ended"

    def __init__(self, what: str, status: str) -> None:
        super().__init__(f"This {what} has ended as {status}; what has ended cannot be changed.")


class Begun(Conflict):
    """The step runs already, so its input stands."""

    code = "begun"

    def __init__(self) -> None:
        super().__init__("This step has begun; its input can be changed only while it is unassigned.")


class QueueFull(Limited):
    """The caller has as many workflows under way as their membership allows."""

    code = "queue_full"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"You have {most} workflows under way, which is as many as your membership allows at once. "
            "Wait for one to end.",
            retry_after=3,
        )


class NobodyCan(Unavailable):
    """No part of this site, and no agent, can do this step."""

    code = "no_provider_available"
