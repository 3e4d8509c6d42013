"""Proof that nothing was lost, made by other means than the package's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

# No table is named: whatever the shop has, and nothing of what alembic-zanith keeps.
_TABLES = sa.text(
    """
    SELECT c.oid::bigint AS oid, quote_ident(c.relname) AS name,
           ARRAY(SELECT quote_ident(a.attname) FROM pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                    AND NOT starts_with(a.attname, '_zanith_')
                  ORDER BY a.attname) AS columns
      FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
       AND NOT starts_with(c.relname, '_zanith_') AND c.relname <> 'alembic_version'
     ORDER BY c.relname
    """
)

_STRUCTURE = sa.text(
    """
    SELECT count(*), md5(coalesce(string_agg(definition, ';' ORDER BY definition), ''))
      FROM (SELECT conname || ' ' || pg_get_constraintdef(oid)
              FROM pg_constraint WHERE conrelid = CAST(:oid AS oid)
             UNION ALL
            SELECT pg_get_indexdef(indexrelid)
              FROM pg_index WHERE indrelid = CAST(:oid AS oid)) AS found (definition)
    """
)


@dataclass(frozen=True)
class TableEvidence:
    """One table: how many rows, a checksum of them, and one of its constraints and indexes."""

    columns: tuple[str, ...]
    rows: int
    checksum: str
    parts: int
    parts_checksum: str


Evidence = Mapping[str, TableEvidence]


def collect(connection: Connection) -> dict[str, TableEvidence]:
    """Read every row of every table of the shop."""
    return {
        table.name: _of_table(connection, table.oid, table.name, table.columns)
        for table in connection.execute(_TABLES).all()
    }


def _of_table(connection: Connection, oid: int, name: str, columns: list[str]) -> TableEvidence:
    # In the order of their names: an archived column comes back as the last one of its table.
    rows = sa.text(
        "SELECT count(*), md5(coalesce(string_agg(h, '' ORDER BY h), '')) FROM"
        f" (SELECT md5(CAST(ROW({', '.join(columns)}) AS text)) AS h FROM public.{name}) AS hashes"
    )
    count, checksum = connection.execute(rows).one()
    parts, parts_checksum = connection.execute(_STRUCTURE, {"oid": oid}).one()
    return TableEvidence(tuple(columns), count, checksum, parts, parts_checksum)


def comparison(before: Evidence, after: Evidence) -> Iterator[str]:
    """Yield a line for each table, to be read next to each other."""
    yield f"{'table':<16}{'rows':>8}   {'checksum before':<18}{'checksum after'}"
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        rows = old.rows if old else new.rows if new else 0
        sums = [f"{found.checksum[:16] if found else 'no such table':<18}" for found in (old, new)]
        yield f"{name:<16}{rows:>8,}   {''.join(sums)}{'same' if old == new else 'DIFFERENT'}"
