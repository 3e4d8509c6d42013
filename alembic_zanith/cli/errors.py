"""Errors of a command as `FAILED: …` and an exit status."""

from __future__ import annotations

import errno
import socket
from typing import IO, Any

import click
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alembic_zanith.failures import explained
from alembic_zanith.redaction import without_passwords

from .project import Project

NAME = "zanith-recover"


class Failure(click.ClickException):
    """An error that the user can mend, printed as Alembic prints its own, but to stderr.

    Standard output is for data: the rows of an export, or JSON.
    """

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"FAILED: {self.message}", file=file, err=file is None)


class FailingGroup(click.Group):
    """A group whose commands end with `FAILED: …` in place of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        project: Project = ctx.obj
        try:
            return super().invoke(ctx)
        except Exception as error:
            action = f"{project.command} {ctx.invoked_subcommand or ''}".strip()
            message = _message(error, action)
            if message is None or project.raise_errors:
                raise
            raise Failure(without_passwords(message)) from error


class NoPlan(Failure):
    """No plan could be made: neither a pass, status 0, nor a refusal, status 1."""

    exit_code = 2


class AskingCommand(click.Command):
    """A command that ends with `FAILED: …`, and with status 2, in place of a traceback."""

    without_database = ""
    """What to do where the database cannot be reached, if there is anything."""

    def invoke(self, ctx: click.Context) -> Any:
        project: Project = ctx.obj
        try:
            return super().invoke(ctx)
        except Exception as error:
            message = _message(error, project.command) or self.unexpected(error)
            if message is None or project.raise_errors:
                raise
            if not isinstance(error, CommandError | SQLAlchemyError) or _is_unreachable(error):
                message += self.without_database
            raise NoPlan(without_passwords(message)) from error

    def unexpected(self, error: Exception) -> str | None:
        """Return what to say of an error that is a defect: nothing, so that it is seen as one."""
        return None


class RehearsingCommand(AskingCommand):
    """The same for rehearsals, which are there to find defects: of scripts and of env.py."""

    def unexpected(self, error: Exception) -> str | None:
        """Name any error but those by which click ends a command."""
        if isinstance(error, click.exceptions.Exit | click.ClickException | click.Abort):
            return None
        return (
            f"Nothing was rehearsed: {type(error).__name__}: {error}. Alembic's --raiseerr shows "
            "where that was."
        )


class PlanningCommand(AskingCommand):
    """The same for plans."""

    without_database = " With --offline a plan needs no database."


def _is_unreachable(error: Exception) -> bool:
    """Tell whether it is the driver that failed, and not a statement on a connection."""
    return isinstance(error, DBAPIError) and error.statement is None


def _message(error: Exception, action: str) -> str | None:
    """Return what to tell the user, or None for what is a defect, of ours or of env.py."""
    if isinstance(error, DBAPIError):
        return str(explained(action, error))
    if isinstance(error, CommandError | SQLAlchemyError):
        return str(error)
    # SQLAlchemy lets what asyncpg raises while it connects pass as it is.
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror) and not _is_pipe(error):
        return f"{action} changed nothing: {error}. {_ADVICE}"
    if type(error).__module__.partition(".")[0] == "asyncpg":
        return f"{action} changed nothing: {error}. {_ADVICE}"
    if isinstance(error, OSError) and not _is_pipe(error):
        return f"{action}: {error}"
    return None


_ADVICE = "Check the URL, and that the server is up and can be reached."


def _is_pipe(error: OSError) -> bool:
    """Tell whether the reader of our output has gone, which click knows how to end on."""
    return error.errno == errno.EPIPE
