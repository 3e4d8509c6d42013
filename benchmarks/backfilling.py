"""A backfill in batches against one bare UPDATE, its longest batch, and what memory it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

import alembic_zanith  # noqa: F401 -- puts op.backfill there

from .figures import Figure, duration, megabytes, ratio_of_times
from .lab import Database, Lab
from .sample import KEY, TABLE

_LIMIT = 1.3
_BATCH_LIMIT = 2000.0
_GROWTH_LIMIT = 20.0
_VALUE = "lower(email)"
_ADDED = "ALTER TABLE {} ADD COLUMN code text"


@dataclass
class Watched:
    """What was seen of one backfill: seconds of each batch, and memory in between."""

    seconds: float = 0.0
    batches: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    @property
    def growth(self) -> int:
        """Bytes that the process grew by after its first ten batches."""
        settled = self.memory[min(10, len(self.memory) - 1)]
        return max(self.memory[-1] - settled, 0)


def measure(lab: Lab, base: Database, rounds: int) -> Iterator[Figure]:
    """Yield the best time of each form against the best bare UPDATE, the longest batch, memory."""
    bare = list[float]()
    forms: dict[str, dict[str, Any]] = {
        "backfill where the column IS NULL": {"where": "code IS NULL"},
        "backfill with a marker": {},
    }
    ours: dict[str, list[Watched]] = {form: [] for form in forms}
    for _ in range(rounds):
        with lab.database(base) as copy:
            copy.run(_add_column)
            bare.append(copy.seconds(_bare_update))
        for form, arguments in forms.items():
            with lab.database(base) as copy:
                copy.run(_add_column)
                ours[form].append(_backfill(copy, arguments))
    for form, found in ours.items():
        best = min(each.seconds for each in found)
        yield ratio_of_times(f"{form} / one UPDATE", best, min(bare), _LIMIT)
    longest = max(max(each.batches) for found in ours.values() for each in found)
    yield Figure(
        "longest time that a row of it is locked",
        duration(longest),
        duration(min(bare)),
        longest * 1000,
        _BATCH_LIMIT,
        "ms",
    )
    growth = max(each.growth for found in ours.values() for each in found)
    yield Figure(
        "memory that grows while it runs", megabytes(growth), "-", growth / 1e6, _GROWTH_LIMIT, "MB"
    )


def _add_column(connection: sa.Connection) -> None:
    connection.exec_driver_sql(_ADDED.format(TABLE))


def _bare_update(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"UPDATE {TABLE} SET code = {_VALUE}")


def _backfill(database: Database, arguments: dict[str, Any]) -> Watched:
    watched = Watched()
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CHECKPOINT")
        began = 0.0

        def before(*_: Any) -> None:
            nonlocal began
            began = time.perf_counter()

        def after(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "_zanith_work" in statement:
                watched.batches.append(time.perf_counter() - began)
                watched.memory.append(_resident())

        sa.event.listen(connection, "before_cursor_execute", before)
        sa.event.listen(connection, "after_cursor_execute", after)
        op: Any = Operations(MigrationContext.configure(connection))
        start = time.perf_counter()
        op.backfill(TABLE, set={"code": _VALUE}, key=KEY, **arguments)
        watched.seconds = time.perf_counter() - start
        wrong = f"SELECT count(*) FROM {TABLE} WHERE code IS DISTINCT FROM {_VALUE}"
        if connection.exec_driver_sql(wrong).scalar_one():
            raise AssertionError("Rows were left out. No time counts.")
    return watched


def _resident() -> int:
    """Return the bytes of memory that this process has now; Linux tells."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
