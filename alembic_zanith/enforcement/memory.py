"""What a run has done so far, and what its plan says comes next."""

from __future__ import annotations

from collections.abc import Sequence

from alembic_zanith.plan.model import PlannedOperation
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.raw import EndTransaction
from alembic_zanith.risk.plan_facts import PlanFacts


class Memory:
    """Everything that was let pass. Facts are worked out when somebody asks for them."""

    def __init__(self, default_schema: str | None) -> None:
        self._default_schema = default_schema
        # What was let pass, in which revision; or that a transaction has ended.
        self._past = list[tuple[Assessment | tuple[Change, ...], str]]()
        self._facts = PlanFacts(default_schema)
        self._known = 0

    @property
    def facts(self) -> PlanFacts:
        """What all that has been let pass has made."""
        for done, revision in self._past[self._known :]:
            assessment = done if isinstance(done, Assessment) else Assessment.of("", done)
            self._facts.refine(assessment, revision)
        self._known = len(self._past)
        return self._facts

    def note(self, changes: tuple[Change, ...], revision: str) -> None:
        """Remember what is about to be done."""
        self._past.append((changes, revision))

    def refined(self, assessment: Assessment, revision: str) -> Assessment:
        """Return an assessment as the past makes it, and remember it."""
        refined = self.facts.refine(assessment, revision)
        self._past.append((assessment, revision))
        self._known = len(self._past)
        return refined

    def end_transaction(self, *, rolled_back: bool = False) -> None:
        """Remember that what was for the transaction alone is gone; all of it, if `rolled_back`."""
        self._past.append(((EndTransaction("", rolls_back=rolled_back),), ""))

    def mark(self) -> int:
        """Return a place to go back to."""
        return len(self._past)

    def forget(self, mark: int) -> None:
        """Go back to a place, as if what came after it had never been."""
        del self._past[mark:]
        self._facts, self._known = PlanFacts(self._default_schema), 0


class Expectation:
    """The operations of a revision that the plan knows, one after the other.

    The first one that is not as planned ends it: from there on nothing is expected.
    """

    def __init__(self, planned: Sequence[PlannedOperation]) -> None:
        self._planned = planned
        self._next = 0

    def met_by(self, changes: tuple[Change, ...]) -> PlannedOperation | None:
        """Return the planned operation that comes next, if it does just these changes."""
        if self._next >= len(self._planned) or self._planned[self._next].changes != changes:
            self._next = len(self._planned)
            return None
        self._next += 1
        return self._planned[self._next - 1]
