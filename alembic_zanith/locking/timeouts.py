"""`lock_timeout` and `statement_timeout` for a run of migrations.

They are set at the beginning of each transaction and for that transaction alone (SET LOCAL), so
that nothing is left behind on a connection that goes back to a pool, nor on a server that a pooler
hands to somebody else. Where each statement commits by itself there is no such thing: there they
are set for the session, and set back when the block ends.
https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, event

from alembic_zanith.errors import ConfigurationError

from .connections import driver_errors, is_autocommit, quietly

_LONGEST = 2**31 - 1


@dataclass(frozen=True)
class Timeout:
    """How long, in milliseconds; 0 is for ever, as PostgreSQL has it.

    `is_default` marks one that nobody chose: it never takes the place of a shorter one that the
    project's env.py, its URL, the role or the database has set.
    """

    milliseconds: int
    is_default: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.milliseconds <= _LONGEST:
            raise ConfigurationError(
                f"A timeout is from 0 to {_LONGEST} milliseconds, not {self.milliseconds}."
            )

    def over(self, present: int) -> int:
        """Return what is to be in force where `present` milliseconds (0: none) were set before.

        >>> Timeout(5000, is_default=True).over(1000), Timeout(5000).over(1000)
        (1000, 5000)
        """
        if not self.is_default or present == 0:
            return self.milliseconds
        return min(present, self.milliseconds) or present


@contextmanager
def run_timeouts(
    connection: Connection,
    *,
    lock_timeout: Timeout | None = None,
    statement_timeout: Timeout | None = None,
) -> Iterator[None]:
    """Keep these timeouts on a connection while the block runs; None leaves the server's own.

    Each transaction begins with them, whatever a script set in the one before.

    Example::

        with run_timeouts(connection, lock_timeout=Timeout(5000, is_default=True)):
            context.run_migrations()
    """
    wanted = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
    chosen = {name: timeout for name, timeout in wanted.items() if timeout is not None}
    if not chosen:
        yield
        return
    keeper = _Keeper(connection, chosen)
    keeper.begin()
    try:
        yield
    finally:
        keeper.end()


class _Keeper:
    """Sets the timeouts whenever SQLAlchemy begins a transaction on the connection."""

    def __init__(self, connection: Connection, timeouts: Mapping[str, Timeout]) -> None:
        self._connection = connection
        self._timeouts = timeouts
        self._before: dict[str, str] = {}
        """What was in force when the transaction, or the block without one, began."""
        self._ours: dict[str, str] = {}

    def begin(self) -> None:
        event.listen(self._connection, "begin", self._set)
        event.listen(self._connection, "commit", self._leave_session)
        event.listen(self._connection, "rollback", self._leave_session)
        if self._connection.in_transaction():
            self._set(self._connection)

    def end(self) -> None:
        event.remove(self._connection, "begin", self._set)
        event.remove(self._connection, "commit", self._leave_session)
        event.remove(self._connection, "rollback", self._leave_session)
        if self._connection.in_transaction() and not self._connection.invalidated:
            self._put_back("" if is_autocommit(self._connection) else "LOCAL ")

    def _set(self, connection: Connection) -> None:
        scope = "" if is_autocommit(connection) else "LOCAL "
        # A lost connection is for the statement to report that comes next.
        with contextlib.suppress(driver_errors(connection)):
            for name, timeout in self._timeouts.items():
                # SHOW and SET take no snapshot, so that the transaction's own first statement may
                # still be SET TRANSACTION.
                self._before[name] = str(quietly(connection, f"SHOW {name}"))
                value = f"{timeout.over(_milliseconds(self._before[name]))}ms"
                quietly(connection, f"SET {scope}{name} = '{value}'")
                self._ours[name] = value

    def _leave_session(self, connection: Connection) -> None:
        """Set back, before the end of a block without a transaction, what holds for the session."""
        if not connection.invalidated and is_autocommit(connection):
            self._put_back("")

    def _put_back(self, scope: str) -> None:
        # What fails here is a lost connection, or a transaction that is to be rolled back: nothing
        # is left of our setting then either.
        with contextlib.suppress(driver_errors(self._connection)):
            for name, value in self._before.items():
                present = _milliseconds(str(quietly(self._connection, f"SHOW {name}")))
                if present == _milliseconds(self._ours.get(name, "")):
                    quietly(self._connection, f"SET {scope}{name} = '{value}'")


_UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def _milliseconds(shown: str) -> int:
    """Read a duration as SHOW writes it.

    >>> _milliseconds("5s"), _milliseconds("250ms"), _milliseconds("0")
    (5000, 250, 0)
    """
    number = shown.rstrip("smindh")
    return int(number or 0) * _UNITS.get(shown[len(number) :], 1)
