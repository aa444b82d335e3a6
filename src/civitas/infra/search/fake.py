"""An index within this process: what tests, and what has no use for a socket, ask."""

from __future__ import annotations

from collections.abc import Sequence

from civitas.infra.search import finding
from civitas.infra.search.collection import Collection
from civitas.infra.search.finding import LIMITS, Limits
from civitas.infra.search.shape import Answer, Question


class HeldIndex:
    """Answers from collections that somebody else fills. `asked` counts; without a collection there is no answer."""

    def __init__(self, collections: dict[str, Collection], limits: Limits = LIMITS) -> None:
        self.collections = collections
        self.limits = limits
        self.asked = 0

    async def find(self, question: Question) -> Answer | None:
        """See Index."""
        self.asked += 1
        held = self.collections.get(question.collection)
        return None if held is None else finding.find(held, question, self.limits)

    async def find_each(self, questions: Sequence[Question], enough: int) -> list[Answer] | None:
        """See Index."""
        self.asked += 1
        if any(question.collection not in self.collections for question in questions):
            return None
        return finding.find_each(self.collections, questions, enough, self.limits)
