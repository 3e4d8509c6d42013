"""A question to whoever sits at the terminal, and nobody else."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from alembic_zanith.errors import ZanithError

Ask = Callable[[str], bool]


def somebody_to_ask() -> Ask | None:
    """Return a function that asks on the terminal, or None where there is none, as in CI.

    The question is written to stderr, so that stdout may go to a file.
    """
    streams = (sys.stdin, sys.stderr)
    if not all(stream is not None and stream.isatty() for stream in streams):
        return None
    return ask


def ask(question: str) -> bool:
    """Return the answer to a yes-or-no question; Enter alone is a no.

    Raises `ZanithError` where Ctrl-C or the end of the input comes instead of an answer.
    """
    try:
        with _interruptible():
            return click.confirm(question, default=False, err=True)
    except click.Abort:
        click.echo(err=True)
        raise ZanithError(
            "No revision was written: a question was left without an answer. "
            "detect_renames = comment asks none."
        ) from None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end what waits for input also where asyncio runs env.py.

    `asyncio.run` puts off the first Ctrl-C until the event loop runs again, which it does not while
    somebody is asked:
    https://docs.python.org/3/library/asyncio-runner.html#handling-keyboard-interruption
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    outer = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, outer)
