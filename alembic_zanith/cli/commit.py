"""Whether what was done on a connection of env.py is committed: PostgreSQL is asked.

What SQLAlchemy reports is not enough: it knows nothing of a COMMIT sent as SQL or through the
driver, nor of a rollback to a savepoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, Engine, Pool, event
from sqlalchemy.util import greenlet_spawn

from alembic_zanith.errors import FailedAfterCommitError, NotCommittedError
from alembic_zanith.failures import reason_of
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.sql import one, rows, scalar

T = TypeVar("T")

_PATIENCE = 2.0
"""Seconds that PostgreSQL has to notice that a client which said nothing has gone."""


class Fate(Enum):
    """What became of a transaction; the first three are PostgreSQL's words for it.

    https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
    """

    COMMITTED = "committed"
    ABORTED = "aborted"
    IN_PROGRESS = "in progress"
    UNKNOWN = "unknown"


@dataclass
class Change:
    """What was written to one database in a transaction that was open then; see `note_change`."""

    label: str
    connection: Connection
    opened_by_env: bool
    xid: int
    in_savepoint: bool
    server: object
    session: object
    commit_reported: bool = False

    def __post_init__(self) -> None:
        for name in ("commit", "commit_twophase"):
            event.listen(self.connection, name, self._committed)

    def _committed(self, *_: object) -> None:
        self.commit_reported = True

    def require_commit(self) -> None:
        """Raise `NotCommittedError` unless it is committed, now that env.py has ended.

        A transaction of the program that called us, on a connection that was there before env.py
        ran, may be open still: it is the program's to commit.
        """
        fate, reason = self._fate()
        if fate is Fate.UNKNOWN and self.commit_reported:
            return
        if fate is Fate.COMMITTED or (fate is not Fate.ABORTED and self._is_the_programs):
            return
        raise NotCommittedError(self._message(fate, reason))

    def may_be_committed(self) -> tuple[bool, bool]:
        """Tell whether it is or may be committed after env.py has failed, and whether that is sure.

        What a program that called us has open still is none of both: it knows of the failure.
        """
        fate, _ = self._fate()
        if fate is Fate.UNKNOWN:
            return True, self.commit_reported
        return fate is Fate.COMMITTED, True

    @property
    def _is_the_programs(self) -> bool:
        return not (self.opened_by_env or self._has_ended)

    @property
    def _has_ended(self) -> bool:
        return self.connection.closed or self.connection.invalidated

    def _fate(self) -> tuple[Fate, str]:
        """Return what PostgreSQL says, or that and why it cannot be asked."""
        give_up = time.monotonic() + _PATIENCE
        try:
            fate = self._ask()
            while fate is Fate.IN_PROGRESS and self._has_ended and time.monotonic() < give_up:
                time.sleep(0.1)
                fate = self._ask()
        # Whatever a driver, a creator of connections or a listener of env.py's may raise: the work
        # is done, and this is only about what to tell of it.
        except Exception as error:
            return Fate.UNKNOWN, reason_of(error)
        return fate, ""

    def _ask(self) -> Fate:
        # No parameters and nothing but functions: neither a driver nor a search_path matters.
        query = f"SELECT pg_catalog.pg_xact_status('{self.xid}'), {_SERVER}"
        if self._is_the_programs and self.connection.in_transaction():
            # To be left as it is. And the program may have no other: a StaticPool would hand out
            # the same one, and roll back when it is given back.
            status, server = one(self.connection, query)
        else:
            status, server = _over_new_connection(self.connection.engine, query, self.session)
        if server != self.server:
            raise LookupError("a new connection reaches another server")
        if status is None:
            raise LookupError("PostgreSQL no longer knows the transaction")
        return Fate(status)

    def _message(self, fate: Fate, reason: str) -> str:
        if fate is Fate.ABORTED:
            why = _SAVEPOINT if self.in_savepoint else _ROLLED_BACK
        elif fate is Fate.UNKNOWN:
            why = _UNKNOWN
        else:
            why = _PENDING if self._has_ended else _LEFT_OPEN
        return why.format(label=self.label, reason=reason)


def failed_after(changes: Iterable[Change], error: BaseException) -> FailedAfterCommitError | None:
    """Return what to raise in place of an error that came after something was done, or None.

    None is for an error that has taken everything back: it may say so. An exit and an interrupt,
    as by Ctrl-C, count as errors.
    """
    fates = [(change.label, *change.may_be_committed()) for change in changes]
    sure = ", ".join(label for label, committed, is_sure in fates if committed and is_sure)
    unsure = ", ".join(label for label, committed, is_sure in fates if committed and not is_sure)
    if not (sure or unsure):
        return None
    told = [f"What was done in {sure} is committed."] if sure else []
    if unsure:
        told.append(f"Whether what was done in {unsure} is committed is not known.")
    told.append(
        f"After that {_in_words(error)}. See what `alembic zanith-recover list --all` shows before "
        "you run it again; Alembic's --raiseerr shows where that was."
    )
    return FailedAfterCommitError(" ".join(told))


def _in_words(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "env.py was interrupted"
    if isinstance(error, SystemExit):
        return exit_in_words(error)
    return f"env.py failed: {reason_of(error)}"


def exit_in_words(exited: SystemExit) -> str:
    """Tell what env.py has called sys.exit() with.

    >>> exit_in_words(SystemExit("no cache to clear."))
    'env.py exited (no cache to clear)'
    >>> exit_in_words(SystemExit(None))
    'env.py exited with status 0'
    """
    if isinstance(exited.code, int | None):
        return f"env.py exited with status {int(exited.code or 0)}"
    return f"env.py exited ({reason_of(exited)})"


_ROLLED_BACK = (
    "Nothing has changed in {label}: env.py ended without a commit, so PostgreSQL rolled "
    "everything back, as it does with `alembic upgrade`. Mostly a statement before "
    "context.configure() has begun the transaction, which Alembic then leaves to env.py: call "
    "connection.commit() at the end, or use engine.begin()."
)
_SAVEPOINT = (
    "Nothing has changed in {label}: env.py calls context.run_migrations() inside a savepoint, and "
    "has rolled that back, or the transaction around it, as it does with `alembic upgrade`. Call "
    "commit() on what connection.begin_nested() has returned, and then connection.commit()."
)
_LEFT_OPEN = (
    "Nothing is committed in {label}: env.py has opened a connection and ended without a commit "
    "and without closing it. PostgreSQL rolls everything back once that connection ends, and keeps "
    "the locks until then. Call connection.commit() at the end, or use engine.begin()."
)
_PENDING = (
    "Nothing is committed in {label}: env.py has given up its connection, but PostgreSQL has the "
    "transaction as in progress. Either it was prepared for a two-phase commit that did not come "
    "(see pg_prepared_xacts), or a pool has kept it open and PostgreSQL rolls it back once the "
    "connection ends. Call connection.commit() at the end of env.py, or use engine.begin()."
)
_UNKNOWN = (
    "It is not known whether anything has changed in {label}: SQLAlchemy has reported no commit by "
    "env.py, and PostgreSQL could not be asked over a new connection: {reason}. See what `alembic "
    "zanith-recover list --all` shows. Call connection.commit() at the end of env.py, or use "
    "engine.begin()."
)


@contextlib.contextmanager
def connections_opened() -> Iterator[Collection[Connection]]:
    """Give a collection that comes to hold the connections that are opened during a block."""
    opened: WeakSet[Connection] = WeakSet()

    # Not WeakSet.add itself: SQLAlchemy looks at the signature of a listener.
    def note(connection: Connection) -> None:
        opened.add(connection)

    event.listen(Engine, "engine_connect", note)
    try:
        yield opened
    finally:
        event.remove(Engine, "engine_connect", note)


_SERVER = "EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time())"

_OWN_XIDS = """
SELECT l.transactionid AS xid FROM pg_catalog.pg_locks AS l
WHERE l.locktype = 'transactionid' AND l.pid = pg_catalog.pg_backend_pid() AND l.granted
  AND l.mode = 'ExclusiveLock'
