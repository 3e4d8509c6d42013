"""The database of `shadow_url`: wiped if it is empty or carries our marker, else refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from alembic_zanith.config import ShadowTopology
from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.failures import server_message
from alembic_zanith.identifiers import literal
from alembic_zanith.sql import one, rows, run, scalar

from .connecting import connected, search_path_of, server_version, set_search_path, shown
from .model import Shadow, ShadowRequest
from .wiping import wipe

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

MARKER_SCHEMA = "_zanith_shadow"
_LOCK = 0x7A616E6974680002
"""Advisory lock of a rehearsal on the shadow: `zanith` in ASCII, and the number of this lock."""

# The cluster and the database in it; a marker that came by a dump, a template or a restore tells
# of another one. https://www.postgresql.org/docs/current/functions-info.html
_IDENTITY = """
SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) || '/' || d.oid::text
       || '/' || d.datname
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""

_MARKER = "SELECT pg_catalog.to_regclass('_zanith_shadow.marker') IS NOT NULL"

_EXTENSIONS = "SELECT extname::text FROM pg_catalog.pg_extension"

_FOREIGN = """
WITH of_extension AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), mine AS (
    SELECT oid, nspname FROM pg_catalog.pg_namespace
     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND nspname <> '_zanith_shadow'
)
SELECT what FROM (
    SELECT 1 AS place, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
             WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type'
             ELSE 'table' END || ' ' || mine.nspname || '.' || c.relname AS what
      FROM pg_catalog.pg_class c JOIN mine ON mine.oid = c.relnamespace
     WHERE c.relkind NOT IN ('i', 'I', 't')
       AND NOT EXISTS (SELECT FROM of_extension e
                        WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid)
    UNION ALL
    SELECT 2, 'function ' || mine.nspname || '.' || p.proname
      FROM pg_catalog.pg_proc p JOIN mine ON mine.oid = p.pronamespace
     WHERE NOT EXISTS (SELECT FROM of_extension e
                        WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid)
    UNION ALL
    SELECT 3, 'type ' || mine.nspname || '.' || t.typname
      FROM pg_catalog.pg_type t JOIN mine ON mine.oid = t.typnamespace
     WHERE t.typtype IN ('e', 'd', 'r', 'b') AND t.typelem = 0
       AND NOT EXISTS (SELECT FROM of_extension e
                        WHERE e.classid = 'pg_catalog.pg_type'::regclass AND e.objid = t.oid)
    UNION ALL
    SELECT 4, 'schema ' || mine.nspname FROM mine
     WHERE mine.nspname <> 'public'
       AND NOT EXISTS (SELECT FROM of_extension e
                        WHERE e.classid = 'pg_catalog.pg_namespace'::regclass
                          AND e.objid = mine.oid)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension x WHERE x.extnamespace = mine.oid)
    UNION ALL
    SELECT 5, 'large object ' || oid::text FROM pg_catalog.pg_largeobject_metadata
    UNION ALL
    SELECT 6, 'publication ' || pubname FROM pg_catalog.pg_publication
    UNION ALL
    SELECT 7, 'subscription ' || subname FROM pg_catalog.pg_stat_subscription
    UNION ALL
    SELECT 8, 'foreign server ' || srvname FROM pg_catalog.pg_foreign_server
    UNION ALL
    SELECT 9, 'event trigger ' || evtname FROM pg_catalog.pg_event_trigger v
     WHERE NOT EXISTS (SELECT FROM of_extension e
                        WHERE e.classid = 'pg_catalog.pg_event_trigger'::regclass
                          AND e.objid = v.oid)
) found ORDER BY place, what
"""


@contextmanager
def given_database(production: Connection, request: ShadowRequest) -> Iterator[Shadow]:
    """Wipe the database of `shadow_url` and give it, if it is one that may be wiped."""
    url = _url(request.url)
    path = search_path_of(production)
    with connected(production, url, "Check the URL, and that the server is up.") as connection:
        try:
            _refuse_production(production, connection, url)
            _lock(connection, url)
            _require_marker(connection, url)
            wipe(connection, keep=_first_extensions(connection))
            connection.commit()
        except DBAPIError as error:
            raise ShadowUnreachableError(
                f"The {shown(url)} cannot be made ready: {server_message(error)}. The role "
                f"{url.username} has to own the database and all that is in it."
            ) from error
        version = server_version(connection)
        connection.rollback()
        set_search_path(connection, path)
        how = f"It is left as it is until the next rehearsal: {shown(url)}."
        # Nothing is dropped afterwards: the next rehearsal wipes what this one has left.
        yield Shadow(ShadowTopology.URL, connection, shown(url), None, version, how)


