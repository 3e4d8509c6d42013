"""A throw-away PostgreSQL server for tests, demo and benchmarks, as root and as any user.

    with LocalPostgres.start() as server:
        engine = create_engine(server.url("postgres"))

TEST_POSTGRES_URL names a server that runs already and is used instead; TEST_POSTGRES_BIN a
folder with the programs to start one from. POSIX only.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from devtools.binaries import Installation, find_client, find_server, open_to_all, reachable
from devtools.server_process import Account, PostgresFailed, ServerProcess

_ROOM = 6 * 2**30
"""Bytes that must be free in memory for a server to have its data there: the tests run two or more,
and the largest of their databases has a gigabyte."""

_SMALL_WAL = {"max_wal_size": "256MB"}


@dataclass
class LocalPostgres:
    """A running server, made by `LocalPostgres.start()`.

    For a server named by TEST_POSTGRES_URL, `bin_dir` and `socket_dir` are None and `stop()`
    does nothing.
    """

    major: int
    host: str
    port: int
    base_url: sa.URL
    bin_dir: Path | None = None
    socket_dir: Path | None = None
    log_file: Path | None = None
    _stop: Callable[[], None] | None = field(default=None, repr=False)

    @classmethod
    def start(
        cls,
        major: int | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        in_memory: bool = False,
    ) -> LocalPostgres:
        """Start a server and wait until it takes connections.

        `major` asks for another PostgreSQL than the default one, `settings` are parameters of
        the server beside those for speed. With `in_memory` its data are in memory where there is
        room for that: a database is then created in a tenth of the time, or less.

        Raises PostgresNotFound, PostgresFailed.
        """
        if os.environ.get("TEST_POSTGRES_URL"):
            return cls._attach(sa.make_url(os.environ["TEST_POSTGRES_URL"]), major)
        root = _memory_root() if in_memory else None
        wanted = dict(settings or {}) if root is None else _SMALL_WAL | dict(settings or {})
        return cls._launch(find_server(major), wanted, root or _temp_root())

    def url(self, dbname: str, driver: str = "psycopg") -> sa.URL:
        """Return the SQLAlchemy URL of a database, for psycopg, psycopg2 or asyncpg."""
        return self.base_url.set(drivername=f"postgresql+{driver}", database=dbname)

    def bin(self, name: str) -> Path:
        """Return a client program such as pg_dump or psql; see `devtools.binaries.find_client`."""
        return find_client(name)

    def environment(self, dbname: str) -> dict[str, str]:
        """Return an environment in which psql and pg_dump connect to a database of this server."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        inherited |= {"PGHOST": self.host, "PGPORT": str(self.port), "PGDATABASE": dbname}
        if self.base_url.username is not None:
            inherited["PGUSER"] = self.base_url.username
        if self.base_url.password is not None:
            inherited["PGPASSWORD"] = str(self.base_url.password)
        return inherited

    def stop(self) -> None:
        """Stop the server and delete all that it wrote. Stopping twice is no error."""
        stop, self._stop = self._stop, None
        if stop is not None:
            atexit.unregister(self.stop)
            stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @classmethod
    def _attach(cls, url: sa.URL, wanted_major: int | None) -> LocalPostgres:
        engine = sa.create_engine(url.set(drivername="postgresql+psycopg"))
        with engine.connect() as connection:
            number = connection.exec_driver_sql("SHOW server_version_num").scalar_one()
        engine.dispose()
        major = int(number) // 10000
        if wanted_major not in (None, major):
            raise PostgresFailed(
                f"PostgreSQL {wanted_major} was asked for, but TEST_POSTGRES_URL names a "
                f"PostgreSQL {major}. Unset one of the two."
            )
        return cls(major=major, host=url.host or "localhost", port=url.port or 5432, base_url=url)

    @classmethod
    def _launch(
        cls, installation: Installation, settings: Mapping[str, str], root: Path
    ) -> LocalPostgres:
        account = Account.for_server()
        runnable = reachable(installation, account.uid, _temp_root())
        process = ServerProcess.start(runnable.bin_dir, account, root, settings)
        server = cls(
            major=runnable.major,
            host="127.0.0.1",
            port=process.port,
            base_url=sa.URL.create(
                "postgresql+psycopg", username="postgres", host="127.0.0.1", port=process.port
            ),
            bin_dir=runnable.bin_dir,
            socket_dir=process.folder,
            log_file=process.log_file,
            _stop=process.stop,
        )
        atexit.register(server.stop)
        return server


def _temp_root() -> Path:
    """Return a folder for temporary files that the server's user can enter.

    The path of a unix socket has room for about a hundred bytes, so long ones are passed over.
    """
    candidates = [Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")]
    for candidate in candidates:
        fits = len(os.fsencode(candidate)) < 55
        if fits and candidate.is_dir() and (os.getuid() != 0 or open_to_all(candidate)):
            return candidate
    return candidates[0]


def _memory_root() -> Path | None:
    """Return Linux's folder in memory, or None without one that has room for several servers."""
    shared = Path("/dev/shm")
    if not (shared.is_dir() and os.access(shared, os.W_OK) and open_to_all(shared)):
        return None
    available = re.search(r"^MemAvailable: *(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
    free = min(shutil.disk_usage(shared).free, int(available[1]) * 1024 if available else 0)
    return shared if free > _ROOM else None
