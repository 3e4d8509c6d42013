"""What every recovery function does first."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.catalog.relation import Relation, find_relation
from alembic_zanith.errors import (
    IsolationLevelError,
    TransactionRequiredError,
    UnsupportedDatabaseError,
    ZanithError,
)
from alembic_zanith.failures import sqlstate
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.sql import moment, run, scalar

P = ParamSpec("P")
R = TypeVar("R")

_NO_TRANSACTION = "25P01"


def require_postgresql(connection: Connection, what: str) -> None:
    """Raise `UnsupportedDatabaseError` on any other database."""
    if connection.dialect.name != "postgresql":
        raise UnsupportedDatabaseError(
            f"{what} works on PostgreSQL only; this connection is to {connection.dialect.name}. "
            "Nothing has changed."
        )


def require_transaction(connection: Connection, what: str) -> None:
    """Raise `TransactionRequiredError` where each statement would commit by itself.

    PostgreSQL is asked: it refuses SAVEPOINT outside a transaction block.
    https://www.postgresql.org/docs/current/sql-savepoint.html
    """
    require_postgresql(connection, what)
    try:
        run(connection, "SAVEPOINT _zanith_probe")
    except DBAPIError as error:
        if sqlstate(error) != _NO_TRANSACTION:
            raise
        raise TransactionRequiredError(
            f"{what} must run inside a transaction, so that the change and its artifact row are "
            "written together or not at all. Nothing has changed. Move it out of "
            "autocommit_block(), or do not run with isolation_level AUTOCOMMIT."
        ) from error
    run(connection, "RELEASE SAVEPOINT _zanith_probe")


def require_read_committed(connection: Connection, what: str) -> None:
    """Raise `IsolationLevelError` where the rows that others commit meanwhile are not seen."""
    level = scalar(connection, "SELECT pg_catalog.current_setting('transaction_isolation')")
    if level not in ("read committed", "read uncommitted"):
        raise IsolationLevelError(
            f"{what} cannot run at {str(level).upper()}: it would not see rows that others commit "
            "before it has its lock, and those would be lost. Nothing has changed. Run migrations "
            'at READ COMMITTED: isolation_level="READ COMMITTED" where env.py makes the engine.'
        )


@contextmanager
def all_or_nothing(connection: Connection, what: str) -> Iterator[None]:
    """Run a block that changes the database; if it fails, undo all that it did, settings included.

    So a caller who catches the error and commits keeps nothing half done.

    Raises `TransactionRequiredError` outside a transaction, and `IsolationLevelError` at REPEATABLE
    READ and SERIALIZABLE: there the block would read rows and catalogs as they were before its
    locks were granted, and what others committed in between would be lost with the DROP.
    https://www.postgresql.org/docs/current/transaction-iso.html#XACT-REPEATABLE-READ
    """
    require_transaction(connection, what)
    require_read_committed(connection, what)
    with connection.begin_nested(), pinned_settings(connection):
        yield


def atomic(
    function: Callable[Concatenate[Connection, P], R],
) -> Callable[Concatenate[Connection, P], R]:
    """Make a function that changes the database run under `all_or_nothing`, but for a dry run."""

    @functools.wraps(function)
    def whole(connection: Connection, /, *args: P.args, **options: P.kwargs) -> R:
        if options.get("dry_run"):
            return reading(function)(connection, *args, **options)
        what = f"{function.__name__}({', '.join(map(repr, args))})"
        with all_or_nothing(connection, what):
            return function(connection, *args, **options)

    return whole


def reading(
    function: Callable[Concatenate[Connection, P], R],
) -> Callable[Concatenate[Connection, P], R]:
    """Make a function that only looks run under pinned settings."""

    @functools.wraps(function)
    def whole(connection: Connection, /, *args: P.args, **options: P.kwargs) -> R:
        require_postgresql(connection, function.__name__)
        with pinned_settings(connection):
            return function(connection, *args, **options)

    return whole


def lock_table(connection: Connection, relation: Relation, mode: str = "ACCESS EXCLUSIVE") -> None:
    """Lock a table, its partitions and children, against everybody, before anything is read.

    In SHARE UPDATE EXCLUSIVE mode only against those who would change the table itself:
    https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES

    Raises `ZanithError` where the name went to another table while this waited for the lock.
    """
    run(connection, f"LOCK TABLE {relation.name} IN {mode} MODE")
    locked = find_relation(connection, relation.name.name, relation.name.schema)
    if locked is None or locked.oid != relation.oid:
        raise ZanithError(
            f"{relation.name.display} was renamed or replaced by another session while this waited "
            "for its lock. Nothing has changed. Run it again."
        )


def now(connection: Connection) -> dt.datetime:
    """Return the server's clock, which moves inside a transaction, unlike `now()`."""
    clock = "extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000"
    return moment(int(scalar(connection, f"SELECT CAST({clock} AS bigint)")))


def expiry(created_at: dt.datetime, retention_days: int | None) -> dt.datetime | None:
    """Return when an artifact may be purged; None keeps it for ever.

    Raises `ZanithError` for anything but a whole number of days, zero or more.
    """
    if retention_days is None:
        return None
    if isinstance(retention_days, bool) or not isinstance(retention_days, int):
        raise ZanithError(
            f"retention_days is a whole number of days or None, not {retention_days!r}."
        )
    if retention_days < 0:
        raise ZanithError(f"retention_days cannot be negative ({retention_days}).")
    try:
        return created_at + dt.timedelta(days=retention_days)
    except OverflowError:
        raise ZanithError(
            f"retention_days = {retention_days} is past the end of the calendar; use None to keep "
            "for ever."
        ) from None
