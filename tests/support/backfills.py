"""Tables that are filled while others write to them, and upgrades that are killed meanwhile."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.support.database import Database
from tests.support.project import Project

KEYS = {
    "integer": ("id integer PRIMARY KEY", "{n}", ("id",)),
    "uuid": ("id uuid PRIMARY KEY", "CAST(md5(CAST({n} AS text)) AS uuid)", ("id",)),
    "text": ("id text PRIMARY KEY", "'ž-' || ({n}) || '''%(x)s:y\\'", ("id",)),
    "timestamp": (
        "id timestamptz PRIMARY KEY",
        "timestamptz '2024-01-01 12:00+02' + {n} * interval '1.000001 s'",
        ("id",),
    ),
    "composite": (
        "id integer, part text, PRIMARY KEY (id, part)",
        "({n}) % 7, 'p' || ({n})",
        ("id", "part"),
    ),
}
"""Each kind of key: its definition, the SQL of the key of number `{n}`, and its columns."""

FORMS = {
    "marker": "set={'filled': 'filled + 1'}",
    "cleared": "set={'value': 'number * 2'}, where='value IS NULL'",
}
"""Backfills that need a marker, and that do not."""


def make_table(database: Database, key: str, rows: int) -> None:
    """Make `t`, whose trigger counts in `touched` how often each row was filled."""
    definition, of, columns = KEYS[key]
    listing = ", ".join(columns)
    database.execute(
        f"""
        CREATE TABLE t ({definition}, number integer NOT NULL, value integer,
                        filled integer NOT NULL DEFAULT 0, touched integer NOT NULL DEFAULT 0,
                        written timestamptz NOT NULL DEFAULT clock_timestamp());
        CREATE FUNCTION count_fill() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.touched := OLD.touched + 1;
            RETURN NEW;
        END $$;
        CREATE TRIGGER count_fill BEFORE UPDATE OF filled, value ON t
            FOR EACH ROW EXECUTE FUNCTION count_fill();
        INSERT INTO t ({listing}, number)
        SELECT {of.format(n="n")}, n FROM generate_series(1, {rows}) AS n;
        ANALYZE t;
        """
    )


def revision(project: Project, form: str, batch_size: int) -> str:
    """Write the revision that fills `t` in batches."""
    return project.revision(
        "with op.get_context().autocommit_block():\n"
        f"    op.backfill('t', {FORMS[form]}, batch_size={batch_size})"
    )


@contextlib.contextmanager
def writers(database: Database, key: str, rows: int, seed: int, count: int = 2) -> Iterator[None]:
    """Insert rows, delete some and change keys of others, at random, for as long as the block."""
    stop = threading.Event()
    failures = list[BaseException]()

    def write(number: int) -> None:
        choose = random.Random(seed * 100 + number)
        url = database.url().set(drivername="postgresql")
        _, of, columns = KEYS[key]
        listing = ", ".join(columns)
        fresh = rows + 1_000_000 * (number + 1)
        with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as other:
            while not stop.is_set():
                victim = choose.randrange(1, rows + 1)
                where = f"({listing}) = ({of.format(n=victim)})"
                fresh += 1
                # Lower, equal and higher keys than there are.
                new = of.format(n=choose.choice([-fresh, fresh, fresh // 7]))
                statement = choose.choice(
                    [
                        f"INSERT INTO t ({listing}, number) SELECT {new}, {fresh}",
                        f"DELETE FROM t WHERE {where}",
                        f"UPDATE t SET ({listing}) = (SELECT {new}) WHERE {where}",
                    ]
                )
                try:
                    with other.transaction():
                        other.execute(statement.encode())
                        time.sleep(choose.random() * 0.02)
                except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
                    pass
                except BaseException as error:
                    failures.append(error)
                    raise

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures


@dataclass
class Killed:
    """An `alembic upgrade head` that may be killed."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, root: Path, **environment: str) -> Killed:
        return cls(
            subprocess.Popen(
                [sys.executable, "-m", "alembic", "upgrade", "head"],
                cwd=root,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
            )
        )

    def kill_after(self, seconds: float) -> bool:
        """Kill it with SIGKILL after some seconds; return False if it had come to its end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.finish(seconds)
            return False
        self.process.kill()
        self.process.communicate()
        return True

    def finish(self, seconds: float = 300) -> str:
        """Wait until it succeeds, and return what it said."""
        said, _ = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, said
        return said


def rows_done(database: Database) -> int | None:
    """Return how many rows the only checkpoint counts, None where there is none yet."""
    if database.scalar("SELECT to_regclass('_zanith_migration_checkpoints')") is None:
        return None
    found = database.rows("SELECT rows_done FROM _zanith_migration_checkpoints")
    return found[0][0] if found else None


def wait_for_walk(database: Database, process: Killed, seconds: float = 60) -> None:
    """Return when a batch has been done since, or the upgrade has ended."""
    before, deadline = rows_done(database), time.monotonic() + seconds
    while process.process.poll() is None and time.monotonic() < deadline:
        now = rows_done(database)
        if now is not None and now > (before or 0):
            return
        time.sleep(0.01)


def wrong_rows(database: Database, form: str) -> list[tuple[object, ...]]:
    """Return rows that were done twice, or not at all, or got another value than they should.

    Those that were written in the last second before the end, or later, may be done or not.
    """
    right = "filled = 1" if form == "marker" else "value = number * 2"
    not_yet = "filled = 0" if form == "marker" else "value IS NULL"
    return database.rows(
        f"""
        SELECT * FROM t, (SELECT updated_at AS ended FROM _zanith_migration_checkpoints) AS c
         WHERE NOT (touched = 1 AND {right})
           AND NOT (touched = 0 AND {not_yet} AND written > ended - interval '1 second')
         LIMIT 5
        """
    )
