"""The rows: copied block by block, and the one found that an expression fails on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.failures import sqlstate
from alembic_zanith.identifiers import QualifiedName, literal
from alembic_zanith.sql import one, rows, run

BLOCKS_AT_ONCE = 8192
"""How many blocks one statement copies: 64 MB, where a block is as large as usual."""

_SECONDS = 30.0
_SHOWN = 400


def blocks_of(connection: Connection, relation: QualifiedName) -> int:
    """Return how many blocks a table has."""
    return int(
        one(
            connection,
            f"SELECT pg_catalog.pg_relation_size({literal(str(relation))}::pg_catalog.regclass)"
            " / CAST(pg_catalog.current_setting('block_size') AS bigint)",
        )[0]
    )


def blocks(first: int, last: int | None) -> str:
    """Return the condition of the rows in blocks from the first up to the last, without that.

    https://www.postgresql.org/docs/14/release-14.html#id-1.11.6.29.5.3.4 (TID range scans)
    """
    condition = f"ctid >= CAST('({first},0)' AS pg_catalog.tid)"
    if last is not None:
        condition += f" AND ctid < CAST('({last},0)' AS pg_catalog.tid)"
    return condition


def pieces(count: int, size: int) -> Iterator[tuple[int, int | None]]:
    """Yield ranges of blocks; the last one has no end.

    >>> list(pieces(5, 2))
    [(0, 2), (2, 4), (4, None)]
    """
    firsts = range(0, max(count, 1), size)
    for first in firsts:
        yield first, first + size if first + size < count else None


Fails = Callable[[str], bool]
"""Whether copying the rows of a condition fails; nothing of it stays."""


def failing_row(
    connection: Connection,
    relation: QualifiedName,
    first: int,
    last: int | None,
    fails: Fails,
) -> str:
    """Return the text of the first row in a range of blocks that copying fails on.

    Empty where it was not found in half a minute, or where rows fail together only.
    """
    deadline = time.monotonic() + _SECONDS
    end = last if last is not None else max(blocks_of(connection, relation), first + 1)
    while end - first > 1:
        if time.monotonic() > deadline:
            return ""
        middle = (first + end) // 2
        if fails(blocks(first, middle)):
            end = middle
        else:
            first = middle
    found = rows(
        connection,
        f"SELECT CAST(ctid AS pg_catalog.text) AS place FROM ONLY {relation}"
        f" WHERE {blocks(first, end)} ORDER BY ctid",
    )
    for row in found:
        which = f"ctid = CAST({literal(row.place)} AS pg_catalog.tid)"
        if fails(which):
            return text_of(connection, relation, which)
    return ""


def text_of(connection: Connection, relation: QualifiedName, which: str) -> str:
    """Return a row as JSON, cut where it is long."""
    text = str(
        one(
            connection,
            f"SELECT CAST(pg_catalog.to_jsonb(t) AS pg_catalog.text) FROM ONLY {relation} AS t"
            f" WHERE {which}",
        )[0]
    )
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def fails_in_savepoint(
    connection: Connection, statement: Callable[[str], str], state: str
) -> Fails:
    """Return the test for a connection in a transaction: by a savepoint that is rolled back."""

    def fails(condition: str) -> bool:
        attempt = connection.begin_nested()
        try:
            run(connection, statement(condition))
        except DBAPIError as error:
            return sqlstate(error) == state
        finally:
            attempt.rollback()
        return False

    return fails
