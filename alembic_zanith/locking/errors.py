"""What the lock of a run, its timeouts and retries raise."""

from __future__ import annotations

from collections.abc import Sequence

from alembic_zanith.errors import ZanithError

from .sessions import Session


class RunLockHeldError(ZanithError):
    """Another run of migrations holds the lock of this database, and did not let go in time.

    `holder` is its session, or None where it let go at the last moment.
    """

    def __init__(self, message: str, holder: Session | None) -> None:
        super().__init__(message)
        self.holder = holder


class RunLockImpossibleError(ZanithError):
    """The lock needs a connection of its own, and cannot have one."""


class RunLockLostError(ZanithError):
    """The connection that held the lock of the run is gone, and the lock with it."""


class LockTimeoutError(ZanithError):
    """A migration did not get a lock on a table or row.

    `statement` is what waited, `relation` the table if known, `blockers` the sessions in the way,
    `attempts` how often it was tried.
    """

    def __init__(
        self,
        message: str,
        *,
        statement: str,
        relation: str | None,
        blockers: Sequence[Session],
        attempts: int,
    ) -> None:
        super().__init__(message)
        self.statement = statement
        self.relation = relation
        self.blockers = tuple(blockers)
        self.attempts = attempts
