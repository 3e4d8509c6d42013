"""A statement that was not given a lock: what it was, who is in the way, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy.exc import DBAPIError

from alembic_zanith.errors import ZanithError
from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.redaction import one_line

from .blockers import Blocked, BlockerWatch
from .sessions import Session
from .statements import is_concurrent

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOCK_NOT_AVAILABLE = "55P03"
_DEADLOCK = "40P01"


@dataclass(frozen=True)
class LockFailure:
    """One failure for want of a lock."""

    statement: str
    reason: str
    blocked: Blocked | None

    @classmethod
    def of(cls, error: BaseException, watch: BlockerWatch | None) -> Self | None:
        """Read an error; None if it is about something else.

        An operation of this package has put its own words around the one of the database.
        """
        cause = error.__cause__ if isinstance(error, ZanithError) else error
        if not isinstance(cause, DBAPIError):
            return None
        if sqlstate(cause) not in (_LOCK_NOT_AVAILABLE, _DEADLOCK):
            return None
        return cls(cause.statement or "", server_message(cause), watch.blocked if watch else None)

    @property
    def relation(self) -> str | None:
        """The table that was to be locked, if known."""
        return self.blocked.relation if self.blocked else None

    @property
    def blockers(self) -> Sequence[Session]:
        """The sessions in the way, as far as known."""
        return self.blocked.blockers if self.blocked else ()

    @property
    def headline(self) -> str:
        """What could not be had, without a full stop."""
        on = f" on {self.relation}" if self.relation else ""
        return f"No lock{on} ({self.reason})"

    @property
    def details(self) -> list[str]:
        """The statement and who is in its way, a line each."""
        lines = [f"Statement: {one_line(self.statement)}"]
        lines += [f"In the way: {blocker.described}" for blocker in self.blockers]
        return lines if self.blockers else [*lines, "Who is in the way is not known."]

    @property
    def advice(self) -> str:
        """What to do when it is not tried again."""
        advice = "Run it again when the way is free, or with a higher lock_timeout."
        pids = [blocker.pid for blocker in self.blockers if not blocker.is_prepared_transaction]
        if pids:
            end = ", ".join(f"pg_terminate_backend({pid})" for pid in pids)
            advice += f" To end what is in the way, and lose what it has open: SELECT {end}."
        if is_concurrent(self.statement):
            advice += " If it has left an index that is marked INVALID, drop that one first."
        return advice
