"""Exporting as csv, against psql's own \\copy: time, and memory of the process that exports."""

from __future__ import annotations

import filecmp
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from .figures import Figure, megabytes, ratio_of_times
from .lab import Database, Lab
from .sample import COLUMN, KEY, TARGET

_TIME_LIMIT = 1.5
_MEMORY_LIMIT_MB = 100.0


@dataclass(frozen=True)
class _Export:
    seconds: float
    memory: int


def measure(lab: Lab, archived: Database, rounds: int) -> Iterator[Figure]:
    """Yield the best time of an export against the best of psql, and the memory it took."""
    query = archived.run(_query)
    with tempfile.TemporaryDirectory() as folder:
        ours_file, bare_file = Path(folder, "ours.csv"), Path(folder, "bare.csv")
        ours, bare = [], []
        for _ in range(rounds):
            bare.append(_psql(lab, archived, query, bare_file))
            ours.append(_export(lab, archived, ours_file))
        if not filecmp.cmp(ours_file, bare_file, shallow=False):
            raise AssertionError("The export differs from that of psql. No time counts.")
        size = ours_file.stat().st_size
    best = min(export.seconds for export in ours)
    yield ratio_of_times("export as csv / psql \\copy", best, min(bare), _TIME_LIMIT)
    memory = max(export.memory for export in ours)
    what = "memory that the export takes / size of the file"
    yield Figure(what, megabytes(memory), megabytes(size), memory / 1e6, _MEMORY_LIMIT_MB, "MB")


def _query(connection: sa.Connection) -> str:
    names = "SELECT parked_schema, parked_table FROM _zanith_migration_artifacts"
    schema, table = connection.exec_driver_sql(names).one()
    return f'SELECT key_1 AS "{KEY}", value AS "{COLUMN}" FROM "{schema}"."{table}"'


def _psql(lab: Lab, database: Database, query: str, output: Path) -> float:
    command = f"\\copy ({query}) TO '{output}' WITH (FORMAT csv, HEADER)"
    arguments = ["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--command", command]
    start = time.perf_counter()
    subprocess.run(
        [lab.server.bin("psql"), *arguments],
        env=lab.server.environment(database.name),
        stdin=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - start


def _export(lab: Lab, database: Database, output: Path) -> _Export:
    """Export in a process of its own, whose memory nothing else has touched."""
    url = lab.server.url(database.name, lab.driver).render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.export_process", TARGET, output],
        input=url,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return _Export(**json.loads(done.stdout))
