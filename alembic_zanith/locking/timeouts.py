"""`lock_timeout` and `statement_timeout` for a run of migrations.

They are set at the beginning of each transaction and for that transaction alone (SET LOCAL), so
that nothing is left behind on a connection that goes back to a pool, nor on a server that a pooler
hands to somebody else. Where each statement commits by itself there is no such thing: there they
are set for the session, and set back when the block ends.
https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT

lock_timeout is there because everybody who comes after a waiting ALTER TABLE queues up behind it.
Nobody does behind CREATE INDEX CONCURRENTLY, which waits for every old transaction of the database
and leaves an invalid index when it is broken off; so it may wait for longer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, event

from alembic_zanith.errors import ConfigurationError

from .connections import driver_errors, is_autocommit, quietly
from .statements import is_concurrent

CONCURRENT_PATIENCE = 10 * 60_000
"""Milliseconds that a statement with CONCURRENTLY waits for others where lock_timeout is less."""

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
    concurrent_patience: int = CONCURRENT_PATIENCE,
) -> Iterator[None]:
    """Keep these timeouts on a connection while the block runs; None leaves the server's own.

    Each transaction begins with them, whatever a script set in the one before. Statements with
    CONCURRENTLY wait for locks up to `concurrent_patience` milliseconds, if that is longer.

    Example::

        with run_timeouts(connection, lock_timeout=Timeout(5000, is_default=True)):
            context.run_migrations()
    """
    wanted = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
    chosen = {name: timeout for name, timeout in wanted.items() if timeout is not None}
    if not chosen:
        yield
        return
    keeper = _Keeper(connection, chosen, concurrent_patience)
    keeper.begin()
    try:
        yield
    finally:
        keeper.end()


class _Keeper:
    """Sets the timeouts whenever SQLAlchemy begins a transaction on the connection."""

    def __init__(
        self, connection: Connection, timeouts: Mapping[str, Timeout], patience: int
    ) -> None:
        self._connection = connection
        self._timeouts = timeouts
        self._patience = patience
        self._is_session = False
        self._before: dict[str, str] = {}
        """What was in force when the transaction, or the block without one, began."""
        self._ours: dict[str, int] = {}
        """What we have set since."""
        self._listeners: dict[str, Callable[..., None]] = {
            "begin": self._set_all,
            "commit": self._leave_session,
            "rollback": self._leave_session,
            "before_cursor_execute": self._fit_to,
        }

    def begin(self) -> None:
        for name, listener in self._listeners.items():
            event.listen(self._connection, name, listener)
        if self._connection.in_transaction():
            self._set_all(self._connection)

    def end(self) -> None:
        for name, listener in self._listeners.items():
            event.remove(self._connection, name, listener)
        if self._connection.in_transaction() and not self._connection.invalidated:
            self._put_back()

    def _set_all(self, connection: Connection) -> None:
        self._is_session = is_autocommit(connection)
        # A lost connection is for the statement to report that comes next.
        with contextlib.suppress(driver_errors(connection)):
            for name, timeout in self._timeouts.items():
                # SHOW and SET take no snapshot, so that the transaction's own first statement may
                # still be SET TRANSACTION.
                self._before[name] = str(quietly(connection, f"SHOW {name}"))
                self._set(name, timeout.over(_milliseconds(self._before[name])))

    def _set(self, name: str, milliseconds: int) -> None:
        self._send(name, f"{milliseconds}ms")
        self._ours[name] = milliseconds

    def _send(self, name: str, value: str) -> None:
        scope = "" if self._is_session else "LOCAL "
        quietly(self._connection, f"SET {scope}{name} = '{value}'")

    def _is_ours(self, name: str) -> bool:
        """Whether nobody else has set it since we did."""
        present = str(quietly(self._connection, f"SHOW {name}"))
        return _milliseconds(present) == self._ours.get(name)

    def _fit_to(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        """Set lock_timeout as the statement needs it that is about to be sent."""
        name = "lock_timeout"
        if not self._is_session or name not in self._ours:
            return
        usual = self._timeouts[name].over(_milliseconds(self._before[name]))
        wanted = max(usual, self._patience) if usual and is_concurrent(statement) else usual
        with contextlib.suppress(driver_errors(self._connection)):
            if wanted != self._ours[name] and self._is_ours(name):
                self._set(name, wanted)

    def _leave_session(self, connection: Connection) -> None:
        """Set back, before the end of a block without a transaction, what holds for the session."""
        if self._is_session and not connection.invalidated:
            self._put_back()

    def _put_back(self) -> None:
        # What fails here is a lost connection, or a transaction that is to be rolled back: nothing
        # is left of our setting then either.
        with contextlib.suppress(driver_errors(self._connection)):
            for name, value in self._before.items():
                if self._is_ours(name):
                    self._send(name, value)


_UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def _milliseconds(shown: str) -> int:
    """Read a duration as SHOW writes it.

    >>> _milliseconds("5s"), _milliseconds("250ms"), _milliseconds("0")
    (5000, 250, 0)
    """
    number = shown.rstrip("smindh")
    return int(number or 0) * _UNITS.get(shown[len(number) :], 1)
