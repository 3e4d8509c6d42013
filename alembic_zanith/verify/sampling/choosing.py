"""Which rows are copied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from alembic_zanith.failures import server_message
from alembic_zanith.identifiers import literal, quote
from alembic_zanith.sql import run

from .tables import Reference, SampledTable, read_table

if TYPE_CHECKING:
    from sqlalchemy import Connection

Row = tuple[str | None, ...]
_KEYS_AT_ONCE = 500


@dataclass
class Chosen:
    """The rows of a table that are copied: the texts of its columns, by where the row is.

    `references` are the foreign keys that are followed.
    """

    table: SampledTable
    rows: dict[str, Row] = field(default_factory=dict)
    note: str = ""
    references: list[Reference] = field(default_factory=list)

    def values(self, columns: Iterable[str], row: Row) -> Row:
        """Return what a row has in some columns."""
        places = [self.table.columns.index(column) for column in columns]
        return tuple(row[place] for place in places)

    def all_values(self, columns: Iterable[str], rows: Iterable[Row]) -> set[Row]:
        """Return what rows have in some columns, each once."""
        places = [self.table.columns.index(column) for column in columns]
        return {tuple(row[place] for place in places) for row in rows}

    def has(self, columns: Iterable[str]) -> bool:
        """Whether all of the columns are among those that are copied."""
        return set(columns) <= set(self.table.columns)


def choose(production: Connection, wanted: Iterable[SampledTable], limit: int) -> dict[int, Chosen]:
    """Return up to `limit` rows of each table, and the rows that any of them refers to."""
    chosen = {table.oid: Chosen(table) for table in wanted}
    waiting = list[tuple[Chosen, list[Row]]]()
    for each in list(chosen.values()):
        added = _add(production, each, _samples(each.table, limit), limit)
        waiting.append((each, added))
    while waiting:
        child, rows = waiting.pop()
        for reference in child.table.references:
            if reference.parent not in chosen:
                table = read_table(production, reference.parent)
                if table is None:
                    continue
                chosen[reference.parent] = Chosen(table)
            parent = chosen[reference.parent]
            if not (child.has(reference.columns) and parent.has(reference.parent_columns)):
                continue
            if reference not in child.references:
                child.references.append(reference)
            keys = child.all_values(reference.columns, rows)
            keys -= parent.all_values(reference.parent_columns, parent.rows.values())
            missing = sorted(key for key in keys if None not in key)
            added = list[Row]()
            for start in range(0, len(missing), _KEYS_AT_ONCE):
                some = missing[start : start + _KEYS_AT_ONCE]
                query = _by_key(parent.table, reference.parent_columns, some)
                added += _add(production, parent, [query])
            if added:
                waiting.append((parent, added))
    return chosen


def _samples(table: SampledTable, limit: int) -> Iterator[str]:
    """Yield queries for rows that are worth a look.

    Of a big table: the least and greatest of what an index has in order, for they are what does
    not fit; then pages from all over the table, the same ones each time; then what comes first.
    https://www.postgresql.org/docs/current/sql-select.html#SQL-FROM
    """
    if table.estimate > limit:
        few = max(1, limit // (4 * max(1, len(table.ordered))))
        for column in table.ordered:
            for direction in ("ASC", "DESC NULLS LAST"):
                yield f"{_select(table)} ORDER BY t.{quote(column)} {direction} LIMIT {few}"
        percent = min(100.0, 100.0 * 2 * limit / table.estimate)
        sample = f"TABLESAMPLE SYSTEM ({percent:.6f}) REPEATABLE (1)"
        yield f"{_select(table, sample)} LIMIT {max(1, limit // 2)}"
    yield f"{_select(table)} LIMIT {limit}"


def _select(table: SampledTable, sample: str = "") -> str:
    columns = ", ".join(f"t.{quote(each)}::text" for each in table.columns)
    return f"SELECT t.tableoid::text || t.ctid::text, {columns} FROM {table.source} AS t {sample}"


def _by_key(table: SampledTable, columns: Iterable[str], keys: list[Row]) -> str:
    texts = ", ".join(f"t.{quote(each)}::text" for each in columns)
    # As what they are, so that an index finds them; literals have no type yet.
    names = ", ".join(f"t.{quote(each)}" for each in columns)
    values = ", ".join(f"({', '.join(literal(str(part)) for part in key)})" for key in keys)
    assert texts
    return f"{_select(table)} WHERE ({names}) IN ({values})"


def _add(
    production: Connection, chosen: Chosen, queries: Iterable[str], limit: int | None = None
) -> list[Row]:
    added = list[Row]()
    for query in queries:
        if limit is not None and len(chosen.rows) >= limit:
            break
        for place, *row in _asked(production, chosen, query):
            if limit is not None and len(chosen.rows) >= limit:
                break
            if place not in chosen.rows:
                chosen.rows[place] = tuple(row)
                added.append(tuple(row))
    return added


def _asked(production: Connection, chosen: Chosen, query: str) -> list[Any]:
    """Return rows; none where they may not be read, or that takes too long."""
    savepoint = production.begin_nested()
    try:
        found = list(run(production, query))
    except DBAPIError as error:
        savepoint.rollback()
        chosen.note = server_message(error)
        return []
    savepoint.commit()
    return found
