"""A database of its own on production's server, dropped afterwards."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from alembic_zanith.config import ShadowTopology
from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.identifiers import literal, quote
from alembic_zanith.sql import rows, run

from .connecting import (
    OTHER_PLACES,
    connected,
    log,
    production_url,
    search_path_of,
    server_version,
    set_search_path,
    shown,
)
from .model import Shadow, ShadowRequest

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

PREFIX = "_zanith_shadow_"
_COMMENT = "Made by alembic zanith-verify, to be thrown away."

# Columns of pg_database come and go: https://www.postgresql.org/docs/current/catalog-pg-database.html
_DATABASE = """
SELECT pg_catalog.to_jsonb(d) - 'datacl', pg_catalog.pg_encoding_to_char(d.encoding)
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""

_LEFT = """
SELECT d.datname::text FROM pg_catalog.pg_database d
 WHERE d.datname ~ '^_zanith_shadow_[0-9a-f]{8}$'
   AND pg_catalog.shobj_description(d.oid, 'pg_database') = :comment
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)
"""


@contextmanager
def database_next_to(production: Connection, request: ShadowRequest) -> Iterator[Shadow]:
    """Make a database with production's encoding and locale, and drop it after the block."""
    url = production_url(production)
    name = f"{PREFIX}{secrets.token_hex(4)}"
    made = url.set(database=name)
    create = _create(production, name)
    path = search_path_of(production)
    _mention_left_ones(production)
    with connected(production, url, f"{OTHER_PLACES}.") as maintenance:
        maintenance = maintenance.execution_options(isolation_level="AUTOCOMMIT")
        try:
            run(maintenance, create)
            run(maintenance, f"COMMENT ON DATABASE {quote(name)} IS {literal(_COMMENT)}")
        except DBAPIError as error:
            raise _refused(url, error) from error
    try:
        with connected(production, made) as connection:
            set_search_path(connection, path)
            version = server_version(connection)
            connection.rollback()
            how = f"It is kept: {shown(made)}. Drop it with DROP DATABASE {quote(name)};"
            yield Shadow(ShadowTopology.DATABASE, connection, shown(made), None, version, how)
    finally:
        if not request.keep:
            _drop(production, url, name)


def _create(production: Connection, name: str) -> str:
    ((found, encoding),) = rows(production, _DATABASE)
    options: dict[str, Any] = {
        "TEMPLATE": "template0",
        "ENCODING": literal(encoding),
        "LC_COLLATE": literal(found["datcollate"]),
        "LC_CTYPE": literal(found["datctype"]),
    }
    # https://www.postgresql.org/docs/current/sql-createdatabase.html
    provider = {"i": "icu", "b": "builtin"}.get(found.get("datlocprovider", "c"))
    locale = found.get("datlocale") or found.get("daticulocale")
    if provider is not None:
        options["LOCALE_PROVIDER"] = provider
        options["ICU_LOCALE" if provider == "icu" else "BUILTIN_LOCALE"] = literal(str(locale))
    if provider == "icu" and found.get("daticurules"):
        options["ICU_RULES"] = literal(found["daticurules"])
    chosen = " ".join(f"{option} {value}" for option, value in options.items())
    return f"CREATE DATABASE {quote(name)} {chosen}"


def _refused(url: URL, error: DBAPIError) -> ShadowUnreachableError:
    state = sqlstate(error)
    reason = server_message(error)
    if state == "42501":
        return ShadowUnreachableError(
            f"The role {url.username} may not create databases on this server ({reason}). "
            f"ALTER ROLE {quote(str(url.username))} CREATEDB lets it. {OTHER_PLACES}."
        )
    return ShadowUnreachableError(
        f"No database can be made next to {shown(url)}: {reason}. {OTHER_PLACES}."
    )


def _drop(production: Connection, url: URL, name: str) -> None:
    statement = f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)"
    try:
        with connected(production, url) as maintenance:
            run(maintenance.execution_options(isolation_level="AUTOCOMMIT"), statement)
    except (DBAPIError, ShadowUnreachableError) as error:
        reason = server_message(error) if isinstance(error, DBAPIError) else str(error)
        log.warning("The database %s is left behind: %s. Run: %s;", name, reason, statement)


def _mention_left_ones(production: Connection) -> None:
    with contextlib.suppress(DBAPIError):
        for (name,) in rows(production, _LEFT, comment=_COMMENT):
            log.warning(
                "The database %s is left from a rehearsal that was killed, or kept. When nobody "
                "needs it any more: DROP DATABASE %s;",
                name,
                quote(name),
            )
