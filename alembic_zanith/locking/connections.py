"""Connections beside the one that migrates, and statements that nobody but the server sees."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from .errors import RunLockImpossibleError


@contextmanager
def engine_beside(connection: Connection) -> Iterator[Engine]:
    """Give an engine that connects as the engine of `connection` does, in a pool of its own.

    So it has the same URL, password, connect arguments and listeners of the pool, but takes no
    place in a pool that may have room for one connection only (`StaticPool`, `pool_size=1`), and
    none of the execution options and listeners that are for migrations.
    """
    engine = connection.engine
    pool = engine.pool.recreate()
    beside = Engine(pool, engine.dialect, engine.url, hide_parameters=engine.hide_parameters)
    try:
        yield beside
    finally:
        pool.dispose()


@contextmanager
def connection_beside(connection: Connection) -> Iterator[Connection]:
    """Give a second connection at READ COMMITTED, whatever level the project works at.

    Raises `RunLockImpossibleError` where the engine's `creator` hands out the same one again.
    """
    with engine_beside(connection) as engine:
        second = engine.connect()
        # One that was lost is nobody's any more.
        if not connection.invalidated and is_same(second, connection):
            raise RunLockImpossibleError(
                "The lock for migrations needs a second connection, and the engine of this project "
                "gives the same one again (its creator returns a connection that it has made "
                "before). Nothing has run. Let the creator connect anew, or run without the lock."
            )
        try:
            yield second.execution_options(isolation_level="READ COMMITTED")
        finally:
            _give_back(second)


def _give_back(connection: Connection) -> None:
    try:
        connection.rollback()
    except DBAPIError:
        # It was lost meanwhile; there is nothing to give back.
        connection.invalidate()
    connection.close()


def is_same(second: Connection, connection: Connection) -> bool:
    """Tell whether a `creator` made both of the same connection; the second is then left alone.

    Given back to its pool it would be rolled back, or closed.
    """
    same = driver_connection(second) is driver_connection(connection)
    if same:
        second.detach()
    return same


def driver_connection(connection: Connection) -> Any:
    """Return the driver's own connection object (not SQLAlchemy's adapter for async drivers)."""
    return connection.connection.driver_connection


def is_autocommit(connection: Connection) -> bool:
    """Tell whether each statement commits by itself; asks the driver, not the server."""
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))


def quietly(connection: Connection, statement: str) -> Any:
    """Run a statement past SQLAlchemy's events, and return the first value of its result, if any.

    SQLAlchemy begins no transaction for it, and who judges or counts the statements of migrations
    does not see it.

    Raises the driver's own error; see `driver_errors`.
    """
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
        row = cursor.fetchone() if cursor.description else None
    finally:
        with contextlib.suppress(driver_errors(connection)):
            cursor.close()
    return None if row is None else row[0]


def driver_errors(connection: Connection) -> type[Exception]:
    """Return the class of all errors of the driver."""
    errors: type[Exception] = connection.dialect.loaded_dbapi.Error
    return errors


def backend_pid(connection: Connection) -> int:
    """Return the server's process as the driver knows it, without asking; 0 if it does not.

    Behind a connection pooler it is a number that the pooler has made up.
    """
    driver = driver_connection(connection)
    if hasattr(driver, "get_server_pid"):  # asyncpg
        return int(driver.get_server_pid())
    return int(getattr(getattr(driver, "info", None), "backend_pid", 0))


def pause(connection: Connection, seconds: float) -> None:
    """Sleep; on an async driver so that the rest of the event loop goes on."""
    if connection.dialect.is_async:
        adapted: Any = connection.connection.dbapi_connection
        adapted.run_async(lambda _: asyncio.sleep(seconds))
    else:
        time.sleep(seconds)
