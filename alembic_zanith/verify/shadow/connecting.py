"""Connections to shadows, and what is said when there is none."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Engine, NullPool, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.failures import reason_of, without_passwords
from alembic_zanith.identifiers import literal
from alembic_zanith.locking.connections import driver_connection
from alembic_zanith.sql import run, scalar

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger("alembic.zanith")

_PATIENCE_SECONDS = 10

OTHER_PLACES = (
    "Other places: a server of its own with --shadow-url URL (setting shadow_url), a schema in "
    "production's database with --topology schema (setting shadow_topology)"
)


def production_url(production: Connection) -> URL:
    """Return the URL of production's database, with what only the driver knows filled in.

    env.py may connect by a function of its own (`creator`), or leave things to libpq.
    """
    url = production.engine.url
    info: Any = getattr(driver_connection(production), "info", None)
    if info is None:
        return url
    host = str(info.host or "")
    known: dict[str, Any] = {
        "username": url.username or info.user,
        "password": url.password or info.password or None,
        "database": url.database or info.dbname,
    }
    if not url.host and "host" not in url.query and host:
        if host.startswith("/"):
            known["query"] = {**url.query, "host": host, "port": str(info.port)}
        else:
            known |= {"host": host, "port": info.port}
    return url.set(**known)


def shown(url: URL) -> str:
    """Return a database and its server for people.

    >>> shown(URL.create("postgresql", "app", "s3cret", "db", 5432, "shop"))
    'database shop on db:5432'
    """
    host = url.host or str(url.query.get("host") or "the local socket")
    port = url.port or url.query.get("port")
    return f"database {url.database} on {host}" + (f":{port}" if port else "")


def engine_of(production: Connection, url: URL) -> Engine:
    """Return an engine with production's driver that keeps no connection."""
    url = url.set(drivername=production.engine.url.drivername)
    is_async = production.dialect.is_async
    timeout = {"timeout" if is_async else "connect_timeout": _PATIENCE_SECONDS}
    if "connect_timeout" in url.query:
        timeout = {}
    if is_async:
        # It needs greenlet, which projects with another driver need not have.
        from sqlalchemy.ext.asyncio import create_async_engine

        return create_async_engine(url, poolclass=NullPool, connect_args=timeout).sync_engine
    return create_engine(url, poolclass=NullPool, connect_args=timeout)


@contextmanager
def connected(production: Connection, url: URL, advice: str = "") -> Iterator[Connection]:
    """Give a connection for the block.

    Raises `ShadowUnreachableError` where there is none.
    """
    engine = engine_of(production, url)
    try:
        connection = engine.connect()
    except (SQLAlchemyError, OSError, socket.gaierror, TimeoutError) as error:
        raise unreachable(url, error, advice) from error
    except Exception as error:
        # SQLAlchemy lets what asyncpg raises while it connects pass as it is.
        if type(error).__module__.partition(".")[0] != "asyncpg":
            raise
        raise unreachable(url, error, advice) from error
    try:
        yield connection
    finally:
        # The server may be gone; that is known by then, and not to be hidden by this.
        with contextlib.suppress(DBAPIError, OSError):
            if not connection.invalidated and connection.in_transaction():
                connection.rollback()
        with contextlib.suppress(Exception):
            connection.close()


def unreachable(url: URL, error: Exception, advice: str = "") -> ShadowUnreachableError:
    """Return the error that says that a database cannot be reached, and why."""
    reason = without_passwords(reason_of(error))
    if url.password:
        reason = reason.replace(str(url.password), "***")
    text = f"The {shown(url)} cannot be reached: {reason}."
    return ShadowUnreachableError(f"{text} {advice}".rstrip())


def set_search_path(connection: Connection, path: str) -> None:
    """Set search_path for the session."""
    run(connection, f"SELECT pg_catalog.set_config('search_path', {literal(path)}, false)")
    connection.commit()


def search_path_of(production: Connection) -> str:
    """Return the search_path that production's session has."""
    return str(scalar(production, "SELECT pg_catalog.current_setting('search_path')"))


def server_version(connection: Connection) -> str:
    """Return the version of a server, as `17.5`."""
    version = str(scalar(connection, "SELECT pg_catalog.current_setting('server_version')"))
    return version.split()[0]
