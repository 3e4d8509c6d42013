"""Which columns a database keeps the same, found by their triggers."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from alembic_zanith.sql import rows

from .pair import SYNC_PREFIX

# The condition of the trigger for UPDATE depends on both columns, whatever they are called by now.
_SYNCED = f"""
SELECT n.nspname::text AS schema, c.relname::text AS table, a.attname::text AS column,
       ARRAY(SELECT x.relname::text
               FROM pg_catalog.pg_index i
               JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
               JOIN pg_catalog.pg_depend u ON u.objid OPERATOR(pg_catalog.=) i.indexrelid
              WHERE u.refobjid OPERATOR(pg_catalog.=) c.oid
                AND u.refobjsubid OPERATOR(pg_catalog.=) a.attnum::int4
              UNION
             SELECT k.conname::text FROM pg_catalog.pg_constraint k
              WHERE k.conrelid OPERATOR(pg_catalog.=) c.oid
                AND a.attnum OPERATOR(pg_catalog.=) ANY (k.conkey)) AS parts
  FROM (SELECT DISTINCT t.tgrelid, d.refobjsubid
          FROM pg_catalog.pg_trigger t
          JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) t.oid
           AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_trigger'::pg_catalog.regclass
           AND d.refobjid OPERATOR(pg_catalog.=) t.tgrelid
         WHERE pg_catalog.starts_with(t.tgname::text, '{SYNC_PREFIX}')
           AND t.tgparentid OPERATOR(pg_catalog.=) 0::pg_catalog.oid
           AND d.refobjsubid OPERATOR(pg_catalog.>) 0) AS s
  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
   AND a.attnum::int4 OPERATOR(pg_catalog.=) s.refobjsubid
"""


@dataclass(frozen=True)
class SyncedColumn:
    """A column that is kept the same as another; `parts` are its indexes and constraints."""

    schema: str
    table: str
    column: str
    parts: frozenset[str]


def synced_columns(connection: Connection) -> list[SyncedColumn]:
    """Return the columns of all pairs of the database."""
    return [
        SyncedColumn(row.schema, row.table, row.column, frozenset(row.parts))
        for row in rows(connection, _SYNCED)
    ]
