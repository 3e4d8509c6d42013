"""Which row it is that an expression fails on, found by halving the blocks of the table.

Unlike `alembic_zanith.movement.failing` it needs no key, and works on rows that nobody moves
meanwhile: those of a table that is locked.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.catalog.relation import Relation, tree
from alembic_zanith.catalog.unique_keys import unique_keys
from alembic_zanith.failures import sqlstate
from alembic_zanith.identifiers import QualifiedName, display_name, literal, quote
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.sql import one, run, scalar

SECONDS = 10.0
"""Longest time to look for a row, and longest time of one try."""

LONGEST = 60
"""How many characters of a value are shown."""

Attempt = Callable[[QualifiedName, str], str]
"""Returns the statement that fails, for the rows of one table that a condition says."""


def failing_row(
    connection: Connection,
    relation: Relation,
    attempts: Sequence[Attempt],
    state: str,
    names: Sequence[str],
) -> str:
    """Return the first row that fails with an SQLSTATE, as `id = 7, name = Ann`, or nothing.

    Each attempt is tried on a whole table first; the first one that fails there is used. `names`
    are columns to show beside the key. Whatever the attempts do is undone.
    """
    search = _Search(connection, state)
    with pinned_settings(connection):
        leaves = [member.name for member in tree(connection, relation) if member.kind == "r"]
        keys = [key.columns for key in unique_keys(connection, relation) if key.is_not_null]
    shown = list(dict.fromkeys((*(keys[0] if keys else ()), *names)))
    savepoint = connection.begin_nested()
    try:
        run(connection, f"SET LOCAL statement_timeout = {int(SECONDS * 1000)}")
        for attempt in attempts:
            for leaf in leaves:
                if (found := search.row_in(leaf, attempt)) is not None:
                    return _shown(connection, leaf, found, shown)
    except (DBAPIError, TimeoutError):
        return ""
    finally:
        if not connection.invalidated:
            savepoint.rollback()
    return ""


class _Search:
    def __init__(self, connection: Connection, state: str) -> None:
        self._connection = connection
        self._state = state
        self._deadline = time.monotonic() + SECONDS

    def row_in(self, leaf: QualifiedName, attempt: Attempt) -> str | None:
        """Return the condition of the first row of a table that an attempt fails on."""
        first, last = 0, self._blocks(leaf)
        if not self._fails(attempt(leaf, "true")):
            return None
        while last - first > 1:
            middle = (first + last) // 2
            if self._fails(attempt(leaf, _blocks(first, middle))):
                last = middle
            else:
                first = middle
        rows = f"SELECT CAST(ctid AS text) FROM ONLY {leaf} WHERE {_blocks(first, last)}"
        for (place,) in run(self._connection, f"{rows} ORDER BY ctid").all():
            row = f"ctid = CAST({literal(place)} AS pg_catalog.tid)"
            if self._fails(attempt(leaf, row)):
                return row
        return None

    def _blocks(self, leaf: QualifiedName) -> int:
        size = "pg_catalog.pg_relation_size(CAST(:leaf AS regclass))"
        block = "CAST(pg_catalog.current_setting('block_size') AS bigint)"
        return int(scalar(self._connection, f"SELECT {size} / {block}", leaf=str(leaf)))

    def _fails(self, statement: str) -> bool:
        if time.monotonic() > self._deadline:
            raise TimeoutError
        savepoint = self._connection.begin_nested()
        try:
            run(self._connection, statement)
        except DBAPIError as error:
            if sqlstate(error) == self._state:
                return True
            raise
        finally:
            if not self._connection.invalidated:
                savepoint.rollback()
        return False


def _blocks(first: int, last: int) -> str:
    """Return the condition of the rows in some blocks, which are looked up, not searched.

    https://www.postgresql.org/docs/current/release-14.html
    """
    return (
        f"ctid >= CAST('({first},0)' AS pg_catalog.tid)"
        f" AND ctid < CAST('({last},0)' AS pg_catalog.tid)"
    )


def _shown(connection: Connection, leaf: QualifiedName, row: str, names: Sequence[str]) -> str:
    return "; ".join(sample_rows(connection, f"ONLY {leaf}", row, names, limit=1))


def sample_rows(
    connection: Connection, source: str, condition: str, names: Sequence[str], limit: int
) -> Iterator[str]:
    """Yield a few rows as a person reads them; `source` and `condition` are SQL."""
    columns = ", ".join(f"CAST({quote(name)} AS pg_catalog.text)" for name in names)
    query = f"SELECT {columns} FROM {source} WHERE {condition} LIMIT {limit}"
    for values in run(connection, query).all():
        pairs = zip(names, values, strict=True)
        yield ", ".join(f"{display_name(name)} = {_value(value)}" for name, value in pairs)


def _value(text: str | None) -> str:
    if text is None:
        return "NULL"
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}…"
    return text if re.fullmatch(r"[\w.:+-]+", text) else literal(text)


def key_and(connection: Connection, relation: Relation, names: Sequence[str]) -> list[str]:
    """Return the columns of the key, if there is one, then the named ones."""
    keys = [key.columns for key in unique_keys(connection, relation) if key.is_not_null]
    return list(dict.fromkeys((*(keys[0] if keys else ()), *names)))


def count(connection: Connection, relation: Relation, condition: str) -> int:
    """Return how many rows a condition is true of."""
    alias = quote(relation.name.name)
    query = f"SELECT pg_catalog.count(*) FROM {relation.name} AS {alias} WHERE {condition}"
    return int(one(connection, query)[0])
