"""The columns by which each row of a table can be told from all others."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from alembic_zanith.sql import rows

from .relation import Relation

_UNIQUE_KEYS = """
SELECT ARRAY(SELECT a.attname::text
               FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
              WHERE k.position <= i.indnkeyatts ORDER BY k.position) AS columns,
       NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
                     JOIN pg_catalog.pg_attribute a
                       ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                    WHERE k.position <= i.indnkeyatts
                      AND (NOT a.attnotnull
                           OR EXISTS (SELECT FROM pg_catalog.pg_constraint c
                                       WHERE c.conrelid = i.indrelid AND c.contype = 'n'
                                         AND c.conkey = ARRAY[k.attnum] AND NOT c.convalidated))
                  ) AS is_not_null
  FROM pg_catalog.pg_index i
 WHERE i.indrelid = CAST(:oid AS oid) AND i.indisunique AND i.indisvalid AND i.indimmediate
   AND i.indpred IS NULL AND i.indexprs IS NULL
 ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid
"""


@dataclass(frozen=True)
class UniqueKey:
    """The columns of a unique index that holds for all rows, at once and without an expression."""

    columns: tuple[str, ...]
    is_not_null: bool


def unique_keys(connection: Connection, relation: Relation) -> list[UniqueKey]:
    """Return the unique keys of a table, the primary one first, then short ones before long ones.

    With plain inheritance they hold for the table alone, not for its children.
    """
    found = rows(connection, _UNIQUE_KEYS, oid=relation.oid)
    return [UniqueKey(tuple(row.columns), row.is_not_null) for row in found]
