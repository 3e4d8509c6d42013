"""How fast a backfill goes, and what it says meanwhile: progress, pauses, standbys, lock queues."""

from __future__ import annotations

import importlib
import io
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console

from alembic_zanith.movement.progress import Lines, shown
from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project
from tests.support.terminal import run_on_terminal

# It ships no type information.
psycopg2: Any = importlib.import_module("psycopg2")
extras: Any = importlib.import_module("psycopg2.extras")

TABLE = """
CREATE TABLE t (id integer PRIMARY KEY, v integer);
INSERT INTO t SELECT n FROM generate_series(1, 600) AS n; ANALYZE t
"""
FILL = (
    "with op.get_context().autocommit_block():\n"
    "    op.backfill('t', set={{'v': 'id'}}, where='v IS NULL', batch_size=100, pause={pause})"
)


@pytest.fixture
def table(project: Project) -> Project:
    """A project on a database with six hundred rows."""
    project.database.execute(TABLE)
    return project


# -- progress ----------------------------------------------------------------------------


def test_a_line_is_written_when_an_interval_has_passed(caplog: pytest.LogCaptureFixture) -> None:
    times = iter([100.0, 104.0, 110.0, 119.0, 125.0, 140.0])
    lines = Lines("backfill of public.t", 1000, 200, 10.0, clock=lambda: next(times))
    with caplog.at_level("INFO", "alembic.zanith"):
        for rows in (300, 400, 500, 700, 1100):
            lines.moved(rows)
    assert [record.getMessage() for record in caplog.records] == [
        "backfill of public.t: 400 of about 1,000 rows (40 %), 20 rows/s, 30 s left",
        "backfill of public.t: 700 of about 1,000 rows (70 %), 20 rows/s, 15 s left",
        "backfill of public.t: 1,100 rows, 22 rows/s",
    ]


def test_off_a_terminal_there_are_lines_and_on_one_a_bar() -> None:
    with shown("x", 10, console=Console(file=io.StringIO())) as progress:
        assert isinstance(progress, Lines)
    written = io.StringIO()
    terminal = Console(file=written, force_terminal=True, width=100, color_system=None)
    with shown("backfill of t", 1000, 250, console=terminal) as progress:
        time.sleep(0.05)
        progress.moved(500)
        time.sleep(0.3)
    assert re.search(r"backfill of t .*500/1000 rows, [\d,]+/s", written.getvalue())


def test_on_a_terminal_the_bar_tells_rate_and_time_left(table: Project) -> None:
    table.revision(FILL.format(pause=0.3))
    done = run_on_terminal(table.root, "upgrade", "head").succeeded()
    assert re.search(r"backfill of public\.t .*\d+/600 rows, \d+/s +\d:\d\d:\d\d", done.stdout)


# -- pauses ------------------------------------------------------------------------------


def test_it_pauses_between_batches_and_not_in_one(table: Project) -> None:
    table.revision(FILL.format(pause=0.2))
    start = time.monotonic()
    table.upgrade()
    assert time.monotonic() - start > 6 * 0.2
    assert table.database.scalar("SELECT count(v) FROM t") == 600


def test_on_asyncpg_the_event_loop_goes_on_while_it_pauses(make_project: MakeProject) -> None:
    """The pause is one of asyncio there; see `alembic_zanith.locking.connections.pause`."""
    project = make_project("async")
    project.database.execute(TABLE)
    project.edit_env(
        r"^def run_migrations_online\(\)",
        "async def ticking():\n"
        "    import pathlib\n"
        "    while True:\n"
        "        with open('ticks', 'a') as file:\n"
        "            file.write('x')\n"
        "        await asyncio.sleep(0.05)\n\n\n"
        r"\g<0>",
    )
    project.edit_env(
        r"^    connectable = async_engine_from_config\(",
        r"    ticks = asyncio.create_task(ticking())\n\g<0>",
    )
    project.revision(FILL.format(pause=0.3))
    project.upgrade()
    assert len((project.root / "ticks").read_text()) > 15


# -- lock queues -------------------------------------------------------------------------


@contextmanager
def somebody_waiting(database: Database, seconds: float) -> Iterator[None]:
    """For some seconds a reader keeps the ALTER TABLE of another session waiting."""
    queued = threading.Event()

    def read() -> None:
        with database.engine().begin() as connection:
            connection.exec_driver_sql("SELECT FROM t LIMIT 1")
            queued.set()
            time.sleep(seconds)

    def alter() -> None:
        queued.wait()
        database.execute("ALTER TABLE t ADD COLUMN later integer")

    threads = [threading.Thread(target=work) for work in (read, alter)]
    for thread in threads:
        thread.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while not database.scalar(waiting):
        time.sleep(0.02)
    yield
    for thread in threads:
        thread.join()


def test_it_lets_those_go_first_who_wait_for_the_table(table: Project) -> None:
    table.settings(yield_to_locks="on", lock_timeout="none")
    table.revision(FILL.format(pause=0.4))
    result = list[str]()
    upgrade = threading.Thread(
        target=lambda: result.append(table.alembic_subprocess("upgrade", "head").output)
    )
    upgrade.start()
    while table.database.scalar("SELECT count(v) FROM t") == 0:
        time.sleep(0.02)
    with somebody_waiting(table.database, 1.5):
        pass
    upgrade.join()
    assert re.search(r"Waiting with the next batch: session \d+ waits for a lock", result[0])
    assert table.database.scalar("SELECT count(v) FROM t") == 600


# -- standbys ----------------------------------------------------------------------------


@contextmanager
def standby_behind(database: Database, seconds: float) -> Iterator[None]:
    """A standby that says of all that it gets that it is applied, some seconds late."""
    url = database.url("psycopg2").set(drivername="postgresql")
    connection = psycopg2.connect(
        url.render_as_string(hide_password=False),
        connection_factory=extras.PhysicalReplicationConnection,
        application_name="slow_standby",
    )
    cursor = connection.cursor()
    start = database.scalar("SELECT pg_current_wal_lsn()::text")
    cursor.execute(f"START_REPLICATION PHYSICAL {start}")
    stop = threading.Event()
    # What came when, to be said of later.
    arrived = list[tuple[float, int]]()

    def replicate() -> None:
        while not stop.is_set():
            message = cursor.read_message()
            now = time.monotonic()
            if message is not None:
                arrived.append((now, message.data_start + len(message.payload)))
            due = [place for at, place in arrived if now - at >= seconds]
            if due:
                place = max(due)
                cursor.send_feedback(write_lsn=place, flush_lsn=place, apply_lsn=place, force=True)
                arrived[:] = [each for each in arrived if each[1] > place]
            time.sleep(0.02)

    thread = threading.Thread(target=replicate)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        connection.close()


@pytest.mark.parametrize("limit", ["300ms", "none"])
def test_it_waits_for_standbys_that_are_too_far_behind(table: Project, limit: str) -> None:
    table.settings(max_replication_lag=limit)
    table.revision(FILL.format(pause=0.5))
    with standby_behind(table.database, 1.0):
        said = table.upgrade().output
    waited = re.search(
        r"Waiting with the next batch: standby 'slow_standby' is [\d.]+ s behind"
        r" \(max_replication_lag 0\.3 s\)",
        said,
    )
    assert (waited is not None) == (limit == "300ms")
    assert table.database.scalar("SELECT count(v) FROM t") == 600
