"""The tables that rows are copied of, and what refers to what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic_zanith.identifiers import QualifiedName, is_zanith_name, literal, quote
from alembic_zanith.risk.change import TableRef
from alembic_zanith.sql import rows, scalar

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Reference:
    """A foreign key: columns of a table, and those of the parent that they refer to."""

    columns: tuple[str, ...]
    parent: int
    parent_columns: tuple[str, ...]


@dataclass(frozen=True)
class SampledTable:
    """A table of production. `columns` are those that are written, in their order."""

    oid: int
    name: QualifiedName
    is_partitioned: bool
    columns: tuple[str, ...]
    estimate: float
    references: tuple[Reference, ...]
    ordered: tuple[str, ...]
    """Columns that an index begins with, so that the least and greatest are found quickly."""

    @property
    def shown(self) -> str:
        """The table for people: without the schema public."""
        return str(
            TableRef(self.name.name, None if self.name.schema == "public" else self.name.schema)
        )

    @property
    def source(self) -> str:
        """The table as it is read: without the rows of its heirs, but with its partitions'."""
        return str(self.name) if self.is_partitioned else f"ONLY {self.name}"


_TABLE = """
SELECT n.nspname::text, c.relname::text, c.relkind::text, c.reltuples
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = :oid AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
"""

_COLUMNS = """
SELECT a.attname::text FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = :oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 ORDER BY a.attnum
"""

_NAMES = """
(SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.place)
   FROM pg_catalog.unnest({numbers}) WITH ORDINALITY AS k(number, place)
   JOIN pg_catalog.pg_attribute a ON a.attrelid = {table} AND a.attnum = k.number)
"""

_REFERENCES = f"""
SELECT {_NAMES.format(numbers="f.conkey", table="f.conrelid")}, f.confrelid::bigint,
       {_NAMES.format(numbers="f.confkey", table="f.confrelid")}
  FROM pg_catalog.pg_constraint f
 WHERE f.conrelid = :oid AND f.contype = 'f'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint p
                    WHERE p.oid = f.conparentid AND p.conrelid = f.conrelid)
"""

_ORDERED = """
SELECT DISTINCT a.attname::text
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
  JOIN pg_catalog.pg_am m ON m.oid = x.relam AND m.amname = 'btree'
  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
 WHERE i.indrelid = :oid AND i.indisvalid AND i.indpred IS NULL
"""


def find_tables(
    production: Connection, tables: Iterable[TableRef]
) -> tuple[list[SampledTable], list[TableRef]]:
    """Return the tables that there are, and the names that are of none."""
    found, unknown = dict[int, SampledTable](), list[TableRef]()
    for table in tables:
        name = quote(table.name)
        name = name if table.schema is None else f"{quote(table.schema)}.{name}"
        oid = scalar(production, f"SELECT pg_catalog.to_regclass({literal(name)})::oid::bigint")
        read = None if oid is None else read_table(production, oid)
        if read is None:
            unknown.append(table)
        else:
            found[read.oid] = read
    return [*found.values()], unknown


def read_table(production: Connection, oid: int) -> SampledTable | None:
    """Return a table with its columns and foreign keys; None where it has no rows of its own."""
    described = rows(production, _TABLE, oid=oid)
    if not described:
        return None
    ((schema, name, kind, estimate),) = described
    columns = [each for (each,) in rows(production, _COLUMNS, oid=oid)]
    return SampledTable(
        oid,
        QualifiedName(schema, name),
        kind == "p",
        tuple(each for each in columns if not is_zanith_name(each)),
        float(estimate),
        tuple(
            Reference(tuple(own), parent, tuple(theirs))
            for own, parent, theirs in rows(production, _REFERENCES, oid=oid)
        ),
        tuple(each for (each,) in rows(production, _ORDERED, oid=oid)),
    )
