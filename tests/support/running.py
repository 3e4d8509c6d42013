"""Run the `alembic` command, in this process or in one of its own, and keep what it said."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import alembic.config


@dataclass(frozen=True)
class Result:
    """How a command ended: exit status and output, as a shell would see them."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, one after the other."""
        return self.stdout + self.stderr

    def succeeded(self) -> Result:
        """Return the result itself; an AssertionError with the output if the command failed."""
        assert self.exit_code == 0, f"exit status {self.exit_code}\n{self.output}"
        return self

    def failed(self) -> Result:
        """Return the result itself; an AssertionError if it succeeded or printed a traceback."""
        assert self.exit_code != 0, f"the command succeeded\n{self.output}"
        assert "Traceback" not in self.output, self.output
        return self


def run_in_process(
    root: Path,
    arguments: Sequence[str],
    env: Mapping[str, str] | None = None,
    stdin: str = "",
) -> Result:
    """Run `alembic ARGUMENTS` in `root`, and leave this process as it was."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        for guard in (
            contextlib.chdir(root),
            mock.patch.dict(os.environ, env or {}),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            mock.patch.object(sys, "argv", ["alembic", *arguments]),
            mock.patch.object(alembic.config, "Config", _LateConfig),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
            contained(root),
        ):
            stack.enter_context(guard)
        exit_code = _exit_code(arguments)
    return Result(exit_code, stdout.getvalue(), stderr.getvalue())


def run_in_subprocess(
    root: Path,
    arguments: Sequence[str],
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    program: Sequence[str | Path] | None = None,
) -> Result:
    """Run `alembic ARGUMENTS` in `root` as a program of its own.

    `program` replaces the `alembic` that belongs to this interpreter.
    """
    done = subprocess.run(
        [*(program or [Path(sys.executable).parent / "alembic"]), *arguments],
        cwd=root,
        # Two versions of a file within a second would share one compiled file.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def contained(root: Path) -> Iterator[None]:
    """Keep to the block what a project in `root` does to the process when its env.py runs.

    For whatever runs Alembic by other means than its command line.
    """
    with _modules_kept(root), _logging_kept():
        yield


class _LateConfig(alembic.config.Config):
    """Alembic binds its output to the sys.stdout of import time; this one asks when it is made."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"stdout": sys.stdout, **options})


def _exit_code(arguments: Sequence[str]) -> int:
    try:
        alembic.config.main(argv=list(arguments), prog="alembic")
    except SystemExit as end:
        if end.code is None:
            return 0
        if isinstance(end.code, int):
            return end.code & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0


@contextlib.contextmanager
def _modules_kept(root: Path) -> Iterator[None]:
    """Forget what the project imported: the next run may find other files under those names."""
    path, bytecode = list(sys.path), sys.dont_write_bytecode
    # By their text: to ask the file system about each of a thousand modules takes longer than most
    # commands.
    folders = tuple(f"{each}{os.sep}" for each in {root.absolute(), root.resolve()})
    # Two versions of a file within a second would share one compiled file.
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        sys.dont_write_bytecode = bytecode
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and not file.startswith(os.sep):
                file = str(Path(file).absolute())
            if file and file.startswith(folders):
                del sys.modules[name]


@contextlib.contextmanager
def _logging_kept() -> Iterator[None]:
    """Undo fileConfig(), which env.py calls and which replaces handlers and disables loggers."""
    loggers = [logging.root, *_loggers()]
    before = [(log, log.level, log.handlers[:], log.propagate, log.disabled) for log in loggers]
    try:
        yield
    finally:
        for logger in _loggers():
            logger.disabled = False
        for logger, level, handlers, propagate, disabled in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers
            logger.propagate, logger.disabled = propagate, disabled


def _loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logger for logger in known if isinstance(logger, logging.Logger)]
