"""What the demo prints: chapters, remarks, commands and their output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence

import click

# What Alembic logs in every single command, whatever it does.
_SMALL_TALK = (
    "Context impl PostgresqlImpl.",
    "Will assume transactional DDL.",
    "setting up autogenerate plugin",
)


class Narrator:
    """Prints to standard output, in colour if that is a terminal."""

    def __init__(self) -> None:
        self._chapter = 0

    @property
    def in_colour(self) -> bool:
        """Whether commands should print colours, too."""
        return (sys.stdout.isatty() or "FORCE_COLOR" in os.environ) and "NO_COLOR" not in os.environ

    def title(self, text: str) -> None:
        self._print(text, bold=True)

    def chapter(self, heading: str) -> None:
        """Begin the next chapter."""
        self._chapter += 1
        self._print()
        self._print(f"{self._chapter}. {heading}", bold=True, fg="cyan")

    def say(self, text: str) -> None:
        """Print a remark."""
        self._print(text)

    def command(self, words: Sequence[str]) -> None:
        """Print a command as one would type it."""
        self._print()
        self._print(f"$ {' '.join(words)}", bold=True, fg="yellow")

    def output(self, lines: Iterable[str], leave_out: tuple[str, str] | None = None) -> None:
        """Print what a command says, as it comes.

        `leave_out` names the heading of a long part that is only counted, and the next one.
        """
        told = (line for line in lines if not any(talk in line for talk in _SMALL_TALK))
        for line in told if leave_out is None else _shortened(told, *leave_out):
            self._print(line)

    def listing(self, lines: Iterable[str]) -> None:
        """Print lines of a file."""
        for line in lines:
            self._print(f"    {line}", fg=_diff_colour(line))

    def verdict(self, text: str, good: bool) -> None:
        self._print(text, bold=True, fg="green" if good else "red")

    def _print(self, text: str = "", *, bold: bool = False, fg: str | None = None) -> None:
        styled = click.style(text, bold=bold or None, fg=fg) if text else ""
        click.echo(styled, color=self.in_colour)


def _shortened(lines: Iterable[str], heading: str, following: str) -> Iterator[str]:
    hidden: int | None = None
    for line in lines:
        plain = click.unstyle(line)
        if plain == following and hidden is not None:
            yield f"  ({hidden} lines, left out here)"
            yield ""
            hidden = None
        if hidden is not None:
            hidden += bool(plain)
        else:
            yield line
        if plain == heading:
            hidden = 0


def _diff_colour(line: str) -> str | None:
    return {"+": "green", "-": "red"}.get(line[:1])
