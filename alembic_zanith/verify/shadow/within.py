"""A schema of its own in production's database, dropped afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from alembic_zanith.config import ShadowTopology
from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.failures import server_message
from alembic_zanith.identifiers import literal, quote
from alembic_zanith.sql import run

from .connecting import connected, log, production_url, server_version, set_search_path, shown
from .model import Shadow, ShadowRequest

if TYPE_CHECKING:
    from sqlalchemy import Connection

PREFIX = "_zanith_shadow_"

_OTHER_PLACES = (
    "Other places: a server of its own with --shadow-url URL (setting shadow_url), a database next "
    "to production with --topology database (setting shadow_topology)"
)


@contextmanager
def schema_within(production: Connection, request: ShadowRequest) -> Iterator[Shadow]:
    """Make a schema, have names looked up in nothing else, and drop it after the block."""
    url = production_url(production)
    name = f"{PREFIX}{secrets.token_hex(4)}"
    with connected(production, url, f"{_OTHER_PLACES}.") as connection:
        try:
            run(connection, f"CREATE SCHEMA {quote(name)}")
            comment = literal("Made by alembic zanith-verify, to be thrown away.")
            run(connection, f"COMMENT ON SCHEMA {quote(name)} IS {comment}")
            connection.commit()
        except DBAPIError as error:
            raise ShadowUnreachableError(
                f"No schema can be made in the {shown(url)}: {server_message(error)}. "
                f"{_OTHER_PLACES}."
            ) from error
        try:
            set_search_path(connection, quote(name))
            # Alembic asks for what is in the schema that SQLAlchemy takes for the first one.
            connection.dialect.default_schema_name = name
            version = server_version(connection)
            connection.rollback()
            where = f"schema {name} of the {shown(url)}"
            how = f"It is kept: {where}. Drop it with DROP SCHEMA {quote(name)} CASCADE;"
            yield Shadow(ShadowTopology.SCHEMA, connection, where, name, version, how)
        finally:
            if not request.keep:
                _drop(production, name)


def _drop(production: Connection, name: str) -> None:
    """Drop it over a connection of its own: that of the shadow may be lost, or in a transaction."""
    statement = f"DROP SCHEMA IF EXISTS {quote(name)} CASCADE"
    try:
        with connected(production, production_url(production)) as connection:
            run(connection, "SET LOCAL lock_timeout = '10s'")
            run(connection, statement)
            connection.commit()
    except (DBAPIError, ShadowUnreachableError) as error:
        reason = server_message(error) if isinstance(error, DBAPIError) else str(error)
        log.warning("The schema %s is left behind: %s. Run: %s;", name, reason, statement)
