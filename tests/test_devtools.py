"""The launcher of throw-away servers: it starts as anyone, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from devtools.binaries import Installation, find_server, open_to_all, reachable
from devtools.postgres import LocalPostgres

pytestmark = pytest.mark.skipif(
    "TEST_POSTGRES_URL" in os.environ, reason="nothing is started when a server is given"
)

NOBODY = 65534
STARTER = """
import sys, time
from devtools.postgres import LocalPostgres
server = LocalPostgres.start()
print(server.port, server.socket_dir, flush=True)
{then}
"""


def start_elsewhere(then: str) -> tuple[subprocess.Popen[str], int, Path]:
    """Start a server from another process; return that process, the port and the folder."""
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER.format(then=then)],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    port, folder = starter.stdout.readline().split()
    starter.stdout.close()
    return starter, int(port), Path(folder)


def answers(port: int) -> bool:
    """Whether a server takes connections on the port."""
    url = sa.URL.create("postgresql+psycopg", "postgres", None, "127.0.0.1", port, "postgres")
    try:
        with sa.create_engine(url, poolclass=sa.NullPool).connect():
            return True
    except sa.exc.OperationalError:
        return False


def ends_within(port: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not answers(port):
            return True
        time.sleep(0.1)
    return False


def test_a_server_that_nobody_stopped_goes_with_its_process() -> None:
    starter, port, folder = start_elsewhere(then="")
    assert starter.wait(timeout=30) == 0
    assert not answers(port)
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_killed_starter_leaves_no_server_and_the_next_start_clears_its_folder() -> None:
    starter, port, folder = start_elsewhere(then="time.sleep(60)")
    assert answers(port)
    starter.send_signal(signal.SIGKILL)
    starter.wait(timeout=10)
    assert ends_within(port, seconds=10)
    LocalPostgres.start().stop()
    assert not folder.exists()


def test_settings_reach_the_server() -> None:
    with LocalPostgres.start(settings={"work_mem": "17MB"}) as server:
        engine = sa.create_engine(server.url("postgres"), poolclass=sa.NullPool)
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SHOW work_mem")) == "17MB"


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="Linux only")
@pytest.mark.parametrize(("room", "is_there"), [(0, True), (2**60, False)])
def test_data_are_in_memory_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, room: int, is_there: bool
) -> None:
    monkeypatch.setattr("devtools.postgres._ROOM", room)
    with LocalPostgres.start(in_memory=True) as server:
        assert server.socket_dir is not None
        assert server.socket_dir.is_relative_to("/dev/shm") is is_there
        assert answers(server.port)
    assert not server.socket_dir.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root starts the server as someone else")
def test_programs_in_a_closed_folder_are_copied_where_the_server_can_run_them(
    tmp_path: Path,
) -> None:
    found = find_server()
    closed, opened = tmp_path / "closed", tmp_path / "opened"
    closed.mkdir(mode=0o700)
    opened.mkdir(mode=0o755)
    parts = []
    for part in found.parts:
        inside = closed / part.relative_to(found.root)
        shutil.copytree(part, inside, symlinks=True)
        parts.append(inside)
    bin_dir = closed / found.bin_dir.relative_to(found.root)
    moved = reachable(Installation(bin_dir, closed, tuple(parts)), NOBODY, opened)
    assert moved.bin_dir.is_relative_to(opened)
    assert moved.version == found.version
    assert (moved.root.stat().st_mode & 0o005) == 0o005
    assert not open_to_all(closed)
