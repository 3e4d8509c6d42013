"""Which row it is that a piece of work fails on, found by halving."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.failures import sqlstate
from alembic_zanith.identifiers import literal
from alembic_zanith.sql import run

from .keys import Key
from .ranges import Place, Range, next_range

SECONDS = 30.0
"""Longest time to look for a row; it goes on until the last try is done."""

_EVERYTHING = 2**31 - 1
_UNDONE = "ZN001"

Fails = Callable[[str], bool]
"""Whether the work fails on the rows of a condition, for the same reason. Leaves nothing behind."""


def failing_row(
    connection: Connection,
    table: str,
    key: Key,
    failed: Range,
    fails: Fails,
    seconds: float = SECONDS,
) -> Place | None:
    """Return the key of the first row that work fails on; None where it could not be found.

    It is not found where the rows fail together only, or no more, or where that takes too long.
    """
    deadline = time.monotonic() + seconds
    found = next_range(connection, table, key, failed, failed.size or _EVERYTHING)
    while found is not None and found.size > 1:
        if time.monotonic() > deadline:
            return None
        half = next_range(connection, table, key, found, found.size // 2)
        if half is None:
            return None
        if fails(_conditions(key, half)):
            found = half
        else:
            found = Range(half.upto, found.upto, found.size - half.size)
    if found is None or not fails(_conditions(key, found)):
        return None
    return found.upto


def _conditions(key: Key, rows: Range) -> str:
    return " AND ".join(rows.conditions(key))


def fails_when_done(connection: Connection, statement: str, state: str) -> bool:
    """Whether a statement fails with an SQLSTATE; what it does is undone in any case.

    For connections on which each statement commits by itself: it is one, that fails in the end.
    """
    body = f"BEGIN EXECUTE {literal(statement)}; RAISE EXCEPTION USING ERRCODE = '{_UNDONE}'; END"
    try:
        run(connection, f"DO {literal(body)}")
    except DBAPIError as error:
        return sqlstate(error) == state
    return False
