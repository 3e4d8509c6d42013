"""The session that online work is done in: its settings, its lock, and statements sent as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import AutocommitRequiredError
from alembic_zanith.identifiers import QualifiedName, literal
from alembic_zanith.integrity import apply_settings, pinned_settings, pins, settings_now
from alembic_zanith.locking.connections import backend_pid, connection_beside
from alembic_zanith.locking.retrying import RetryPolicy
from alembic_zanith.movement.steps import in_transaction
from alembic_zanith.recovery.half_made import busy, trying_to_lock
from alembic_zanith.recovery.session import require_postgresql
from alembic_zanith.sql import is_autocommit, run, scalar

T = TypeVar("T")


def require_autocommit(connection: Connection, what: str) -> None:
    """Raise `AutocommitRequiredError` on a connection that has transactions of its own."""
    require_postgresql(connection, what)
    if not is_autocommit(connection):
        raise AutocommitRequiredError(
            f"{what} commits step by step, so it needs a connection on which each statement "
            "commits by itself: "
            'connection.execution_options(isolation_level="AUTOCOMMIT"). Nothing has changed.'
        )


@contextmanager
def session_settings(connection: Connection, values: Mapping[str, str]) -> Iterator[None]:
    """Run a block under settings of the session, for statements that no transaction may be around.

    Settings of a transaction would be gone with the statement that makes them.
    """
    before = settings_now(connection, [*values])
    apply_settings(connection, values, of_session=True)
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):  # the connection may be lost, and the session with it
            apply_settings(connection, before, of_session=True)


def alone_settings(
    connection: Connection, values: Mapping[str, str]
) -> AbstractContextManager[None]:
    """Have a statement that runs in no transaction read names as a restore does.

    Not behind a pooler, where a setting of the session would be that of whoever comes next.
    """
    pid = scalar(connection, "SELECT pg_catalog.pg_backend_pid()")
    if pid != backend_pid(connection):
        return nullcontext()
    return session_settings(connection, {**pins(connection), **values})


def pinned_transaction(
    connection: Connection, what: str, policy: RetryPolicy, work: Callable[[], T]
) -> T:
    """Do work in a transaction of its own under pinned settings; else as `in_transaction`."""

    def pinned() -> T:
        with pinned_settings(connection):
            return work()

    return in_transaction(connection, what, policy, pinned)


@contextmanager
def one_at_a_time(connection: Connection, artifact: Artifact) -> Iterator[None]:
    """Keep other sessions from bringing back the same artifact, or taking it away, meanwhile.

    The lock is that of a second connection, whose transaction is open and has no snapshot, so
    that no CREATE INDEX CONCURRENTLY waits for it. It ends with this process, however that ends.

    Raises `BusyError`, and `RunLockImpossibleError` where there can be no second connection.
    """
    with connection_beside(connection) as second:
        if not scalar(second, f"SELECT {trying_to_lock(artifact)}"):
            raise busy(connection, artifact)
        # It also takes the place of the question, whose snapshot asyncpg would keep till then.
        run(second, "SET LOCAL idle_in_transaction_session_timeout = 0")
        if (second.dialect.server_version_info or ()) >= (17,):
            run(second, "SET LOCAL transaction_timeout = 0")
        yield


def keep_vacuum_out(connection: Connection, table: QualifiedName) -> None:
    """Wait for an autovacuum of a table to end, or to be cancelled, before a stronger lock.

    PostgreSQL cancels it for whoever has waited for `deadlock_timeout`, a second, and all that read
    and write would queue up behind one who waits for ACCESS EXCLUSIVE. Behind this lock none does.
    https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
    """
    run(connection, f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")


def as_one(statements: Iterable[str]) -> str:
    """Return one statement that runs several, so that locks are not held while they travel."""
    body = " ".join(f"EXECUTE {literal(statement)};" for statement in statements)
    return f"DO {literal(f'BEGIN {body} END')}"
