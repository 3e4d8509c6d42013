"""Find names for what comes back: the old ones where they are free."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Space(Enum):
    """What must differ in name from what."""

    RELATION = "relation"
    """Tables, indexes and sequences of one schema."""
    STATISTICS = "statistics"
    """Extended statistics of one schema."""
    CONSTRAINT = "constraint"
    """Constraints of one table."""


@dataclass(frozen=True, order=True)
class Owned:
    """A name in the schema, or for constraints in the tables, that it has to be unique in."""

    space: str
    schema: str
    name: str


_TAKEN = """
SELECT 'relation' AS space, n.nspname::text AS schema, c.relname::text AS name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (CAST(:schemas AS text[]))
 UNION
SELECT 'relation', n.nspname::text, t.typname::text
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE n.nspname = ANY (CAST(:schemas AS text[])) AND NOT (t.typcategory = 'A')
 UNION
SELECT 'statistics', n.nspname::text, s.stxname::text
  FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
 WHERE n.nspname = ANY (CAST(:schemas AS text[]))
 UNION
SELECT 'constraint', '', con.conname::text
  FROM pg_catalog.pg_constraint con
  JOIN pg_catalog.pg_class c ON c.oid = con.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest(CAST(:table_schemas AS text[]),
                                                       CAST(:tables AS text[])))
"""
