"""Sessions that are in the way, runs in other processes, and a pooler in transaction mode."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from tests.support.database import Database

_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"
_PGBOUNCER = shutil.which("pgbouncer", path=_PLACES)

needs_pgbouncer = pytest.mark.skipif(_PGBOUNCER is None, reason="there is no pgbouncer here")

LOCK_USERS = "LOCK TABLE users IN ACCESS SHARE MODE"


def eventually(holds: Callable[[], object], seconds: float = 10) -> None:
    """Wait until something holds; an AssertionError if it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


@contextlib.contextmanager
def in_the_way(database: Database, *statements: str, application: str = "reports") -> Iterator[int]:
    """Keep a transaction that has run these statements open; give the pid of its session."""
    with psycopg.connect(conninfo(database.url()), application_name=application) as connection:
        for statement in statements or (LOCK_USERS,):
            connection.execute(statement.encode())
        yield connection.info.backend_pid
        connection.rollback()


@contextlib.contextmanager
def in_the_way_until(database: Database, goes: threading.Event, *statements: str) -> Iterator[int]:
    """As `in_the_way`, but only until the event is set, by a thread of its own."""
    pids: list[int] = []

    def stand() -> None:
        with in_the_way(database, *statements) as pid:
            pids.append(pid)
            goes.wait(60)

    thread = threading.Thread(target=stand)
    thread.start()
    eventually(lambda: pids)
    try:
        yield pids[0]
    finally:
        goes.set()
        thread.join()


@contextlib.contextmanager
def in_the_way_awhile(database: Database, seconds: float, *statements: str) -> Iterator[int]:
    """As `in_the_way`, but only until somebody has waited for it for so many seconds.

    How long it takes until somebody does depends on the machine.
    """
    goes, over = threading.Event(), threading.Event()
    with in_the_way_until(database, goes, *statements) as pid:
        waiting = f"SELECT FROM pg_stat_activity WHERE {pid} = ANY (pg_blocking_pids(pid))"

        def go_when_waited_for() -> None:
            while not over.wait(0.02):
                if database.rows(waiting):
                    over.wait(seconds)
                    break
            goes.set()

        thread = threading.Thread(target=go_when_waited_for)
        thread.start()
        try:
            yield pid
        finally:
            over.set()
            thread.join()


def conninfo(url: sa.URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def program(source: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python program that can import what the tests can."""
    command = [sys.executable, "-c", source, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@contextlib.contextmanager
def pgbouncer(database: Database, folder: Path, pool_size: int = 5) -> Iterator[sa.URL]:
    """Run PgBouncer in transaction mode before a database; give the URL of it."""
    assert _PGBOUNCER is not None
    server, port = database.server, _free_port()
    users = folder / "users.txt"
    users.write_text('"postgres" ""\n')
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n{database.name} = host={server.host} port={server.port} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\nauth_file = {users}\npool_mode = transaction\n"
        f"default_pool_size = {pool_size}\nignore_startup_parameters = extra_float_digits\n"
    )
    for path in (folder, users, settings):
        path.chmod(0o755)
    _open_way_to(folder)
    process = subprocess.Popen(
        [_PGBOUNCER, *(["-u", "nobody"] if os.getuid() == 0 else []), str(settings)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = database.url().set(host="127.0.0.1", port=port, username="postgres", password=None)
    try:
        eventually(lambda: _answers(url))
        yield url
    finally:
        process.terminate()
        process.wait()


def _open_way_to(folder: Path) -> None:
    """Let every user enter the folders above, which pytest makes for its own user alone."""
    for parent in folder.parents:
        if parent.name.startswith("pytest-") and parent.owner() != "nobody":
            parent.chmod(parent.stat().st_mode | 0o055)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: sa.URL) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(conninfo(url), prepare_threshold=None).close()
        return True
    return False


def without_moments(message: str) -> str:
    """Put `WHEN` for each moment in a message."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "WHEN", message)