"""


def note_change(
    label: str, connection: Connection, opened: Collection[Connection]
) -> Change | None:
    """Note the open transaction in which something was done; None where that wrote nothing.

    It is told by the innermost savepoint that is open, which has an id of its own: a rollback to
    it leaves the transaction around it to be committed. A transaction and each of its open
    savepoints hold a lock on their own ids, which no function tells where it is a savepoint's:
    https://www.postgresql.org/docs/current/view-pg-locks.html
    https://www.postgresql.org/docs/current/subxacts.html
    """
    assigned = scalar(connection, "SELECT pg_catalog.pg_current_xact_id_if_assigned()")
    if assigned is None:
        return None
    with pinned_settings(connection):
        own = [int(row.xid) for row in rows(connection, _OWN_XIDS)]
    top = int(assigned)
    # Locks show the lower 32 bits, which begin anew now and then; a savepoint's id is later than
    # that of what it is in: https://www.postgresql.org/docs/current/transaction-id.html
    depth = max(((xid - top) % 2**32 for xid in own), default=0)
    server = scalar(connection, f"SELECT {_SERVER}")
    session = connection.connection.driver_connection
    by_env = connection in opened
    return Change(label, connection, by_env, top + depth, depth > 0, server, session)


def _over_new_connection(engine: Engine, query: str, session: object) -> tuple[Any, ...]:
    """Return the only row of a query, asked over a connection made as the engine makes them.

    With a pool of its own, so that neither a limit of env.py's pool matters, nor the event loop
    that its connections belong to, and nothing stays open in it.
    """
    pool = engine.pool.recreate()
    if engine.dialect.is_async:
        return _in_a_loop(lambda: _ask_once(pool, query, session))
    return _ask_once(pool, query, session)


def _ask_once(pool: Pool, query: str, session: object) -> tuple[Any, ...]:
    pooled = pool.connect()
    is_new = pooled.driver_connection is not session
    connection = pooled.dbapi_connection
    # Else the pool would roll back and close what is not ours, and leave an async one open.
    pooled.detach()
    if connection is None or not is_new:
        raise LookupError("the engine has one connection only")
    try:
        cursor = connection.cursor()
        cursor.execute(query)
        return tuple(cursor.fetchone() or ())
    finally:
        connection.close()


def _in_a_loop(function: Callable[[], T]) -> T:
    """Call a function that uses an async driver as SQLAlchemy does it.

    In a thread, as the program may have a loop that runs in this one.
    """

    def in_thread() -> T:
        return asyncio.run(greenlet_spawn(function))

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(contextvars.copy_context().run, in_thread).result()
