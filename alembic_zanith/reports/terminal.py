"""Where reports are printed: with boxes and colour on a terminal, plain anywhere else."""

from __future__ import annotations

import contextlib
import io
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from .words import printable


class Terminal:
    """Prints to one stream.

    Off a terminal nothing is wrapped or cut, whatever the width: the reader is a program or a log.
    """

    def __init__(self, stream: TextIO) -> None:
        if isinstance(stream, io.TextIOWrapper):
            # A name that the encoding of the stream lacks must not end the command.
            with contextlib.suppress(ValueError):
                stream.reconfigure(errors="backslashreplace")
        self._stream = stream
        self.console = Console(file=stream, highlight=False, markup=False, emoji=False)
        if not self.console.is_terminal:
            self.console.width = _UNLIMITED

    @property
    def is_terminal(self) -> bool:
        return self.console.is_terminal

    def line(self, text: str, style: str | None = None) -> None:
        """Print one line, not wrapped, so that it can be copied or searched."""
        self.console.print(Text(text, style=style or ""), soft_wrap=True)

    def show(self, renderable: RenderableType) -> None:
        """Print a table or panel."""
        if self.is_terminal:
            self.console.print(renderable)
            return
        with self.console.capture() as captured:
            self.console.print(renderable)
        for row in captured.get().splitlines():
            self._stream.write(row.rstrip() + "\n")

    def table(self, *headers: str) -> Table:
        """Return an empty table in the style of this stream."""
        table = Table(
            box=SIMPLE_HEAD if self.is_terminal else None,
            show_edge=False,
            pad_edge=False,
            header_style="bold",
        )
        for header in headers:
            table.add_column(header, overflow="fold")
        return table


_UNLIMITED = 100_000


def cell(text: str, style: str = "") -> Text:
    """Return text for a table that means only itself, whatever characters it has."""
    return Text(printable(text), style=style)
