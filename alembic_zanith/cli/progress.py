"""A progress bar for whoever watches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextlib.contextmanager
def row_progress(
    what: str, total: int | None, *, wanted: bool
) -> Iterator[Callable[[int], None] | None]:
    """Give a function that takes the number of rows so far and moves a bar on stderr.

    Gives None where nobody would see it: stderr is no terminal, or the rows themselves scroll by.
    """
    console = Console(stderr=True)
    if not wanted or not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeElapsedColumn(),
    )
    # Standard output may be where the rows go: the bar must not touch it.
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda rows: progress.update(task, completed=rows)
