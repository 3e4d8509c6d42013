"""Both versions of an application, writing at once; what each has written is known."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.support.database import Database

Values = Callable[[random.Random], Any]
"""Makes a value that a version writes."""


@dataclass
class Version:
    """One version of the application: the column that it knows, and what it writes there."""

    column: str
    values: Values
    pair: Callable[[Any], tuple[Any, Any]]
    """What old and new column have after a value was written."""
    is_running: bool = True
    careful: bool = False
    """Whether it writes no NULL and no row that is not its own, as in rows not filled yet."""


@dataclass
class Writers:
    """Threads that write rows of their own, each by any version that is running.

    Those of a thread have its number as the last two digits of their key, so that a row with a
    higher number there is nobody's.
    A write that fails because the version's column is not there is none. Any other error ends the
    thread and the test.
    """

    database: Database
    table: str
    versions: list[Version]
    nullable: bool = True
    rows: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    writes: dict[str, int] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def writing(self, threads: int) -> Iterator[None]:
        """Write as long as the block runs; then all threads are done."""
        mine: list[list[int]] = [[] for _ in range(threads)]
        for key in self.rows:
            if key % 100 < threads:
                mine[key % 100].append(key)
        running = [threading.Thread(target=self._run, args=each) for each in enumerate(mine)]
        for thread in running:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in running:
                thread.join()
            self._stop.clear()
        if self.errors:
            raise self.errors[0]

    def wait_for(self, seconds: float) -> None:
        """Wait until every version that runs has written for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.errors:
            time.sleep(0.02)

    def _run(self, number: int, mine: list[int]) -> None:
        # Seeded, so that a failure comes back.
        chosen = random.Random(number)
        next_key = max(mine, default=number) + 100
        keys = itertools.count(next_key, 100)
        url = self.database.url("psycopg").set(drivername="postgresql")
        try:
            with psycopg.connect(
                url.render_as_string(hide_password=False), autocommit=True
            ) as connection:
                while not self._stop.is_set():
                    running = [each for each in self.versions if each.is_running]
                    self._write(connection, chosen, chosen.choice(running), mine, keys)
        except BaseException as error:
            self.errors.append(error)

    def _write(
        self,
        connection: psycopg.Connection[Any],
        chosen: random.Random,
        version: Version,
        mine: list[int],
        keys: Iterator[int],
    ) -> None:
        what = chosen.choice(("insert", "update", "update", "delete", "null"))
        if not mine or (version.careful and what == "null"):
            what = "insert"
        value = None if what == "null" and self.nullable else version.values(chosen)
        place = chosen.randrange(len(mine)) if mine else 0
        key = next(keys) if what == "insert" else mine[place]
        statement = {
            "insert": f"INSERT INTO {self.table} ({version.column}, id) VALUES (%s, %s)",
            "delete": f"DELETE FROM {self.table} WHERE id = %s",
        }.get(what, f"UPDATE {self.table} SET {version.column} = %s WHERE id = %s")
        try:
            connection.execute(
                statement.encode(), (key,) if what == "delete" else (value, key), prepare=False
            )
        except psycopg.errors.UndefinedColumn:
            return
        if what == "delete":  # which names no column
            mine[place] = mine[-1]
            mine.pop()
            del self.rows[key]
            return
        if what == "insert":
            mine.append(key)
        self.rows[key] = version.pair(value)
        self.writes[version.column] = self.writes.get(version.column, 0) + 1
