"""One run of migrations at a time on each database.

The lock is held by a connection of its own in a transaction that stays open for the whole run.
So nothing that the migrations commit or roll back lets go of it; a pooler in transaction mode
keeps its server; and PostgreSQL lets go by itself when the process dies. The transaction is idle
at READ COMMITTED, hence has no snapshot: neither CREATE INDEX CONCURRENTLY nor VACUUM waits for it.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.failures import database_errors_explained, server_message
from alembic_zanith.identifiers import literal
from alembic_zanith.sql import run

from .connections import backend_pid, connection_beside, driver_errors, pause, quietly
from .errors import RunLockHeldError, RunLockImpossibleError, RunLockLostError
from .sessions import SESSION_COLUMNS, Session, instant

RUN_LOCK_KEY = 0x7A616E6974680001
"""The key of the advisory lock: `zanith` in ASCII, and the number of this lock. PostgreSQL keeps
those of each database apart:
https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS"""

_FIRST_POLL = 0.05
_LONGEST_POLL = 1.0
_GROWTH = 1.5

_TRY = f"SELECT pg_catalog.pg_try_advisory_xact_lock({RUN_LOCK_KEY})"

# A key of 64 bits is shown as two numbers of 32:
# https://www.postgresql.org/docs/current/view-pg-locks.html
_HOLDER = f"""
    SELECT l.pid, {SESSION_COLUMNS}
    FROM pg_catalog.pg_locks AS l
    LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND CAST(l.classid AS bigint) = {RUN_LOCK_KEY >> 32}
      AND CAST(l.objid AS bigint) = {RUN_LOCK_KEY & 0xFFFFFFFF}
      AND l.database = (SELECT oid FROM pg_catalog.pg_database
                        WHERE datname = pg_catalog.current_database())
"""


@dataclass(frozen=True)
class RunLock:
    """The lock while it is held.

    `waited` tells whether another run had it before: what the migrating connection has read in a
    transaction at REPEATABLE READ may be of before that run.
    """

    _connection: Connection
    waited: bool

    def check(self) -> None:
        """Make sure that the lock is still held; one round trip.

        Raises `RunLockLostError`.
        """
        try:
            # SHOW takes no snapshot, which a CREATE INDEX CONCURRENTLY could begin to wait for.
            quietly(self._connection, "SHOW transaction_isolation")
        except driver_errors(self._connection) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise RunLockLostError(
                "The lock that keeps other runs of migrations out is lost: its connection ended "
                f"({reason}). Another run may have begun since; this one stops here. Find out who "
                "or what ended the connection, look at `alembic current`, and run it again."
            ) from error


@contextmanager
def run_lock(connection: Connection, *, wait_seconds: float) -> Iterator[RunLock]:
    """Hold the lock of this database while the block runs; wait up to so many seconds for it.

    `connection` is the one that will migrate. Nothing is executed on it.

    Raises `RunLockHeldError` when another run holds it that long, `RunLockImpossibleError` where no
    second connection can be made.

    Example::

        with run_lock(connection, wait_seconds=60) as lock:
            for step in steps:
                lock.check()
                step()
    """
    with _second(connection) as second:
        waited = _wait_for_it(second, wait_seconds)
        _stay(second, backend_pid(connection))
        yield RunLock(second, waited)


@contextmanager
def _second(connection: Connection) -> Iterator[Connection]:
    with ExitStack() as stack:
        try:
            second = stack.enter_context(connection_beside(connection))
        except DBAPIError as error:
            raise RunLockImpossibleError(
                "The lock for migrations needs a second connection, and none could be made "
                f"({server_message(error)}). Nothing has run. Make room for one more connection "
                "of this role, or run without the lock."
            ) from error
        yield second


def _wait_for_it(second: Connection, wait_seconds: float) -> bool:
    """Ask for the lock until it is granted; tell whether that was not at once.

    The connection is then in the transaction that has it.

    Not by `pg_advisory_lock()`: who waits inside it has a snapshot, for which the holder's CREATE
    INDEX CONCURRENTLY waits in turn, for ever. Each question is a transaction of its own, because
    one whose snapshot such a build happens to meet is waited for until it ends.
    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """
    deadline = time.monotonic() + wait_seconds
    poll = _FIRST_POLL
    waited = False
    with database_errors_explained("Waiting for the lock for migrations"):
        while not run(second, _TRY).scalar():
            left = deadline - time.monotonic()
            if left <= 0:
                holder = _holder(second)
                raise RunLockHeldError(_held_by(holder, wait_seconds), holder)
            second.rollback()
            waited = True
            # Jitter keeps several that wait from asking in step.
            pause(second, min(left, poll * random.uniform(0.5, 1.0)))
            poll = min(poll * _GROWTH, _LONGEST_POLL)
    return waited


def _stay(second: Connection, migrating_pid: int) -> None:
    """Keep the transaction that holds the lock from being ended, and say whose it is.

    None of these takes a snapshot.
    """
    settings = {
        "idle_in_transaction_session_timeout": "0",
        "statement_timeout": "10s",
        "application_name": f"alembic-zanith: run of pid {migrating_pid} on {socket.gethostname()}",
        # A server that hears nothing of a machine that is gone keeps its lock for hours, and a
        # router may forget a connection on which nothing is said.
        # https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-TCP-KEEPALIVES-IDLE
        "tcp_keepalives_idle": "60",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "6",
    }
    if (second.dialect.server_version_info or ()) >= (17,):
        settings["transaction_timeout"] = "0"
    with database_errors_explained("Taking the lock for migrations"):
        for name, value in settings.items():
            run(second, f"SET LOCAL {name} = {literal(value)}")


def _holder(second: Connection) -> Session | None:
    row = run(second, _HOLDER).first()
    return None if row is None else Session.of(row)


def _held_by(holder: Session | None, wait_seconds: float) -> str:
    waited = f"waited {wait_seconds:g} seconds" if wait_seconds > 0 else "not waited for"
    if holder is None:
        return (
            f"Another run of migrations held the lock of this database ({waited}), and let it go "
            "just now. Nothing has run. Run it again."
        )
    since = f" since {instant(holder.since)}" if holder.since else ""
    return (
        f"Another run of migrations holds the lock of this database{since} ({waited}): "
        f"{holder.name}. Nothing has run. Wait for it with a higher lock_wait. If you are sure "
        "that nobody needs that run any more, end it with "
        f"SELECT pg_terminate_backend({holder.pid})."
    )
