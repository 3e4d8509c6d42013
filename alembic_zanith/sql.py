"""Sending SQL that was built as text, one statement at a time and without placeholders."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection, CursorResult, text


def run(connection: Connection, statement: str) -> CursorResult[Any]:
    """Execute one statement exactly as written.

    `no_parameters` keeps every driver from reading `%` or `:name` inside names and literals as
    placeholders:
    https://docs.sqlalchemy.org/en/20/core/connections.html#sqlalchemy.engine.Connection.execution_options.params.no_parameters
    """
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def run_all(connection: Connection, statements: Iterable[str]) -> None:
    """Execute several statements in order."""
    for statement in statements:
        run(connection, statement)


_UNHEARD: ContextVar[bool] = ContextVar("zanith_unheard", default=False)


@contextmanager
def unheard() -> Iterator[None]:
    """Have nobody note what an operation of this package sends in the block.

    It is a question on its way, or one more of thousands that are like the one before: who keeps
    the statements of an operation keeps the first.
    """
    token = _UNHEARD.set(True)
    try:
        yield
    finally:
        _UNHEARD.reset(token)


def is_unheard() -> bool:
    """Whether what is being sent is for nobody to note."""
    return _UNHEARD.get()


_COUNTS_ROWS: ContextVar[Callable[[int], None] | None] = ContextVar("zanith_rows", default=None)


@contextmanager
def counting_rows(count: Callable[[int], None]) -> Iterator[None]:
    """Tell a function how many rows are written in the block where no driver can tell."""
    token = _COUNTS_ROWS.set(count)
    try:
        yield
    finally:
        _COUNTS_ROWS.reset(token)


def count_rows(rows: int) -> None:
    """Say how many rows a statement has written whose result tells another number."""
    count = _COUNTS_ROWS.get()
    if count is not None:
        count(rows)


def scalar(connection: Connection, statement: str, **parameters: Any) -> Any:
    """Return the first column of the first row, or None."""
    return connection.execute(text(statement), parameters).scalar()


def rows(connection: Connection, statement: str, **parameters: Any) -> list[Any]:
    """Return all rows of a query with `:name` parameters."""
    return list(connection.execute(text(statement), parameters))


def one(connection: Connection, statement: str) -> tuple[Any, ...]:
    """Execute one statement as `run` does, and return its only row."""
    row: Sequence[Any] = run(connection, statement).one()
    return tuple(row)


def is_autocommit(connection: Connection) -> bool:
    """Whether each statement is committed by itself.

    In autocommit SQLAlchemy's own transaction is only a pretence; the driver knows.
    """
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return True
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))


@contextmanager
def reading(connection: Connection) -> Iterator[None]:
    """Let nothing be written in the block, and leave nothing of it behind, locks included.

    https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """
    if is_autocommit(connection):
        yield
        return
    with connection.begin_nested() as savepoint:
        run(connection, "SET LOCAL transaction_read_only = on")
        yield
        savepoint.rollback()


def translated_schema(connection: Connection, schema: str | None) -> str | None:
    """Return the schema that a connection puts in place of one, as SQLAlchemy does in its DDL.

    https://docs.sqlalchemy.org/en/20/core/connections.html#translation-of-schema-names
    """
    schemas = connection.get_execution_options().get("schema_translate_map") or {}
    found: str | None = schemas.get(schema, schema)
    return found


CALLERS_PATH = "alembic_zanith.search_path"
"""The setting in which `integrity.pinned_settings` remembers the caller's `search_path`, after a
mark that tells an empty one from none."""


@contextmanager
def callers_path(connection: Connection) -> Iterator[None]:
    """Give the caller's own `search_path` back for a block that looks a name up by it.

    Nothing but functions may be called in such a block, each with its schema: any operator or type
    could be a namesake of PostgreSQL's own that somebody has put on the path.
    https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATTERNS
    """
    setting = "SELECT pg_catalog.current_setting(:name, true)"
    remembered = scalar(connection, setting, name=CALLERS_PATH)
    if not remembered:
        yield
        return
    pinned = scalar(connection, setting, name="search_path")
    set_path = "SELECT pg_catalog.set_config('search_path', :path, true)"
    scalar(connection, set_path, path=remembered[1:])
    yield
    scalar(connection, set_path, path=pinned)


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def moment(microseconds: int) -> dt.datetime:
    """Return the moment that is so many microseconds after the beginning of 1970, in UTC.

    >>> moment(86_400_000_000).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return _EPOCH + dt.timedelta(microseconds=microseconds)
