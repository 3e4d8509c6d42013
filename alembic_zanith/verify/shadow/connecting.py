"""Connections to shadows, and what is said when there is none."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Engine, NullPool, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.failures import reason_of
from alembic_zanith.identifiers import literal
from alembic_zanith.locking.connections import driver_connection, engine_beside, is_same
from alembic_zanith.redaction import without_passwords
from alembic_zanith.sql import one, scalar

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger("alembic.zanith")

PATIENCE_SECONDS = 10
"""Longest time to wait for a server to answer, and for a lock on a shadow."""

A_MOMENT = 2.0
"""Seconds to wait for the place of a connection that was closed before."""

Arguments = Mapping[str, Any]


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
    # What drivers are told by the query wins.
    name = url.query.get("dbname") or url.database
    if "service" in url.query:
        return f"database {f'{name} ' if name else ''}of the service {url.query['service']}"
    host = url.query.get("host") or url.host or "the local socket"
    where = host if isinstance(host, str) else ", ".join(host)
    port = url.query.get("port") or url.port
    return f"database {name} on {where}" + (f":{port}" if port else "")


def psql_command(url: URL) -> str:
    """Return how a person looks at a database; the password is for psql to ask for.

    >>> psql_command(URL.create("postgresql", "app", "s3cret", "db", 5432, "shop"))
    'psql -h db -p 5432 -U app -d shop'
    """
    host, port = url.host or url.query.get("host"), url.port or url.query.get("port")
    parts = {"-h": host, "-p": port, "-U": url.username, "-d": url.database}
    return " ".join(["psql", *(f"{flag} {value}" for flag, value in parts.items() if value)])


@dataclass(frozen=True)
class Session:
    """What every session on a shadow begins with: settings, in their order.

    `default_schema` is what SQLAlchemy and Alembic take for the schema of names without one.
    """

    settings: tuple[tuple[str, str], ...]
    default_schema: str | None

    def hold_on(self, engine: Engine, place: str) -> Engine:
        """Begin each session of an engine so, one that replaces a lost one too.

        `place` is where it has to be (`place_of`). A URL may name several hosts, a service or a
        pooler, and lead elsewhere the next time. There each session raises
        `ShadowUnreachableError`.
        """

        def begin(connection: Any, record: object) -> None:
            cursor = connection.cursor()
            cursor.execute(_PLACE.format(database="pg_catalog.current_database()"))
            (there,) = cursor.fetchone()
            if there != place:
                cursor.close()
                raise ShadowUnreachableError(
                    f"A new connection to the {shown(engine.url)} led to another database than "
                    "the one before, or its server was started anew. Nothing was done there."
                )
            for name, value in self.settings:
                cursor.execute(
                    f"SELECT pg_catalog.set_config({literal(name)}, {literal(value)}, false)"
                )
            cursor.close()
            # Else a rollback would take them back.
            connection.commit()

        def name_schema(connection: Any, record: object) -> None:
            engine.dialect.default_schema_name = self.default_schema

        event.listen(engine, "connect", begin)
        if self.default_schema is not None:
            # After SQLAlchemy's own look at the server, which comes with its first connection.
            event.listen(engine, "connect", name_schema)
        return engine


# The server by when it was started, which no other one was in the same microsecond.
_PLACE = """
SELECT pg_catalog.concat_ws(' ', d.oid, d.datname,
                            extract(epoch FROM pg_catalog.pg_postmaster_start_time()))
  FROM pg_catalog.pg_database AS d WHERE d.datname = {database}
"""


def place_of(connection: Connection, database: str | None = None) -> str:
    """Return which database of which server this is, or would be another one of that server."""
    name = "pg_catalog.current_database()" if database is None else literal(database)
    return str(one(connection, _PLACE.format(database=name))[0])


# What decides how SQL reads and runs. Timeouts are production's own affair.
_SETTINGS = (
    "search_path",
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
    "bytea_output",
    "standard_conforming_strings",
    "check_function_bodies",
)


def session_like(production: Connection) -> Session:
    """Return what makes a session like production's, whatever its role and database have set."""
    current = "SELECT pg_catalog.current_setting(:name)"
    settings = tuple((name, str(scalar(production, current, name=name))) for name in _SETTINGS)
    return Session(settings, production.dialect.default_schema_name)


# -- engines -----------------------------------------------------------------------------


def engine_to(production: Connection, url: URL) -> Engine:
    """Return an engine to any database, with production's driver; it keeps no connection.

    So it works where production's does: an async driver needs the greenlet that it is used in.
    """
    timeout = {} if "connect_timeout" in url.query else _timeout(production)
    return create_engine(
        url.set(drivername=_drivername(production)), poolclass=NullPool, connect_args=timeout
    )


def engine_next_to(production: Connection, database: str, arguments: Arguments) -> Engine:
    """Return an engine that connects to another database of production's server as it does."""
    named = {**_timeout(production), **arguments, _database_argument(production): database}
    return _engine(
        production,
        production_url(production).set(database=database),
        lambda engine: engine.dialect.connect(**named),
    )


