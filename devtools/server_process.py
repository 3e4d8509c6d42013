"""initdb and postgres in a temporary folder that goes away with whoever started them."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

_PREFIX = "alembic-zanith-server-"
_START_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

# Durability is of no use to a server that is deleted at the end: see
# https://www.postgresql.org/docs/current/non-durability.html
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "logical",
    "max_connections": "100",
    "max_prepared_transactions": "10",
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
}


class PostgresFailed(RuntimeError):
    """PostgreSQL did not initialise or start; the message holds its log."""


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: Iterable[int]


@dataclass(frozen=True)
class Account:
    """The operating system's user that runs the server."""

    uid: int
    gid: int

    @classmethod
    def for_server(cls) -> Account:
        """Return ourselves, or nobody for root, whom PostgreSQL refuses."""
        if os.getuid() != 0:
            return cls(os.getuid(), os.getgid())
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)

    @property
    def identity(self) -> _Identity:
        """Arguments of `subprocess` that run a program as this user."""
        if os.getuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass
class ServerProcess:
    """A running postgres and the folder with its data, its log and its unix socket."""

    folder: Path
    account: Account
    bin_dir: Path
    lock: int
    owner: int = field(default_factory=os.getpid)
    port: int = 0
    postgres: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(
        cls, bin_dir: Path, account: Account, temp_root: Path, settings: Mapping[str, str]
    ) -> ServerProcess:
        """Initialise a cluster below `temp_root` and start it. Raises PostgresFailed."""
        _sweep(temp_root)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=temp_root))
        process = cls(folder, account, bin_dir, _lock(folder))
        try:
            os.chown(folder, account.uid, account.gid)
            process._initdb()
            process._run(settings)
        except BaseException:
            process.stop()
            raise
        return process

    @property
    def log_file(self) -> Path:
        """What the server has logged."""
        return self.folder / "log"

    def stop(self) -> None:
        """Stop the server and delete its folder."""
        # A forked child inherits the exit handlers, but not the server.
        if self.owner != os.getpid():
            return
        if self.postgres is not None:
            _end(self.postgres)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self.lock)

    def _initdb(self) -> None:
        # C.UTF-8 sorts alike everywhere and knows unicode letters, but macOS has no such locale.
        for locale in ("C.UTF-8", "C"):
            arguments = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync"]
            done = subprocess.run(
                [self.bin_dir / "initdb", *arguments, f"--locale={locale}", self.folder / "data"],
                cwd=self.folder,
                env=_environment(),
                capture_output=True,
                text=True,
                check=False,
                **self.account.identity,
            )
            if not done.returncode:
                return
        raise PostgresFailed(f"initdb failed:\n{done.stderr.strip()}")

    def _run(self, settings: Mapping[str, str]) -> None:
        # Another process may take the free port before the server does: try a few.
        for attempt in range(5):
            self.port = _free_port()
            self.postgres = self._spawn({**_SETTINGS, **settings, "port": str(self.port)})
            if self._becomes_ready(self.postgres):
                return
            _end(self.postgres)
            log = self.log_file.read_text(errors="replace")
            if "Address already in use" not in log or attempt == 4:
                raise PostgresFailed(f"PostgreSQL did not start:\n{log.strip()}")

    def _spawn(self, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
        options = {**settings, "unix_socket_directories": str(self.folder)}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with self.log_file.open("wb") as log:
            return subprocess.Popen(
                [self.bin_dir / "postgres", "-D", self.folder / "data", *arguments],
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the tests, which then stop the server themselves.
                start_new_session=True,
                preexec_fn=_end_with_parent,
                **self.account.identity,
            )

    def _becomes_ready(self, postgres: subprocess.Popen[bytes]) -> bool:
        status = self.folder / "data" / "postmaster.pid"
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and postgres.poll() is None:
            with contextlib.suppress(FileNotFoundError):
                # The eighth line is the state that pg_ctl waits for as well.
                if status.read_text().splitlines()[7:8] == ["ready   "]:
                    return True
            time.sleep(0.02)
        return False


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}


def _lock(folder: Path) -> int:
    """Mark a folder as in use for as long as this process lives."""
    fresh = folder / "lock.new"
    handle = os.open(fresh, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    fresh.rename(folder / "lock")
    return handle


def _sweep(temp_root: Path) -> None:
    """Delete the folders of servers whose starter was killed and could not clean up."""
    for lock in temp_root.glob(f"{_PREFIX}*/lock"):
        with contextlib.suppress(OSError):
            if lock.stat().st_uid != os.getuid():
                continue
            with lock.open("rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end_with_parent() -> None:
    """Have the kernel send a fast shutdown to the server when its starter is killed (Linux)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _end(process: subprocess.Popen[bytes]) -> None:
    # https://www.postgresql.org/docs/current/server-shutdown.html: fast, immediate, last resort.
    for wanted in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(wanted)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
