"""What autogenerate asks the database beyond what Alembic reflects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Connection

from alembic_zanith.sql import rows, scalar

Table = tuple[str, str]
"""Schema and name, the schema always written out."""


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key of the table `child`."""

    name: str
    child: Table
    child_columns: frozenset[str]
    parent: Table
    parent_columns: frozenset[str]


_FOREIGN_KEYS = """
SELECT k.conname::text AS name,
       cn.nspname::text AS child_schema, c.relname::text AS child,
       pn.nspname::text AS parent_schema, p.relname::text AS parent,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey)) AS child_columns,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = p.oid AND a.attnum = ANY (k.confkey)) AS parent_columns
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
  JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
  JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
 WHERE k.contype = 'f'
 ORDER BY k.oid
"""

# Also what uses the column in an expression or a predicate, which reflection does not tell:
# https://www.postgresql.org/docs/current/catalog-pg-depend.html
_DEPENDENTS = """
SELECT DISTINCT coalesce(i.relname, k.conname)::text AS name
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class t ON t.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass
                             AND d.refobjid = t.oid AND d.refobjsubid = a.attnum
  LEFT JOIN pg_catalog.pg_class i ON d.classid = 'pg_catalog.pg_class'::regclass
                                 AND i.oid = d.objid AND i.relkind IN ('i', 'I')
  LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass
                                      AND k.oid = d.objid AND k.conrelid = t.oid
 WHERE n.nspname = :schema AND t.relname = :table AND a.attname = :column
   AND (i.oid IS NOT NULL OR k.oid IS NOT NULL)
"""

# PostgreSQL 14 has the column depend on what it is made of, later ones its expression.
_GENERATED = """
SELECT DISTINCT g.attname::text AS generated, a.attname::text AS source
  FROM pg_catalog.pg_class t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
  JOIN pg_catalog.pg_attribute g ON g.attrelid = t.oid AND g.attgenerated <> ''
  LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = t.oid AND e.adnum = g.attnum
  JOIN pg_catalog.pg_depend d
    ON (d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = t.oid AND d.objsubid = g.attnum)
    OR (d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = e.oid)
  JOIN pg_catalog.pg_attribute a
    ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = t.oid
   AND a.attrelid = t.oid AND a.attnum = d.refobjsubid AND a.attnum <> g.attnum
 WHERE n.nspname = :schema AND t.relname = :table
"""

_CHILDREN = """
SELECT cn.nspname::text AS child_schema, c.relname::text AS child, c.relispartition AS partition,
       pn.nspname::text AS parent_schema, p.relname::text AS parent
  FROM pg_catalog.pg_inherits h
  JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid AND c.relkind NOT IN ('i', 'I')
  JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
  JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
  JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
"""

# What op.archive_column needs: see alembic_zanith.recovery.column_archive.
_HAS_KEY = """
SELECT EXISTS (
  SELECT FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
   WHERE n.nspname = :schema AND t.relname = :table
     AND i.indisunique AND i.indisvalid AND i.indimmediate
     AND i.indpred IS NULL AND i.indexprs IS NULL
     AND NOT EXISTS (
       SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
        WHERE k.position <= i.indnkeyatts AND (NOT a.attnotnull OR a.attname = :column)))
"""


class Catalog:
    """Answers about one database; each question is asked once."""

    def __init__(self, connection: Connection, default_schema: str) -> None:
        self.connection = connection
        self.default_schema = default_schema

    def table(self, schema: str | None, name: str) -> Table:
        """Return a table as Alembic names it with its schema written out."""
        return (str(schema) if schema else self.default_schema, str(name))

    @cached_property
    def foreign_keys(self) -> list[ForeignKey]:
        """All foreign keys of the database."""
        return [
            ForeignKey(
                row.name,
                (row.child_schema, row.child),
                frozenset(row.child_columns),
                (row.parent_schema, row.parent),
                frozenset(row.parent_columns),
            )
            for row in rows(self.connection, _FOREIGN_KEYS)
        ]

    @cached_property
    def partition_parents(self) -> dict[Table, Table]:
        """The table that each partition belongs to."""
        return {child: parent for child, parent, is_partition in self._children if is_partition}

    @cached_property
    def inheritance(self) -> list[tuple[Table, Table]]:
        """Each child table with its parent, partitions included."""
        return [(child, parent) for child, parent, _ in self._children]

    @cached_property
    def _children(self) -> list[tuple[Table, Table, bool]]:
        return [
            ((row.child_schema, row.child), (row.parent_schema, row.parent), row.partition)
            for row in rows(self.connection, _CHILDREN)
        ]

    def dependents(self, table: Table, column: str) -> set[str]:
        """Return the names of the table's indexes and constraints that a column carries."""
        found = rows(
            self.connection, _DEPENDENTS, schema=table[0], table=table[1], column=str(column)
        )
        return {row.name for row in found}

    def generated_from(self, table: Table) -> list[tuple[str, str]]:
        """Return each generated column of a table with a column that it is made of."""
        found = rows(self.connection, _GENERATED, schema=table[0], table=table[1])
        return [(row.generated, row.source) for row in found]

    def has_key(self, table: Table, column: str) -> bool:
        """Tell whether the rows of a table can be told apart without this column."""
        return bool(
            scalar(self.connection, _HAS_KEY, schema=table[0], table=table[1], column=str(column))
        )