def engine_like(production: Connection) -> Engine:
    """Return an engine to production's database that connects in every way as its own does."""

    def connect(_: Engine) -> Any:
        with engine_beside(production) as beside:
            connection = beside.connect()
            if not production.invalidated and is_same(connection, production):
                raise ShadowUnreachableError(
                    "A rehearsal needs a second connection, and the engine of this project gives "
                    "the same one again (its creator returns a connection that it has made "
                    "before). Nothing was done. Let the creator connect anew, or name another "
                    "database with --shadow-url (setting shadow_url)."
                )
            made: Any = connection.connection.dbapi_connection
            connection.detach()
            # SQLAlchemy takes it for one that begins transactions, as all of its own do.
            made.autocommit = False
            return made

    return _engine(production, production_url(production), connect)


def _engine(production: Connection, url: URL, connect: Callable[[Engine], Any]) -> Engine:
    engine: Engine = create_engine(
        url.set(drivername=_drivername(production)),
        poolclass=NullPool,
        creator=lambda: connect(engine),
    )
    return engine


def _drivername(production: Connection) -> str:
    # What the URL says is not always enough: psycopg is a sync and an async driver.
    return f"{production.dialect.name}+{production.dialect.driver}"


def _timeout(production: Connection) -> dict[str, Any]:
    is_asyncpg = production.dialect.driver == "asyncpg"
    return {"timeout" if is_asyncpg else "connect_timeout": PATIENCE_SECONDS}


def _database_argument(production: Connection) -> str:
    return "database" if production.dialect.driver == "asyncpg" else "dbname"


@contextmanager
def noting_arguments(production: Connection) -> Iterator[dict[str, Any]]:
    """Note what the driver is called with when production's engine connects in the block.

    Passwords and certificates may come from `connect_args` or from listeners, so the URL is not
    enough. Where a `creator` connects, nobody is told; what libpq knows of the connection is what
    the block is left with.
    """
    noted: dict[str, Any] = {}

    def note(dialect: Any, record: Any, args: Any, arguments: Any) -> None:
        noted.clear()
        noted.update(arguments)

    event.listen(production.engine, "do_connect", note)
    try:
        yield noted
    finally:
        event.remove(production.engine, "do_connect", note)
    if not noted:
        noted.update(_known_to_driver(production))


def _known_to_driver(production: Connection) -> dict[str, Any]:
    info: Any = getattr(driver_connection(production), "info", None)
    if info is None:
        raise ShadowUnreachableError(
            "Nobody can tell how to reach another database of production's server: the engine of "
            f"this project connects by a function of its own, and {production.dialect.driver} does "
            "not say how. Name a database with --shadow-url (setting shadow_url)."
        )
    known = info.dsn_parameters if hasattr(info, "dsn_parameters") else info.get_parameters()
    hidden = {"password": info.password} if info.password else {}
    return {**known, **hidden, "host": info.host, "port": info.port, "user": info.user}


# -- connections -------------------------------------------------------------------------


@contextmanager
def connected(engine: Engine, advice: str = "", *, patience: float = 0) -> Iterator[Connection]:
    """Give a connection for the block. What was lost meanwhile raises nothing at its end.

    `patience` is for how many seconds to try again: the place of a connection that was closed a
    moment ago is free only when the server's process has ended.

    Raises `ShadowUnreachableError` where there is none.
    """
    try:
        connection = _connect(engine, patience)
    except ShadowUnreachableError:
        raise
    except (SQLAlchemyError, OSError, TypeError, ValueError) as error:
        raise unreachable(engine.url, error, advice) from _unless_it_tells(engine.url, error)
    except Exception as error:
        # SQLAlchemy lets what asyncpg raises while it connects pass as it is.
        if type(error).__module__.partition(".")[0] != "asyncpg":
            raise
        raise unreachable(engine.url, error, advice) from _unless_it_tells(engine.url, error)
    try:
        yield connection
    finally:
        close(connection)


def _connect(engine: Engine, patience: float) -> Connection:
    until = time.monotonic() + patience
    while True:
        try:
            return engine.connect()
        except Exception as error:
            if isinstance(error, ShadowUnreachableError) or time.monotonic() >= until:
                raise
        time.sleep(0.1)


def close(connection: Connection) -> None:
    """Give a connection up, whatever has become of it."""
    # An interrupt is no Exception, and is not swallowed.
    with contextlib.suppress(Exception):
        if not connection.invalidated and connection.in_transaction():
            connection.rollback()
    with contextlib.suppress(Exception):
        connection.close()


def unreachable(url: URL, error: Exception, advice: str = "") -> ShadowUnreachableError:
    """Return the error that says that a database cannot be reached, and why."""
    text = f"The {shown(url)} cannot be reached: {hidden(url, reason_of(error))}."
    return ShadowUnreachableError(f"{text} {advice}".rstrip())


def hidden(url: URL, text: str) -> str:
    """Return a text without the password of a URL, however it is written in it."""
    if url.password:
        text = text.replace(str(url.password), "***")
    return without_passwords(text)


def _unless_it_tells(url: URL, error: Exception) -> Exception | None:
    """Return the error as a cause, which a traceback prints, unless it has the password."""
    text = f"{error} {error.args}"
    return error if hidden(url, text) == text else None


def server_version(connection: Connection) -> str:
    """Return the version of a server, as `17.5`."""
    version = str(scalar(connection, "SELECT pg_catalog.current_setting('server_version')"))
    return version.split()[0]
