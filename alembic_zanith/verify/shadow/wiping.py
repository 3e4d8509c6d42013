"""Making a database as empty as a new one."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from alembic_zanith.identifiers import quote
from alembic_zanith.sql import rows, run, run_all, scalar

if TYPE_CHECKING:
    from sqlalchemy import Connection

# In this order: what is of the whole database first, for it may stand in the way.
_OBJECTS = {
    "EVENT TRIGGER": "SELECT evtname::text FROM pg_catalog.pg_event_trigger",
    "PUBLICATION": "SELECT pubname::text FROM pg_catalog.pg_publication",
    "FOREIGN DATA WRAPPER": """
        SELECT w.fdwname::text FROM pg_catalog.pg_foreign_data_wrapper w
         WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.deptype = 'e'
                              AND e.classid = 'pg_catalog.pg_foreign_data_wrapper'::regclass
                              AND e.objid = w.oid)""",
    "SERVER": "SELECT srvname::text FROM pg_catalog.pg_foreign_server",
}

_SCHEMAS = """
SELECT nspname::text FROM pg_catalog.pg_namespace
 WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', '_zanith_shadow')
   AND oid NOT IN (SELECT extnamespace FROM pg_catalog.pg_extension
                    WHERE extname = ANY (CAST(:kept AS text[])))
"""

_VERSION = "SELECT pg_catalog.current_setting('server_version_num')"

# https://www.postgresql.org/docs/15/release-15.html: since then nobody but the owner of the
# database creates in it.
_PUBLIC = (
    "CREATE SCHEMA public",
    "COMMENT ON SCHEMA public IS 'standard public schema'",
    "GRANT USAGE ON SCHEMA public TO PUBLIC",
)


def wipe(connection: Connection, keep: Collection[str]) -> None:
    """Drop all that is in a database but for the extensions to `keep`; in the open transaction."""
    for kind, query in _OBJECTS.items():
        for (name,) in rows(connection, query):
            run(connection, f"DROP {kind} IF EXISTS {quote(name)} CASCADE")
    for (name,) in rows(connection, "SELECT extname::text FROM pg_catalog.pg_extension"):
        if name not in keep:
            run(connection, f"DROP EXTENSION IF EXISTS {quote(name)} CASCADE")
    kept = rows(connection, _SCHEMAS, kept=list(keep))
    for (name,) in kept:
        run(connection, f"DROP SCHEMA {quote(name)} CASCADE")
    if scalar(connection, "SELECT pg_catalog.to_regnamespace('public') IS NULL"):
        run_all(connection, _PUBLIC)
        if (
            int(scalar(connection, "SELECT pg_catalog.current_setting('server_version_num')"))
            < 150000
        ):
            run(connection, "GRANT CREATE ON SCHEMA public TO PUBLIC")
    else:
        _empty(connection)
    run(
        connection,
        "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata",
    )


_IN_PUBLIC = """
SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
         WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE'
         ELSE 'TABLE' END,
       pg_catalog.format('public.%I', c.relname)
  FROM pg_catalog.pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm', 'S', 'f', 'c', 'r', 'p')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.deptype = 'e'
                      AND e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid)
UNION ALL
SELECT 'ROUTINE', p.oid::regprocedure::text FROM pg_catalog.pg_proc p
 WHERE p.pronamespace = 'public'::regnamespace
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.deptype = 'e'
                      AND e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid)
UNION ALL
SELECT 'TYPE', pg_catalog.format('public.%I', t.typname) FROM pg_catalog.pg_type t
 WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd', 'r')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.deptype = 'e'
                      AND e.classid = 'pg_catalog.pg_type'::regclass AND e.objid = t.oid)
"""


def _empty(connection: Connection) -> None:
    """Empty the schema public, which an extension that was there first is in."""
    for kind, name in rows(connection, _IN_PUBLIC):
        run(connection, f"DROP {kind} IF EXISTS {name} CASCADE")
