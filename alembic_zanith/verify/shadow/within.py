"""A schema of its own in production's database, dropped afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from alembic_zanith.config import ShadowTopology
from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.failures import server_message
from alembic_zanith.identifiers import literal, quote
from alembic_zanith.locking.connections import backend_pid
from alembic_zanith.sql import one, rows, run_all

from .connecting import (
    A_MOMENT,
    PATIENCE_SECONDS,
    connected,
    engine_like,
    hidden,
    log,
    place_of,
    production_url,
    psql_command,
    server_version,
    session_like,
    shown,
)
from .contents import depending_from_outside, drop_schema
from .identity import asking
from .left import PREFIX, comment_of_now, mention_left_ones
from .model import Shadow, ShadowRequest

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

OTHER_PLACES = (
    "Other places: a database that is there with --shadow-url URL (setting shadow_url), a database "
    "next to production with --topology database (setting shadow_topology)"
)

# What the database itself does about whatever is made or written in it, in any schema.
_HEARS_OF_IT = """
SELECT 'event trigger ' || pg_catalog.quote_ident(evtname) || ' runs at each change of a definition'
  FROM pg_catalog.pg_event_trigger
 WHERE evtenabled IN ('O', 'A') AND evtevent <> 'login'
UNION ALL
SELECT 'publication ' || pg_catalog.quote_ident(pubname) || ' sends the rows of all tables'
  FROM pg_catalog.pg_publication WHERE puballtables
"""


_LEFT = """
SELECT nspname::text, pg_catalog.obj_description(oid, 'pg_namespace')
  FROM pg_catalog.pg_namespace WHERE nspname ~ '^_zanith_shadow_[0-9a-f]{8}$' ORDER BY 1
"""


@contextmanager
def schema_within(production: Connection, request: ShadowRequest) -> Iterator[Shadow]:
    """Make a schema, have names looked up in nothing else, and drop it after the block.

    Raises `ShadowUnreachableError`.
    """
    url = production_url(production)
    name = f"{PREFIX}{secrets.token_hex(4)}"
    with asking(production):
        session, place = session_like(production), place_of(production)
        _require_quiet(production)
        mention_left_ones("schema", rows(production, _LEFT), production)
    # Of every session of this engine, of one that replaces a lost one too: names without a schema
    # would else be production's.
    settings = tuple(each for each in session.settings if each[0] != "search_path")
    session = replace(
        session, settings=(*settings, ("search_path", quote(name))), default_schema=name
    )
    engine = session.hold_on(engine_like(production), place)
    may_be_there = kept = False
    try:
        with connected(engine, f"{OTHER_PLACES}.") as connection:
            _require_no_pooler(connection)
            may_be_there = True
            _make(connection, name)
            version = server_version(connection)
            connection.rollback()
            where = f"schema {name} of the {shown(url)}"
            how = (
                f"It is kept. To look at it: {psql_command(url)}, and there: "
                f"SET search_path = {name};. To drop it: DROP SCHEMA {quote(name)} CASCADE;"
            )
            kept = request.keep
            yield Shadow(ShadowTopology.SCHEMA, connection, where, name, version, how)
    finally:
        if may_be_there and not kept:
            _drop(engine, name)


def _require_quiet(production: Connection) -> None:
    for (what,) in rows(production, _HEARS_OF_IT):
        raise ShadowUnreachableError(
            f"A schema in production's database is no place to rehearse in: {what}, so that what "
            f"is done there would not stay there. Nothing was done. {OTHER_PLACES}."
        )


def _require_no_pooler(connection: Connection) -> None:
    """Make sure that what is set for the session holds for all that follows.

    A pooler in transaction mode hands each transaction to whatever session is free; it makes a
    number of its own up for the process of the server.
    https://www.pgbouncer.org/features.html
    """
    (actual,) = one(connection, "SELECT pg_catalog.pg_backend_pid()")
    told = backend_pid(connection)
    if told and told != actual:
        raise ShadowUnreachableError(
            "Production is reached by a connection pooler, which may give each transaction another "
            "session: names without a schema would then be looked up in production. Nothing was "
            f"done. Connect to the server itself. {OTHER_PLACES}."
        )
    connection.rollback()


def _make(connection: Connection, name: str) -> None:
    try:
        comment = comment_of_now(connection)
        run_all(
            connection,
            [
                f"CREATE SCHEMA {quote(name)}",
                f"COMMENT ON SCHEMA {quote(name)} IS {literal(comment)}",
            ],
        )
        connection.commit()
    except DBAPIError as error:
        url = connection.engine.url
        raise ShadowUnreachableError(
            f"No schema can be made in the {shown(url)}: {hidden(url, server_message(error))}. "
            f"{OTHER_PLACES}."
        ) from error


def _drop(engine: Engine, name: str) -> None:
    """Drop the schema, and nothing else, over a connection of its own.

    What cannot be dropped is told and raises nothing: it would hide what went wrong before.
    """
    statement = f"DROP SCHEMA IF EXISTS {quote(name)} CASCADE"
    try:
        with connected(engine, patience=A_MOMENT) as connection:
            run_all(
                connection,
                [f"SET lock_timeout = '{PATIENCE_SECONDS}s'", "SET statement_timeout = 0"],
            )
            connection.commit()
            outside = depending_from_outside(connection, name)
            if outside:
                reason = f"{outside[0]} depends on it and would be dropped too"
            else:
                drop_schema(connection, name)
                return
    except (DBAPIError, ShadowUnreachableError) as error:
        reason = server_message(error) if isinstance(error, DBAPIError) else str(error)
        reason = hidden(engine.url, reason).rstrip(".")
    log.warning("The schema %s is left behind: %s. To drop it: %s;", name, reason, statement)
