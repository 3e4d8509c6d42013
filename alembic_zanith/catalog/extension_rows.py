"""Rows in the tables that belong to an extension: DROP EXTENSION takes them without a word."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.identifiers import QualifiedName
from alembic_zanith.sql import one, rows

# Of a table for configuration the extension says which rows are its own; pg_dump writes the others:
# https://www.postgresql.org/docs/current/extend-extensions.html#EXTEND-EXTENSIONS-CONFIG-TABLES
_TABLES = """
SELECT n.nspname::text AS schema, c.relname::text AS name, coalesce(k.condition, '') AS condition
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_depend d
    ON d.refclassid = CAST('pg_catalog.pg_extension' AS pg_catalog.regclass)
   AND d.refobjid = e.oid AND d.deptype = 'e'
   AND d.classid = CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
  JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'r'
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL ROWS FROM (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition))
    AS k (oid, condition) ON k.oid = c.oid
 WHERE e.extname = :name
 ORDER BY 1, 2
"""


def rows_of_extension(connection: Connection, extension: str) -> list[tuple[str, int]]:
    """Return the tables of an extension that have rows of others, with the number of these.

    In a table that is not for configuration, every row is one.
    """
    found = []
    for table in rows(connection, _TABLES, name=extension):
        name = QualifiedName(table.schema, table.name)
        (count,) = one(connection, f"SELECT pg_catalog.count(*) FROM ONLY {name} {table.condition}")
        if count:
            found.append((name.display, int(count)))
    return found
