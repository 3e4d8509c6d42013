"""How far a walk has come: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console

log = logging.getLogger("alembic.zanith")

INTERVAL = 10.0
"""Seconds between two lines."""


class Progress(Protocol):
    """Is told how many rows are read."""

    def moved(self, rows: int) -> None:
        """Hear how many rows are read in all, those of earlier runs included."""


@dataclass
class Lines:
    """Writes a line to the log whenever `interval` seconds have passed."""

    what: str
    total: int | None
    start: int = 0
    interval: float = INTERVAL
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _said: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._said = self.clock()

    def moved(self, rows: int) -> None:
        """Say how far it is, if it is time to."""
        now = self.clock()
        if now - self._said >= self.interval:
            self._said = now
            log.info("%s", self.line(rows, now - self._began))

    def line(self, rows: int, seconds: float) -> str:
        """Return the line after so many rows and seconds.

        >>> Lines("backfill of users", 3_000_000).line(600_000, 10.0)
        'backfill of users: 600,000 of about 3,000,000 rows (20 %), 60,000 rows/s, 40 s left'
        """
        rate = (rows - self.start) / seconds if seconds > 0 else 0.0
        speed = f", {rate:,.0f} rows/s" if rate else ""
        if not self.total or rows > self.total:
            return f"{self.what}: {rows:,} rows{speed}"
        left = f", {_time((self.total - rows) / rate)} left" if rate else ""
        return (
            f"{self.what}: {rows:,} of about {self.total:,} rows"
            f" ({100 * rows / self.total:.0f} %){speed}{left}"
        )


def _time(seconds: float) -> str:
    """Return a time to the unit that matters.

    >>> _time(40), _time(250), _time(8000)
    ('40 s', '4 min', '2 h 13 min')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def shown(
    what: str, total: int | None, start: int = 0, console: Console | None = None
) -> Iterator[Progress]:
    """Show progress on the terminal, if stderr is one, else write a line to the log now and then.

    `total` is about how many rows there are, None where nobody knows; `start` are those that an
    earlier run has read.
    """
    # Here, because most runs move no rows.
    from rich.console import Console

    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield Lines(what, total, start)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows, {task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bars(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bars:
        task = bars.add_task(what, total=total, completed=start, rate="- rows/s")
        began = time.monotonic()

        class Bar:
            def moved(self, rows: int) -> None:
                rate = (rows - start) / max(time.monotonic() - began, 1e-9)
                # An estimate may be too low, and a second walk reads rows again.
                most = None if total is None else max(total, rows)
                bars.update(task, completed=rows, total=most, rate=f"{rate:,.0f}/s")

        yield Bar()
