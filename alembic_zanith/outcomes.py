"""The words of the bookkeeping tables, for those who have no use for their models.

The models take SQLAlchemy's ORM along, which an upgrade has no use for.
"""

from __future__ import annotations

from enum import StrEnum


class RunOutcome(StrEnum):
    """What became of one run of a revision."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    """A gate did not let it pass, before it began or at one of its statements."""
    ROLLED_BACK = "rolled_back"
    """It had come to its end, and a later revision in the same transaction failed."""


class StepStatus(StrEnum):
    """What became of one operation of a run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    """It was done, and undone when a later one failed."""
    NOT_RUN = "not_run"
    """It would have come after the one that failed or was refused."""
