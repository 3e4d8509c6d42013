"""Run the `alembic` command on a pseudo-terminal, as a person does."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

from tests.support.running import Result

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run_on_terminal(
    root: Path, *arguments: str, typed: str = "", columns: int = 100, stdout: int | None = None
) -> Result:
    """Run `alembic ARGUMENTS` in `root`; colours are taken out of what it wrote.

    `typed` is what the person answers. `stdout` is a file descriptor in place of the terminal.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, columns))
    os.write(ours, typed.encode())
    # Both would overrule the size of the terminal.
    inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [Path(sys.executable).parent / "alembic", *arguments],
        cwd=root,
        env={**inherited, "TERM": "xterm", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=theirs,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written = bytearray()
    # Linux reports the end of the other side as an error.
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 65536):
            written += chunk
    os.close(ours)
    text = _ESCAPES.sub("", written.decode()).replace("\r\n", "\n")
    return Result(process.wait(), text, "")
