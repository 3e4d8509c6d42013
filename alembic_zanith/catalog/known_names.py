"""Names that exist, to be offered where one is given that does not."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.identifiers import quote
from alembic_zanith.sql import rows, scalar

_TABLES = """
SELECT c.relname::text AS name
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
   AND CASE WHEN CAST(:schema AS pg_catalog.text) IS NULL
            THEN pg_catalog.pg_table_is_visible(c.oid) AND n.nspname <> 'pg_catalog'
            ELSE n.nspname = CAST(:schema AS pg_catalog.text) END
"""

_COLUMNS = """
SELECT a.attname::text AS name FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = CAST(pg_catalog.to_regclass(:relation) AS pg_catalog.oid)
   AND a.attnum > 0 AND NOT a.attisdropped
"""

_POLICIES = """
SELECT p.polname::text AS name FROM pg_catalog.pg_policy p
 WHERE p.polrelid = CAST(pg_catalog.to_regclass(:relation) AS pg_catalog.oid)
"""

_ROLES = "SELECT rolname::text AS name FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_'"
_PREDEFINED = "SELECT rolname::text AS name FROM pg_catalog.pg_roles WHERE rolname ~ '^pg_'"
_SCHEMAS = "SELECT nspname::text AS name FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_'"
_EXTENSIONS = "SELECT extname::text AS name FROM pg_catalog.pg_extension"
_AVAILABLE = "SELECT name::text AS name FROM pg_catalog.pg_available_extensions"
_VERSIONS = """
SELECT version::text AS name FROM pg_catalog.pg_available_extension_versions WHERE name = :name
"""


def relation(table: str, schema: str | None) -> str:
    """Return the name of a table as SQL; without a schema it is what the search path finds."""
    return quote(table) if schema is None else f"{quote(schema)}.{quote(table)}"


def relation_exists(connection: Connection, name: str) -> bool:
    """Whether there is a table, or what has rows like one, of a name that is written as SQL."""
    found = scalar(connection, "SELECT pg_catalog.to_regclass(:name) IS NOT NULL", name=name)
    return bool(found)


def tables(connection: Connection, schema: str | None) -> list[str]:
    """Return the tables of a schema, or those that are found without one."""
    return _names(connection, _TABLES, schema=schema)


def columns(connection: Connection, name: str) -> list[str]:
    """Return the columns of a table whose name is written as SQL."""
    return _names(connection, _COLUMNS, relation=name)


def policies(connection: Connection, name: str) -> list[str]:
    """Return the policies of a table whose name is written as SQL."""
    return _names(connection, _POLICIES, relation=name)


def roles(connection: Connection) -> list[str]:
    """Return the roles of the server, without PostgreSQL's own."""
    return _names(connection, _ROLES)


def predefined_roles(connection: Connection) -> list[str]:
    """Return PostgreSQL's own roles, such as pg_read_all_data."""
    return _names(connection, _PREDEFINED)


def schemas(connection: Connection) -> list[str]:
    """Return the schemas of the database, without PostgreSQL's own."""
    return _names(connection, _SCHEMAS)


def extensions(connection: Connection) -> list[str]:
    """Return the extensions that the database has."""
    return _names(connection, _EXTENSIONS)


def available_extensions(connection: Connection) -> list[str]:
    """Return the extensions that could be made here."""
    return _names(connection, _AVAILABLE)


def versions(connection: Connection, extension: str) -> list[str]:
    """Return the versions of an extension that could be made here."""
    return _names(connection, _VERSIONS, name=extension)


def _names(connection: Connection, query: str, **parameters: str | None) -> list[str]:
    return sorted(row.name for row in rows(connection, query, **parameters))
