"""Soft drops rename, so the number of rows must not matter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from alembic_zanith.recovery import soft_drop_column, soft_drop_table

from .figures import Figure, duration
from .lab import Database, Lab
from .sample import COLUMN, TABLE, fill

SMALL = 1_000
_LIMIT_MS = 100.0

Operation = Callable[[sa.Connection], Any]


def measure(lab: Lab, base: Database, rounds: int) -> Iterator[Figure]:
    """Yield one figure for each soft drop: the time on `base` less that on 1,000 rows."""
    operations: dict[str, Operation] = {
        "soft_drop_column": lambda connection: soft_drop_column(connection, TABLE, COLUMN),
        "soft_drop_table": lambda connection: soft_drop_table(connection, TABLE),
    }
    with lab.database() as small:
        fill(small.engine, SMALL)
        for name, operation in operations.items():
            many, few = _best(base, operation, rounds), _best(small, operation, rounds)
            what = f"{name}: all rows less {SMALL:,} rows"
            difference = (many - few) * 1000
            yield Figure(what, duration(many), duration(few), difference, _LIMIT_MS, "ms")


def _best(database: Database, operation: Operation, rounds: int) -> float:
    """Return the least time of an operation that is rolled back, after one to warm up."""
    times = []
    with database.engine.connect() as connection:
        for _ in range(rounds + 1):
            start = time.perf_counter()
            operation(connection)
            times.append(time.perf_counter() - start)
            connection.rollback()
    return min(times[1:])
