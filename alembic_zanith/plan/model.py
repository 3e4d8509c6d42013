"""What is going to run: values, made by the recording pass and read by gates and reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.levels import Level


@dataclass(frozen=True)
class Suppression:
    """What the author of a script allows: a reason or kind of risk, and why it is right here.

    `line` is where it stands. `why` is empty where the author gave none; then it allows nothing.
    `stands_alone` where the line has nothing else, so that it is about the one below.
    """

    code: str
    why: str
    line: int
    stands_alone: bool = False


@dataclass(frozen=True)
class PlannedOperation:
    """One call of an operation, or one statement that a script gives to a connection."""

    assessment: Assessment
    sql: str
    """What Alembic writes for it; empty where that depends on the database."""
    line: int | None = None
    """The line of the script that calls it; None where the script has no file."""
    rows: int | None = None
    """About how many rows are in the tables that it works on; None where nobody asked."""
    allowed_by: tuple[Suppression, ...] = ()
    """The suppressions that cover all of its reasons; none where a reason is left."""
    changes: tuple[Change, ...] = field(default=(), repr=False)
    """What it does, before any fact was known."""
    is_behind: bool = False
    """Whether something that nobody knows comes before it in its script."""


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
    complaints: tuple[str, ...] = ()
    """What is wrong with its suppressions, a sentence each."""
    around: tuple[PossibleCall, ...] = ()
    """Calls that can reach the database, or anything else, where nobody sees what they send."""

    @property
    def is_partial(self) -> bool:
        """Whether there may be more operations than these."""
        return self.ended is not None

    @property
    def level(self) -> Level:
        """The highest level of its operations."""
        levels = (operation.assessment.level for operation in self.operations)
        return max(levels, default=Level.SAFE)


@dataclass(frozen=True)
class Plan:
    """All pending scripts, in the order in which they will run."""

    revisions: tuple[PlannedRevision, ...]
    is_downgrade: bool = False
    facts: dict[str, str] = field(default_factory=dict)
    """What was asked of the database: its name and server version; empty without one."""

    @property
    def direction(self) -> str:
        """`upgrade` or `downgrade`."""
        return "downgrade" if self.is_downgrade else "upgrade"

    @cached_property
    def operations(self) -> list[tuple[PlannedRevision, PlannedOperation]]:
        """Every operation with the script that it is in."""
        return [(each, operation) for each in self.revisions for operation in each.operations]

    @property
    def level(self) -> Level:
        """The highest level of all."""
        return max((each.level for each in self.revisions), default=Level.SAFE)
