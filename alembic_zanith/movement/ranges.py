"""Ranges of keys: which rows come next in a walk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.identifiers import literal
from alembic_zanith.sql import run

from .keys import Key

Place = tuple[str, ...]
"""The key of a row, as texts that read the same in any session."""

# Local to the transaction, which is this statement alone where each is committed by itself.
_PINNED = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
}


@dataclass(frozen=True)
class Range:
    """The rows behind `after` (from the first one on, if None) up to `upto` (to the last one)."""

    after: Place | None
    upto: Place | None
    size: int = 0
    """How many rows there were when it was measured."""

    def conditions(self, key: Key) -> Iterator[str]:
        """Yield the conditions of its rows, to be joined by AND."""
        if self.after is not None:
            yield key.beyond(self.after)
        if self.upto is not None:
            yield key.up_to(self.upto)


def next_range(
    connection: Connection, table: str, key: Key, within: Range, size: int
) -> Range | None:
    """Return the first so many rows of a range, or None where it has no row; `table` is SQL.

    For use where each statement is committed by itself. In a transaction, roll back to a savepoint
    behind it: the settings that keys are printed under last as long as that.
    """
    conditions = " AND ".join(within.conditions(key)) or "true"
    numbered = (
        f"SELECT {key.order}, pg_catalog.row_number() OVER (ORDER BY {key.order}) FROM {table}"
        f" WHERE {conditions} ORDER BY {key.order} LIMIT {size}"
    )
    names = [f"k{number}" for number, _ in enumerate(key.columns, 1)]
    texts = ", ".join(f"CAST(ahead.{name} AS pg_catalog.text)" for name in names)
    settings = ", ".join(
        f"pg_catalog.set_config({literal(name)}, {literal(value)}, true)"
        for name, value in _PINNED.items()
    )
    found: Any = run(
        connection,
        f"WITH pinned AS MATERIALIZED (SELECT {settings})"
        f" SELECT ahead.size, {texts} FROM pinned,"
        f" ({numbered}) AS ahead ({', '.join(names)}, size) ORDER BY ahead.size DESC LIMIT 1",
    ).first()
    if found is None:
        return None
    return Range(within.after, tuple(str(value) for value in found[1:]), int(found[0]))
