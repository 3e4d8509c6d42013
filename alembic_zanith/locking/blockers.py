"""Who is in the way of a statement that waits for a lock.

A session that waits cannot ask, and once it has given up PostgreSQL does not say any more. So a
thread with a connection of its own asks meanwhile, if a statement takes long enough for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import SQLAlchemyError

from .connections import backend_pid, engine_beside, is_same
from .sessions import SESSION_COLUMNS, Session

_COMPARED = 500
"""Characters of a statement that are compared with what pg_stat_activity shows: it keeps 1,024
bytes as servers come."""

_PARTING = 0.5
"""Seconds that the thread has to close its connection; it usually has none."""

# Behind a pooler the driver does not know the server's process, but its statement does.
# https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SESSION
_ASK = text(
    f"""
    SELECT waits.relation, b.pid, {SESSION_COLUMNS}
    FROM (
        SELECT w.pid, (
            SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
            FROM pg_catalog.pg_locks AS l
            JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE l.pid = w.pid AND (NOT l.granted OR l.locktype = 'tuple')
            LIMIT 1
        ) AS relation
        FROM pg_catalog.pg_stat_activity AS w
        WHERE w.state = 'active' AND w.wait_event_type = 'Lock'
          AND w.datname = pg_catalog.current_database()
          AND (w.pid = :pid OR pg_catalog.left(w.query, {_COMPARED}) = CAST(:statement AS text))
        ORDER BY pg_catalog.left(w.query, {_COMPARED}) = CAST(:statement AS text) DESC,
                 w.pid = :pid DESC
        LIMIT 1
    ) AS waits
    CROSS JOIN LATERAL (
        SELECT DISTINCT blocking.pid
        FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(waits.pid)) AS blocking(pid)
    ) AS b
    LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid
    ORDER BY a.xact_start, b.pid
    """
)


@dataclass(frozen=True)
class Blocked:
    """What a statement waited for: the relation, if it was one, and the sessions in the way."""

    relation: str | None
    blockers: tuple[Session, ...]


@dataclass(frozen=True)
class _Running:
    """One execution of a statement; two of the same are not equal."""

    statement: str
    began: float


class BlockerWatch:
    """Knows which statement is being executed, and what it waits for if that takes long."""

    def __init__(self, connection: Connection, after_seconds: float) -> None:
        self._connection = connection
        self._after = after_seconds
        self._pid = backend_pid(connection)
        self._running: _Running | None = None
        self._last: _Running | None = None
        self._answer: tuple[_Running, Blocked] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="zanith-blockers", daemon=True)

    def started(self, statement: str) -> None:
        """Note that a statement is being sent."""
        self._running = self._last = _Running(statement, time.monotonic())

    def finished(self) -> None:
        """Note that it is done, one way or the other."""
        self._running = None

    @property
    def blocked(self) -> Blocked | None:
        """What the last statement waited for; None if it did not, or nobody knows."""
        running, blocked = self._answer or (None, None)
        return blocked if running is self._last else None

    def open(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching; an answer that is on its way is not waited for long."""
        self._running = None
        self._over.set()
        self._thread.join(_PARTING)

    def _watch(self) -> None:
        """Look now and then if a statement has been running for long, and ask only then."""
        while not self._over.wait(self._after / 2):
            if self._is_slow(self._running):
                # Where nobody can be asked, messages do without.
                with contextlib.suppress(SQLAlchemyError, OSError):
                    self._ask_beside()

    def _is_slow(self, running: _Running | None) -> bool:
        return running is not None and time.monotonic() - running.began >= self._after

    def _ask_beside(self) -> None:
        with engine_beside(self._connection) as engine:
            if engine.dialect.is_async:
                asyncio.run(_in_loop(engine, self._ask_while_slow))
            else:
                connection = engine.connect()
                if not is_same(connection, self._connection):
                    with connection:
                        self._ask_while_slow(connection)

    def _ask_while_slow(self, connection: Connection) -> None:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        while running := self._running:
            if not self._is_slow(running):
                return
            values = {"pid": self._pid, "statement": running.statement[:_COMPARED]}
            rows = connection.execute(_ASK, values).all()
            if rows:
                sessions = tuple(Session.of(row[1:]) for row in rows)
                self._answer = running, Blocked(rows[0][0], sessions)
            if self._over.wait(self._after / 2):
                return


async def _in_loop(engine: Engine, ask: Callable[[Connection], None]) -> None:
    """Call a function with a connection of an async driver, in the event loop of this thread."""
    # It needs greenlet, which projects with another driver need not have.
    from sqlalchemy.ext.asyncio import AsyncEngine

    asynchronous = AsyncEngine(engine)
    try:
        async with asynchronous.connect() as connection:
            await connection.run_sync(ask)
    finally:
        # A pool of connections of this loop can be closed in it alone.
        await asynchronous.dispose()


@contextmanager
def watching_blockers(connection: Connection, *, after_seconds: float) -> Iterator[BlockerWatch]:
    """Watch the statements of a connection while the block runs.

    One that takes longer than `after_seconds` (half of lock_timeout, say) is asked about. Until
    then nothing is connected, and a statement costs no more than a note of when it began.

    Example::

        with watching_blockers(connection, after_seconds=2.5) as watch:
            run_with_retries(connection, migration, policy=RetryPolicy(), watch=watch)
    """
    watch = BlockerWatch(connection, after_seconds)

    def before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        watch.started(statement)

    def after(*_: Any) -> None:
        watch.finished()

    event.listen(connection, "before_cursor_execute", before)
    event.listen(connection, "after_cursor_execute", after)
    watch.open()
    try:
        yield watch
    finally:
        watch.close()
        event.remove(connection, "before_cursor_execute", before)
        event.remove(connection, "after_cursor_execute", after)
