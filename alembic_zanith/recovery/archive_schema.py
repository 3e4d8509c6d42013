"""The schema that holds archives: nobody but its owner sees into it."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.identifiers import QualifiedName, quote
from alembic_zanith.privileges import (
    require_create_in_schema,
    require_create_of_schema,
    schema_exists,
)
from alembic_zanith.sql import rows, run, run_all, scalar

_LOCK_KEY = 0x7A616E69746861
"""Advisory lock under which the schema is created: two sessions may want it at once."""


def ensure_archive_schema(connection: Connection, schema: str) -> None:
    """Create the archive schema unless it exists, and take from PUBLIC any right on it.

    Raises `MissingPrivilegeError`.
    """
    if schema_exists(connection, schema):
        require_create_in_schema(connection, schema, "The archive")
    else:
        require_create_of_schema(connection, schema)
        run(connection, f"SELECT pg_catalog.pg_advisory_xact_lock({_LOCK_KEY})")
        run(connection, f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
    public_rights = (
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n"
        " CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) x"
        " WHERE n.nspname = :schema AND x.grantee = 0)"
    )
    if scalar(connection, public_rights, schema=schema):
        run(connection, f"REVOKE ALL ON SCHEMA {quote(schema)} FROM PUBLIC")


def close_to_others(connection: Connection, table: QualifiedName) -> None:
    """Take away what ALTER DEFAULT PRIVILEGES granted to others on a new archive table."""
    grantees = rows(
        connection,
        "SELECT DISTINCT coalesce(pg_catalog.quote_ident(r.rolname), 'PUBLIC') AS grantee"
        " FROM pg_catalog.pg_class c"
        " CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) x"
        " LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee"
        " WHERE c.oid = pg_catalog.to_regclass(:table) AND x.grantee <> c.relowner",
        table=str(table),
    )
    run_all(connection, (f"REVOKE ALL ON {table} FROM {row.grantee}" for row in grantees))
