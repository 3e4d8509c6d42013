"""The schema that holds archives: nobody but its owner sees into it."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.identifiers import quote
from alembic_zanith.privileges import (
    require_create_in_schema,
    require_create_of_schema,
    schema_exists,
)
from alembic_zanith.sql import rows, run

_LOCK_KEY = 0x7A616E69746861
"""Advisory lock under which the schema is created: two sessions may want it at once."""


def ensure_archive_schema(connection: Connection, schema: str) -> None:
    """Create the archive schema unless it exists, and take from PUBLIC any right on it.

    A new one is closed to everybody else too, whatever ALTER DEFAULT PRIVILEGES gave; what somebody
    granted to a role later, say to the one that makes backups, stays.

    Raises `MissingPrivilegeError`.
    """
    is_new = not schema_exists(connection, schema)
    if is_new:
        require_create_of_schema(connection, schema)
        run(connection, f"SELECT pg_catalog.pg_advisory_xact_lock({_LOCK_KEY})")
        run(connection, f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
    else:
        require_create_in_schema(connection, schema, "The archive")
    for row in rows(connection, _OTHERS, schema=schema):
        if is_new or row.is_public:
            run(connection, f"REVOKE ALL ON SCHEMA {quote(schema)} FROM {row.grantee}")


_OTHERS = """
SELECT DISTINCT coalesce(pg_catalog.quote_ident(r.rolname), 'PUBLIC') AS grantee,
       x.grantee = 0 AS is_public
  FROM pg_catalog.pg_namespace n
 CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) x
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
 WHERE n.nspname = :schema AND x.grantee <> n.nspowner
"""
