"""Databases to measure in: each contender starts from its own copy of the same one."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from devtools.postgres import LocalPostgres

Work = Callable[[sa.Connection], Any]


@dataclass(frozen=True)
class Database:
    """One database of the server; `engine` makes a new connection each time."""

    name: str
    engine: sa.Engine

    def run(self, work: Work) -> Any:
        """Do work in one transaction and commit it."""
        with self.engine.begin() as connection:
            return work(connection)

    def seconds(self, work: Work) -> float:
        """Return how long work takes in one transaction, its COMMIT included.

        The connection is there before the clock starts. The checkpoint keeps what others have
        written from being charged to this work.
        """
        with self.engine.connect() as connection:
            connection.exec_driver_sql("CHECKPOINT")
            connection.commit()
            start = time.perf_counter()
            with connection.begin():
                work(connection)
            return time.perf_counter() - start


@dataclass(frozen=True)
class Lab:
    """Makes databases on a server and drops them when they are no longer needed."""

    server: LocalPostgres
    driver: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextmanager
    def database(self, template: Database | None = None) -> Iterator[Database]:
        """Yield a new database, empty or with all that `template` holds."""
        name = f"zanith_bench_{os.getpid()}_{next(self._numbers)}"
        self._administer(f"CREATE DATABASE {name}{self._copied_from(template)}")
        engine = sa.create_engine(self.server.url(name, self.driver), poolclass=sa.NullPool)
        try:
            yield Database(name, engine)
        finally:
            self._administer(f"DROP DATABASE {name}")

    def _copied_from(self, template: Database | None) -> str:
        if template is None:
            return ""
        # Before 15 copying files was the only way, and had no name.
        # https://www.postgresql.org/docs/current/sql-createdatabase.html
        strategy = " STRATEGY file_copy" if self.server.major >= 15 else ""
        return f" TEMPLATE {template.name}{strategy}"

    def _administer(self, statement: str) -> None:
        url = self.server.url("postgres", self.driver)
        engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
