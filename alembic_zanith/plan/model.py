"""What is going to run: values, made by the recording pass and read by gates and reports."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.levels import Level


@dataclass(frozen=True)
class PlannedOperation:
    """One call of an operation, or one statement that a script gives to a connection."""

    assessment: Assessment
    sql: str
    """What Alembic writes for it; empty where that depends on the database."""
    line: int | None
    """The line of the script that calls it; None where the script has no file."""


@dataclass(frozen=True)
class PossibleCall:
    """A call that stands in a script behind the place where its recording ended."""

    line: int
    source: str


@dataclass(frozen=True)
class PlannedRevision:
    """One script. `ended` says why its recording ended before its end; None where it did not."""

    revision: str
    path: str
    description: str
    operations: tuple[PlannedOperation, ...]
    ended: str | None = None
    possible: tuple[PossibleCall, ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether there may be more operations than these."""
        return self.ended is not None


@dataclass(frozen=True)
class Plan:
    """All pending scripts, in the order in which they will run."""

    revisions: tuple[PlannedRevision, ...]
    is_downgrade: bool = False

    @property
    def operations(self) -> list[tuple[PlannedRevision, PlannedOperation]]:
        """Every operation with the script that it is in."""
        return [(each, operation) for each in self.revisions for operation in each.operations]

    @property
    def level(self) -> Level:
        """The highest level of all."""
        levels = (operation.assessment.level for _, operation in self.operations)
        return max(levels, default=Level.SAFE)
