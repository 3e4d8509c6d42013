"""How long others wait for a table while it is worked on without a long lock.

A reader asks for a row of it all the time, and the server says how long it waited for its lock:
https://www.postgresql.org/docs/current/runtime-config-logging.html#GUC-LOG-LOCK-WAITS
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

import alembic_zanith  # noqa: F401 -- puts the operations there
from alembic_zanith.artifacts import ArtifactStore
from alembic_zanith.online import restore_column_online

from .figures import Figure, duration
from .lab import Database, Lab
from .sample import COLUMN, KEY, TABLE, TARGET

_LIMIT = 100.0
_SWAP_LIMIT = 250.0
_BETWEEN_TWO_READS = 0.0005
_WAITED = re.compile(r"acquired AccessShareLock on relation \d+ .*? after (\d+\.\d+) ms")
_COLUMNS = (COLUMN, "balance", "email", KEY, "created_at")


@dataclass
class Seen:
    """What a reader saw: how often it read, and its waits for the lock, in milliseconds."""

    reads: int = 0
    waits: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float:
        return max(self.waits, default=0.0)


def measure(lab: Lab, base: Database, rounds: int) -> Iterator[Figure]:
    """Yield the longest wait of a reader during each operation; the best of the rounds counts.

    The same of the operation under one lock is what it is compared with, where there is one.
    """
    found: dict[str, list[tuple[Seen, float]]] = {}
    for _ in range(rounds):
        with lab.database(base) as copy:
            _note(found, "archive_column", lab, copy, _in_one_transaction(_archive))
        with lab.database(base) as copy:
            _note(found, "archive_column online", lab, copy, _in_steps(_archive_online))
            with lab.database(copy) as archived:
                _note(found, "restore-column", lab, archived, _in_one_transaction(_restore))
            _note(found, "restore-column --online", lab, copy, _in_steps(_restore_online))
        with lab.database(base) as copy:
            _note(found, "rebuild_table in steps", lab, copy, _in_steps(_rebuild))
    compared = {
        "archive_column online": "archive_column",
        "restore-column --online": "restore-column",
        "rebuild_table in steps": None,
    }
    for name, other in compared.items():
        best, seconds = min(found[name], key=lambda each: each[0].longest)
        ours = f"{best.longest:.0f} ms of {duration(seconds)}"
        bare = "-"
        if other is not None:
            under_lock, took = min(found[other], key=lambda each: each[0].longest)
            bare = f"{under_lock.longest / 1000:.2f} s of {duration(took)}"
        what = f"longest wait of a reader: {name} ({best.reads:,} reads)"
        limit = _LIMIT if other is not None else _SWAP_LIMIT
        yield Figure(what, ours, bare, best.longest, limit, "ms")


def _note(
    found: dict[str, list[tuple[Seen, float]]],
    name: str,
    lab: Lab,
    database: Database,
    work: Callable[[Database], None],
) -> None:
    with _reading(lab, database) as seen:
        start = time.perf_counter()
        work(database)
        seconds = time.perf_counter() - start
    found.setdefault(name, []).append((seen, seconds))


@contextmanager
def _reading(lab: Lab, database: Database) -> Iterator[Seen]:
    log_file = lab.server.log_file
    assert log_file is not None, "the server was started for the benchmark"
    begins_at = log_file.stat().st_size
    seen, stop = Seen(), threading.Event()
    reader = threading.Thread(target=_read, args=(database, seen, stop))
    reader.start()
    try:
        yield seen
    finally:
        stop.set()
        reader.join()
    with log_file.open("rb") as log:
        log.seek(begins_at)
        text = log.read().decode(errors="replace")
    seen.waits = [float(milliseconds) for milliseconds in _WAITED.findall(text)]


def _read(database: Database, seen: Seen, stop: threading.Event) -> None:
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("SET log_lock_waits = on")
        connection.exec_driver_sql("SET deadlock_timeout = '1ms'")
        while not stop.is_set():
            connection.exec_driver_sql(f"SELECT FROM {TABLE} WHERE {KEY} = 1")
            seen.reads += 1
            time.sleep(_BETWEEN_TWO_READS)


def _in_one_transaction(work: Callable[[sa.Connection], None]) -> Callable[[Database], None]:
    return lambda database: database.run(work)


def _in_steps(work: Callable[[sa.Connection], None]) -> Callable[[Database], None]:
    def run(database: Database) -> None:
        engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            work(connection)

    return run


def _operations(connection: sa.Connection) -> Any:
    return Operations(MigrationContext.configure(connection))


def _archive(connection: sa.Connection) -> None:
    _operations(connection).archive_column(TABLE, COLUMN)


def _archive_online(connection: sa.Connection) -> None:
    _operations(connection).archive_column(TABLE, COLUMN, online=True)


def _restore(connection: sa.Connection) -> None:
    _operations(connection).restore_column(TABLE, COLUMN)


def _restore_online(connection: sa.Connection) -> None:
    artifact = ArtifactStore(connection).resolve(TARGET)
    restore_column_online(connection, TARGET)
    _require_values_of(connection, artifact.parked)


def _require_values_of(connection: sa.Connection, archive: str) -> None:
    wrong = connection.exec_driver_sql(
        f"SELECT count(*) FROM {TABLE} AS t LEFT JOIN {archive} AS a ON a.key_1 = t.{KEY}"
        f" WHERE t.{COLUMN} IS DISTINCT FROM a.value OR a.key_1 IS NULL"
    ).scalar_one()
    if wrong:
        raise AssertionError(f"{wrong} rows have another value than before. Nothing counts.")


def _rebuild(connection: sa.Connection) -> None:
    _operations(connection).rebuild_table(TABLE, columns=list(_COLUMNS))
