"""What the gates cost: an upgrade of 300 revisions with and without the package, and its plan."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from . import history
from .figures import Figure, duration, ratio_of_times
from .lab import Lab

_LIMIT_UPGRADE = 1.25
_LIMIT_PLAN_MS = 1000.0


def measure_upgrade(lab: Lab, rounds: int) -> Iterator[Figure]:
    """Yield one figure for each mode: `alembic upgrade head` against the same without us.

    The contenders take turns, each as a program of its own on a database of its own.
    """
    plain, modes = list[float](), {"dev": list[float](), "staging": list[float]()}
    for _ in range(rounds):
        plain.append(upgrade_seconds(lab, None))
        for mode, times in modes.items():
            times.append(upgrade_seconds(lab, mode))
    for mode, times in modes.items():
        what = f"upgrade of {history.REVISIONS} revisions, mode {mode}"
        yield ratio_of_times(what, min(times), min(plain), _LIMIT_UPGRADE)


def measure_plan(lab: Lab, rounds: int) -> Iterator[Figure]:
    """Yield the time of `zanith-plan --offline` less that of `alembic history`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        history.write(folder, "postgresql+psycopg://nobody@nowhere/none")
        ours, plain = list[float](), list[float]()
        for _ in range(rounds):
            plain.append(_seconds(folder, "history"))
            ours.append(_seconds(folder, "zanith-plan", "--offline", accept=(0, 1)))
    what = f"zanith-plan --offline of {history.REVISIONS} revisions less alembic history"
    best, base = min(ours), min(plain)
    difference = (best - base) * 1000
    yield Figure(what, duration(best), duration(base), difference, _LIMIT_PLAN_MS, "ms")


def upgrade_seconds(lab: Lab, mode: str | None, audit: str = "on") -> float:
    """Return how long an upgrade takes in a mode, or without the package where that is None."""
    with lab.database() as database, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        history.write(folder, database.engine.url.render_as_string(hide_password=False))
        history.switch_on(folder, mode is not None)
        # Modules are compiled, as they are on the second run of every project.
        _seconds(folder, "upgrade", "head", "--sql", mode=mode, accept=(0, 1, 255))
        return _seconds(folder, "upgrade", "head", mode=mode, audit=audit)


def _seconds(
    folder: Path,
    *arguments: str,
    mode: str | None = None,
    audit: str = "on",
    accept: tuple[int, ...] = (0,),
) -> float:
    given = {"ZANITH_MODE": mode, "ZANITH_AUDIT": audit} if mode else {}
    environment = {**os.environ, **given}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    elapsed = time.perf_counter() - start
    if done.returncode not in accept:
        raise RuntimeError(f"alembic {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return elapsed
