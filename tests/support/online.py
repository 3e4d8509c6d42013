"""Columns that come back in batches while others read and write."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from alembic_zanith.online import restore_column_online
from alembic_zanith.recovery.report import RestoreReport
from tests.support.database import Database


def online(
    database: Database, target: str, driver: str | None = None, role: str | None = None, **how: Any
) -> RestoreReport:
    """Bring a column back in batches, on a connection of its own."""
    with database.engine(driver).connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        if role is not None:
            connection.exec_driver_sql(f'SET ROLE "{role}"')
        return restore_column_online(connection, target, **how)


def content(database: Database) -> str:
    """A dump whose rows are sorted: an UPDATE gives them other places, a rewrite does not."""
    lines, rows = list[str](), list[str]()
    in_copy = False
    for line in database.dump().splitlines():
        if in_copy and line == "\\.":
            lines += [*sorted(rows), line]
            in_copy = False
        elif in_copy:
            rows.append(line)
        else:
            lines.append(line)
            if line.startswith("COPY "):
                in_copy, rows = True, []
    return "\n".join(lines)


def leftovers(database: Database) -> list[tuple[Any, ...]]:
    """What an online restore could leave behind: columns, constraints, indexes, sequences, rows."""
    return database.rows(
        """
        SELECT 'column', attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE attname LIKE '\\_zanith\\_%' AND NOT attisdropped
         UNION ALL SELECT 'constraint', conname::text FROM pg_constraint
         WHERE conname LIKE '\\_zanith\\_not%'
         UNION ALL SELECT 'index', indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid
         UNION ALL SELECT 'sequence', relname::text FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE relkind = 'S' AND relname LIKE '\\_zanith\\_%' AND nspname = 'public'
           AND relname NOT LIKE '\\_zanith\\_migration%' AND relname NOT LIKE '\\_zanith\\_schema%'
         UNION ALL SELECT 'checkpoint', id FROM _zanith_migration_checkpoints
         WHERE operation = 'restore_column'
        """
    )


@dataclass
class Steady:
    """What those who read and write have seen."""

    done: int = 0
    longest: float = 0.0
    failures: list[BaseException] = field(default_factory=list)


@contextlib.contextmanager
def steady(database: Database, *statements: str, patience: str = "100ms") -> Iterator[Steady]:
    """Read and write all the while, and wait for no lock longer than `patience`."""
    stop, seen = threading.Event(), Steady()

    def work() -> None:
        url = database.url().set(drivername="postgresql")
        options = f"-c lock_timeout={patience}"
        conninfo = url.render_as_string(hide_password=False)
        with psycopg.connect(conninfo, autocommit=True, options=options) as other:
            while not stop.is_set():
                for statement in statements:
                    began = time.monotonic()
                    try:
                        other.execute(statement.encode())
                    except BaseException as error:
                        seen.failures.append(error)
                    seen.longest = max(seen.longest, time.monotonic() - began)
                    seen.done += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
    assert not seen.failures, seen.failures


_PROGRAM = """
import sys
import sqlalchemy as sa
from alembic_zanith.online import restore_column_online
engine = sa.create_engine(sys.argv[1], poolclass=sa.NullPool)
with engine.connect() as connection:
    connection = connection.execution_options(isolation_level="AUTOCOMMIT")
    restore_column_online(connection, sys.argv[2], batch_size=int(sys.argv[3]),
                          fill=sys.argv[4] or None)
"""


def start(
    database: Database, target: str, batch_size: int, fill: str = ""
) -> subprocess.Popen[bytes]:
    """Begin to bring a column back in a process that can be killed."""
    url = database.url().render_as_string(hide_password=False)
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, url, target, str(batch_size), fill],
        cwd=Path(__file__).resolve().parent.parent.parent,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def has_begun(database: Database) -> bool:
    """Whether there is a checkpoint."""
    if database.scalar("SELECT to_regclass('_zanith_migration_checkpoints')") is None:
        return False
    return bool(database.rows("SELECT 1 FROM _zanith_migration_checkpoints"))
