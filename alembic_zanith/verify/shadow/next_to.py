"""A database of its own on production's server, dropped afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from alembic_zanith.config import ShadowTopology
from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.identifiers import literal, quote
from alembic_zanith.sql import one, rows, run, scalar

from .connecting import (
    A_MOMENT,
    connected,
    engine_like,
    engine_next_to,
    hidden,
    log,
    noting_arguments,
    place_of,
    production_url,
    psql_command,
    server_version,
    session_like,
    shown,
)
from .identity import asking
from .left import PREFIX, comment_of_now, mention_left_ones
from .model import Shadow, ShadowRequest

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

OTHER_PLACES = (
    "Other places: a database that is there with --shadow-url URL (setting shadow_url), a schema "
    "in production's database with --topology schema (setting shadow_topology)"
)

# Columns of pg_database come and go: https://www.postgresql.org/docs/current/catalog-pg-database.html
_DATABASE = """
SELECT pg_catalog.to_jsonb(d) - 'datacl', pg_catalog.pg_encoding_to_char(d.encoding)
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""

_LEFT = """
SELECT d.datname::text, pg_catalog.shobj_description(d.oid, 'pg_database')
  FROM pg_catalog.pg_database d
 WHERE d.datname ~ '^_zanith_shadow_[0-9a-f]{8}$'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)
 ORDER BY 1
"""

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_WAYS_ON = {
    "53300": "The server, or the role, has no room for one more. Run it again when it has.",
    "55006": "Somebody is connected to template0. Run it again when nobody is.",
}


@contextmanager
def database_next_to(production: Connection, request: ShadowRequest) -> Iterator[Shadow]:
    """Make a database with production's encoding and locale, and drop it after the block.

    Raises `ShadowUnreachableError`.
    """
    name = f"{PREFIX}{secrets.token_hex(4)}"
    with asking(production):
        if scalar(production, "SELECT pg_catalog.pg_is_in_recovery()"):
            raise ShadowUnreachableError(
                f"Production is a standby, {shown(production_url(production))}, where no database "
                "can be made. Connect to the primary server, or name a database with --shadow-url "
                "(setting shadow_url)."
            )
        create = _create(production, name)
        session = session_like(production)
        mention_left_ones("database", rows(production, _LEFT), production)
    beside = engine_like(production)
    may_be_there = kept = False
    try:
        with (
            noting_arguments(production) as arguments,
            connected(beside, f"{OTHER_PLACES}.") as maintenance,
        ):
            # Before the statement: an interrupt may come when the server is done with it.
            may_be_there = True
            _make(maintenance, create, name)
            place = place_of(maintenance, name)
        engine = session.hold_on(engine_next_to(production, name, arguments), place)
        with connected(engine, _BEHIND_A_POOLER, patience=A_MOMENT) as connection:
            _require_database(connection, name)
            version = server_version(connection)
            connection.rollback()
            how = (
                f"It is kept. To look at it: {psql_command(engine.url)}. To drop it: "
                f"DROP DATABASE {quote(name)};"
            )
            kept = request.keep
            yield Shadow(ShadowTopology.DATABASE, connection, shown(engine.url), None, version, how)
    finally:
        if may_be_there and not kept:
            _drop(beside, name)


_BEHIND_A_POOLER = (
    "A connection pooler between here and the server may not know new databases: connect to the "
    f"server itself. {OTHER_PLACES}."
)


def _make(maintenance: Connection, create: str, name: str) -> None:
    maintenance = maintenance.execution_options(isolation_level="AUTOCOMMIT")
    # A role that is to answer requests in seconds may be what production is connected with.
    run(maintenance, "SET statement_timeout = '10min'")
    try:
        run(maintenance, create)
    except DBAPIError as error:
        raise _refused(maintenance, error) from error
    comment = literal(comment_of_now(maintenance))
    run(maintenance, f"COMMENT ON DATABASE {quote(name)} IS {comment}")


def _require_database(connection: Connection, name: str) -> None:
    """Make sure that it is the one that was made: listeners and poolers may lead elsewhere."""
    (there,) = one(connection, "SELECT pg_catalog.current_database()::text")
    if there != name:
        raise ShadowUnreachableError(
            f"A connection to the new database {name} led to {there}: something between here and "
            f"the server chooses the database. Nothing was rehearsed. {OTHER_PLACES}."
        )


def _create(production: Connection, name: str) -> str:
    ((found, encoding),) = rows(production, _DATABASE)
    options: dict[str, Any] = {
        "TEMPLATE": "template0",
        "ENCODING": literal(encoding),
        "LC_COLLATE": literal(found["datcollate"]),
        "LC_CTYPE": literal(found["datctype"]),
    }
    # https://www.postgresql.org/docs/current/sql-createdatabase.html
    provider = found.get("datlocprovider")
    if provider is not None:
        # Else it is what template0 has.
        options["LOCALE_PROVIDER"] = _PROVIDERS[provider]
    locale = found.get("datlocale") or found.get("daticulocale")
    if provider in _LOCALES and locale:
        options[_LOCALES[provider]] = literal(str(locale))
    if provider == "i" and found.get("daticurules"):
        options["ICU_RULES"] = literal(found["daticurules"])
    chosen = " ".join(f"{option} {value}" for option, value in options.items())
    return f"CREATE DATABASE {quote(name)} {chosen}"


_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}
_LOCALES = {"i": "ICU_LOCALE", "b": "BUILTIN_LOCALE"}


def _refused(maintenance: Connection, error: DBAPIError) -> ShadowUnreachableError:
    url, state = maintenance.engine.url, sqlstate(error)
    reason = hidden(url, server_message(error))
    if state == "42501":
        who = f"The role {url.username}" if url.username else "The role of production's URL"
        role = quote(str(url.username)) if url.username else "…"
        return ShadowUnreachableError(
            f"{who} may not create databases on this server ({reason}). "
            f"ALTER ROLE {role} CREATEDB lets it. {OTHER_PLACES}."
        )
    way_on = f"{_WAYS_ON[state]} " if state in _WAYS_ON else ""
    return ShadowUnreachableError(
        f"No database can be made next to the {shown(url)}: {reason}. {way_on}{OTHER_PLACES}."
    )


def _drop(beside: Engine, name: str) -> None:
    """Drop the database over a connection of its own; that of the shadow may be lost.

    What cannot be dropped is told and raises nothing: it would hide what went wrong before.
    """
    statement = f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)"
    try:
        with connected(beside, patience=A_MOMENT) as maintenance:
            run(maintenance.execution_options(isolation_level="AUTOCOMMIT"), statement)
    except (DBAPIError, ShadowUnreachableError) as error:
        reason = server_message(error) if isinstance(error, DBAPIError) else str(error)
        log.warning(
            "The database %s is left behind: %s. To drop it: %s;",
            name,
            hidden(beside.url, reason).rstrip("."),
            statement,
        )
