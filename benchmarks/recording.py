"""What history costs: runs that are recorded, snapshots of big schemas, and reading it back."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

from alembic_zanith.artifacts import ArtifactStore
from alembic_zanith.snapshots import differences, take_snapshot

from . import history
from .figures import Figure, duration
from .lab import Database, Lab
from .upgrading import upgrade_seconds

_LIMIT_PERCENT = {"staging": 10.0, "dev": 10.0}
_LIMIT_SNAPSHOT_MS = 2000.0
_LIMIT_LIST_MS = 1000.0
_TABLES = 1000
_RUNS = 10_000


def measure_audit(lab: Lab, rounds: int) -> Iterator[Figure]:
    """Yield what recording adds to an upgrade, in percent of one without the package.

    The contenders take turns, each as a program of its own on a database of its own.
    """
    plain = list[float]()
    times = {(mode, audit): list[float]() for mode in _LIMIT_PERCENT for audit in ("on", "off")}
    for _ in range(rounds):
        plain.append(upgrade_seconds(lab, None))
        for (mode, audit), found in times.items():
            found.append(upgrade_seconds(lab, mode, audit))
    for mode, limit in _LIMIT_PERCENT.items():
        on, off = min(times[mode, "on"]), min(times[mode, "off"])
        what = f"recording of {history.REVISIONS} revisions, mode {mode}, of a plain upgrade"
        percent = 100 * (on - off) / min(plain)
        yield Figure(what, duration(on), duration(off), percent, limit, "%")


def measure_snapshot(lab: Lab, rounds: int) -> Iterator[Figure]:
    """Yield the time of a snapshot of a big schema, and of a comparison of two."""
    with lab.database() as database:
        for n in range(_TABLES):
            database.run(_table(n))
        snapshot = database.run(_take)
        best = min(database.seconds(_take) for _ in range(rounds)) * 1000
        yield Figure(
            f"snapshot of {_TABLES:,} tables", f"{best:.0f} ms", "-", best, _LIMIT_SNAPSHOT_MS, "ms"
        )
        start = time.perf_counter()
        assert differences(snapshot, snapshot) == ()
        elapsed = (time.perf_counter() - start) * 1000
        what = f"differences between two snapshots of {_TABLES:,} tables"
        yield Figure(what, f"{elapsed:.0f} ms", "-", elapsed, _LIMIT_SNAPSHOT_MS, "ms")


def _take(connection: sa.Connection) -> object:
    return take_snapshot(connection, archive_schema="_zanith_archive")


def _table(n: int) -> Callable[[sa.Connection], object]:
    columns = ", ".join(f"c{i} text NOT NULL DEFAULT 'x'" for i in range(8))
    parent = f", p int REFERENCES t{n - 1}" if n else ", p int"
    statement = (
        f"CREATE TABLE t{n} (id int PRIMARY KEY, {columns}{parent}); CREATE INDEX ON t{n} (c1)"
    )
    return lambda connection: connection.exec_driver_sql(statement)


def measure_history(lab: Lab, rounds: int) -> Iterator[Figure]:
    """Yield the time of `alembic zanith-history` less that of `alembic current`."""
    with lab.database() as database, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        history.write(folder, database.engine.url.render_as_string(hide_password=False), 1)
        history.switch_on(folder, True)
        _fill(database)
        ours = min(_seconds(folder, "zanith-history") for _ in range(rounds))
        plain = min(_seconds(folder, "current") for _ in range(rounds))
    what = f"zanith-history of {_RUNS:,} runs less alembic current"
    yield Figure(what, duration(ours), duration(plain), (ours - plain) * 1000, _LIMIT_LIST_MS, "ms")


def _fill(database: Database) -> None:
    def fill(connection: sa.Connection) -> None:
        ArtifactStore(connection).ensure()
        connection.exec_driver_sql(
            "INSERT INTO _zanith_migrations (run_id, revision, direction, outcome, started_at)"
            " SELECT n::text, 'r' || n, 'upgrade', 'succeeded', now() - n * interval '1 hour'"
            f" FROM generate_series({_RUNS}, 1, -1) n"
        )
        connection.exec_driver_sql(
            "INSERT INTO _zanith_migration_steps (migration_id, position, kind, status)"
            " SELECT m.id, p, 'add_column', 'succeeded' FROM _zanith_migrations m,"
            " generate_series(1, 5) p"
        )

    database.run(fill)


def _seconds(folder: Path, *arguments: str) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "alembic", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start