def _url(text: str | None) -> URL:
    if not text:
        raise ShadowUnreachableError(
            "No database is named to rehearse in. Give --shadow-url URL, or the setting shadow_url."
        )
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ShadowUnreachableError(
            "shadow_url is no URL. Write it as postgresql://user:password@host:port/database."
        ) from error
    if url.get_backend_name() != "postgresql":
        raise ShadowUnreachableError(
            f"shadow_url is of {url.get_backend_name()}. Migrations of PostgreSQL are rehearsed on "
            "PostgreSQL."
        )
    return url


def _identity(connection: Connection) -> str:
    return str(scalar(connection, _IDENTITY))


def _refuse_production(production: Connection, connection: Connection, url: URL) -> None:
    """Two URLs of one database may differ in every part; it is the servers that are asked."""
    with production.begin_nested() as savepoint:
        same = _identity(production) == _identity(connection)
        savepoint.rollback()
    if same:
        raise ShadowUnreachableError(
            f"shadow_url is production's own database, {shown(url)}. Nothing was done. Name an "
            "empty one."
        )


def _lock(connection: Connection, url: URL) -> None:
    """Keep other rehearsals out, until the connection ends."""
    if not scalar(connection, f"SELECT pg_catalog.pg_try_advisory_lock({_LOCK})"):
        raise ShadowUnreachableError(
            f"Another rehearsal is using the {shown(url)}. Wait for it to end, or use "
            "--topology database."
        )
    connection.commit()


def _require_marker(connection: Connection, url: URL) -> None:
    """Make the marker in an empty database; refuse any other one that does not carry it."""
    identity = _identity(connection)
    if one(connection, _MARKER)[0]:
        told = scalar(connection, "SELECT identity FROM _zanith_shadow.marker")
        if told == identity:
            _refuse_what_is_in_use(connection, url)
            return
        raise ShadowUnreachableError(
            f"The {shown(url)} carries the marker of another database: it came with a dump or a "
            "copy, so that what else is in it may be needed. Nothing was done. If it is not, drop "
            "the database and make an empty one."
        )
    found = [what for (what,) in rows(connection, _FOREIGN)]
    if found:
        shown_ones = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if found[3:] else "")
        raise ShadowUnreachableError(
            f"The {shown(url)} is not empty and was not made by a rehearsal: it has {shown_ones}. "
            "Nothing was done. Name an empty database; it would be wiped each time."
        )
    extensions = [
        name for (name,) in rows(connection, "SELECT extname::text FROM pg_catalog.pg_extension")
    ]
    run(connection, "CREATE SCHEMA _zanith_shadow")
    run(
        connection,
        "CREATE TABLE _zanith_shadow.marker AS SELECT pg_catalog.now() AS created_at, "
        f"{literal(identity)}::text AS identity, "
        f"{literal(json.dumps(extensions))}::text AS extensions",
    )
    run(
        connection,
        "COMMENT ON SCHEMA _zanith_shadow IS "
        "'This database is wiped by each alembic zanith-verify.'",
    )


_RECORDED = """
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname = '_zanith_migrations' AND c.relkind = 'r'
"""


def _refuse_what_is_in_use(connection: Connection, url: URL) -> None:
    """Refuse a database that real migrations have run in: rehearsals are not recorded."""
    for (table,) in rows(connection, _RECORDED):
        if scalar(connection, f"SELECT EXISTS (SELECT FROM {table})"):
            raise ShadowUnreachableError(
                f"The {shown(url)} was a shadow once, but `alembic upgrade` has been run in it "
                f"since ({table}), so that it may be needed. Nothing was done. If it is not, drop "
                "the database and make an empty one."
            )


def _first_extensions(connection: Connection) -> frozenset[str]:
    """Return the extensions that were there before the first rehearsal."""
    text = scalar(connection, "SELECT extensions FROM _zanith_shadow.marker")
    return frozenset(json.loads(text))
