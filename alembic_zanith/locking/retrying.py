"""Trying a migration again that was not given a lock, if that can be done without harm.

It runs after a SAVEPOINT. When it fails for want of a lock it is rolled back to there, which lets
go of what it had locked so far, so that others get on before it is tried again.
https://www.postgresql.org/docs/current/sql-rollback-to.html

SQLAlchemy is not told of the savepoint: an ORM session of a script joins a transaction in another
way where there is one, and rolls back on close what it would have left to the migration.
https://docs.sqlalchemy.org/en/20/orm/session_transaction.html#joining-a-session-into-an-external-transaction-such-as-for-test-suites
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alembic_zanith.errors import ZanithError
from alembic_zanith.failures import sqlstate

from .blockers import BlockerWatch
from .connections import driver_errors, is_autocommit, pause, quietly
from .errors import LockTimeoutError
from .failure import LockFailure

T = TypeVar("T")

_NAME = "_zanith_attempt"
_PROBE = "_zanith_probe"

_ACTIVE_TRANSACTION = "25001"
_SET_TRANSACTION = re.compile(r"\s*SET\b.*\bTRANSACTION\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class RetryPolicy:
    """How often to try, and how long to wait in between, in seconds.

    The longest wait doubles from `first_wait` to `longest_wait`; each is drawn at random from zero
    up to it, so that two that are in each other's way do not stay in step.
    """

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 10.0

    def wait_after(self, attempt: int) -> float:
        """Return how long to wait after a failed attempt; the first one is number 1."""
        return random.uniform(0, min(self.longest_wait, self.first_wait * 2 ** (attempt - 1)))


@dataclass(frozen=True)
class Retry:
    """What happened to an attempt, and when the next one begins."""

    attempt: int
    attempts: int
    wait_seconds: float
    failure: LockFailure

    @property
    def message(self) -> str:
        """The same in words, one line for each session in the way."""
        return "\n".join(
            [
                f"{self.failure.headline}, attempt {self.attempt} of {self.attempts}.",
                *self.failure.details,
                f"It is rolled back, and tried again in {self.wait_seconds:.1f} seconds.",
            ]
        )


def run_with_retries(
    connection: Connection,
    work: Callable[[], T],
    *,
    policy: RetryPolicy,
    watch: BlockerWatch | None = None,
    on_retry: Callable[[Retry], None] | None = None,
    why_not_again: Callable[[], str] = lambda: "",
) -> T:
    """Call `work`, and again if it fails for want of a lock; return what it returns.

    It is called again only where all that it did on `connection` could be undone: not if it
    committed, nor outside a transaction. `on_retry` is told before each wait. `why_not_again` is
    asked for any other reason.

    Raises `LockTimeoutError` when it is not, or not again, tried. Any other error of `work` passes.
    """
    savepoint = _Savepoint(connection)
    attempt = 1
    while True:
        try:
            result = work()
        except (DBAPIError, ZanithError) as error:
            if watch:
                watch.finished()
            if _cannot_follow_a_savepoint(error) and savepoint.give_up():
                continue
            failure = LockFailure.of(error, watch)
            if failure is None:
                raise
            obstacle = savepoint.roll_back() or why_not_again()
            if obstacle or attempt >= policy.attempts:
                raise _error(failure, attempt, _lock_timeout(connection), obstacle) from error
            wait = policy.wait_after(attempt)
            if on_retry:
                on_retry(Retry(attempt, policy.attempts, wait, failure))
            pause(connection, wait)
            attempt += 1
        else:
            savepoint.release()
            return result


class _Savepoint:
    """Where an attempt begins, and whether PostgreSQL can still go back there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._root = connection.get_transaction()
        self._obstacle = self._set()

    def _set(self) -> str:
        if is_autocommit(self._connection):
            return "each of its statements is committed by itself (AUTOCOMMIT)"
        if self._root is None or not self._sent(f"SAVEPOINT {_NAME}"):
            return "it does not run in a transaction"
        return ""

    def roll_back(self) -> str:
        """Undo what came after it; return why that is not possible, if so."""
        if self._obstacle:
            return self._obstacle
        if self._is_gone() or not self._sent(f"ROLLBACK TO SAVEPOINT {_NAME}"):
            self._obstacle = "it committed or rolled back in between"
        return self._obstacle

    def give_up(self) -> bool:
        """Undo what came after it, and be none from now on; tell whether it could."""
        undone = not self.roll_back()
        if undone:
            self._sent(f"RELEASE SAVEPOINT {_NAME}")
            self._obstacle = "it set the properties of its transaction"
        return undone

    def release(self) -> None:
        """Keep what came after it.

        A script may have ended the transaction with a COMMIT in its SQL, of which SQLAlchemy knows
        nothing. To release a savepoint that is gone would spoil the transaction that is there now,
        so a second one is set before.
        """
        if self._obstacle or self._is_gone() or not self._sent(f"SAVEPOINT {_PROBE}"):
            return
        if not self._sent(f"RELEASE SAVEPOINT {_NAME}"):
            self._sent(f"ROLLBACK TO SAVEPOINT {_PROBE}")
            self._sent(f"RELEASE SAVEPOINT {_PROBE}")

    def _is_gone(self) -> bool:
        return self._connection.get_transaction() is not self._root

    def _sent(self, statement: str) -> bool:
        try:
            quietly(self._connection, statement)
        except (driver_errors(self._connection), SQLAlchemyError):
            return False
        return True


def _cannot_follow_a_savepoint(error: BaseException) -> bool:
    """Whether it is SET TRANSACTION that failed, which must come before any savepoint.

    https://www.postgresql.org/docs/current/sql-set-transaction.html
    """
    return (
        isinstance(error, DBAPIError)
        and sqlstate(error) == _ACTIVE_TRANSACTION
        and _SET_TRANSACTION.match(error.statement or "") is not None
    )


def _lock_timeout(connection: Connection) -> str:
    try:
        return str(quietly(connection, "SHOW lock_timeout"))
    except (driver_errors(connection), SQLAlchemyError):
        return "0"


def _error(
    failure: LockFailure, attempts: int, lock_timeout: str, obstacle: str
) -> LockTimeoutError:
    tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    limit = "" if lock_timeout == "0" else f" with lock_timeout {lock_timeout}"
    outcome = (
        f"It was not tried again, because {obstacle}. What it committed before stays."
        if obstacle
        else "All that it did is rolled back."
    )
    message = [f"{failure.headline}, after {tries}{limit}.", *failure.details, outcome]
    message.append(failure.advice)
    return LockTimeoutError(
        "\n".join(message),
        statement=failure.statement,
        relation=failure.relation,
        blockers=failure.blockers,
        attempts=attempts,
    )
