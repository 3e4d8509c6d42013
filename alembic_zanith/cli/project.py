"""The databases of an Alembic project, reached by running its env.py as Alembic does."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from alembic_zanith.config.context import settings_of, workspace
from alembic_zanith.errors import (
    AutocommitRequiredError,
    UnknownObjectError,
    UnsupportedDatabaseError,
    did_you_mean,
)
from alembic_zanith.hooks import begins_own_transaction
from alembic_zanith.sql import is_autocommit, rows
from alembic_zanith.workspace import Workspace

from .commit import Change, connections_opened, exit_in_words, failed_after, note_change

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext, RevisionStep

T = TypeVar("T")


@dataclass(frozen=True)
class Database:
    """One database that env.py connects to."""

    label: str
    connection: Connection
    workspace: Workspace
    context: MigrationContext
    heads: tuple[str, ...] = ()
    """The revisions that it is at."""


@dataclass
class _Visits:
    """What one run of env.py has come by."""

    seen: set[tuple[object, ...]] = field(default_factory=set)
    labels: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    error: BaseException | None = None
    changes: list[Change] = field(default_factory=list)

    def note_change(self, database: Database, opened: Collection[Connection]) -> None:
        """Note what was done in a database, if anything was, to see later if it is committed."""
        change = note_change(database.label, database.connection, opened)
        if change is not None:
            self.changes.append(change)


class Project:
    """An Alembic project. `command` is what the user called, for messages."""

    def __init__(self, config: Config, command: str = "zanith-recover") -> None:
        self.config = config
        self.command = command

    @property
    def raise_errors(self) -> bool:
        """Whether the user asked for tracebacks, with Alembic's `--raiseerr`."""
        return bool(getattr(self.config.cmd_opts, "raiseerr", False))

    @property
    def quiet(self) -> bool:
        """Whether the user gave Alembic's `--quiet`."""
        return bool(getattr(self.config.cmd_opts, "quiet", False))

    def visit(
        self,
        work: Callable[[Database], T],
        only: str | None = None,
        *,
        changes: bool = False,
        every_run: bool = False,
    ) -> dict[str, T]:
        """Run env.py and call `work` for each PostgreSQL database; return results by label.

        What `work` writes is committed exactly where `alembic upgrade` would be: by env.py, or
        after each database where env.py has `transaction_per_migration`. So the results are to be
        shown after this returns. `only` names the one database to work on; `changes` tells that
        the work is for nothing without a commit. `every_run` is for work that is about migrations:
        each version table counts then, also where several are in one schema.

        Raises `NotCommittedError` where PostgreSQL knows of none then, `FailedAfterCommitError`
        where it does and env.py fails nevertheless, `UnsupportedDatabaseError` when there are other
        databases only, `UnknownObjectError` when none is named `only`, and `CommandError` when
        env.py runs no migrations, or exits with another status than 0 and nothing is committed.
        """
        results: dict[str, T] = {}
        visits = _Visits()

        def visit_one(heads: Any, context: MigrationContext) -> Iterable[RevisionStep]:
            try:
                # As Alembic does around each revision, for the sake of env.py's with an external
                # transaction, with transaction_per_migration and with neither.
                with context.begin_transaction(_per_migration=True):
                    database = _open(context, visits, every_run)
                    if database is not None and only in (None, database.label):
                        database = replace(database, heads=heads)
                        results[database.label] = work(database)
                        if changes:
                            visits.note_change(database, opened)
            except BaseException as error:
                visits.error = error
                raise
            return ()

        try:
            with connections_opened() as opened:
                exited = self._run_env(visit_one)
            if visits.error is not None:
                # env.py has caught it, but nothing may look like a success that was none.
                raise visits.error
            if exited is not None and exited.code and results:
                raise exited
        except BaseException as error:
            failure = failed_after(visits.changes, error) or self._exit_explained(error)
            if failure is None:
                raise
            raise failure from error
        _require_commits(visits.changes)
        if not results:
            raise self._nothing_visited(visits, only, exited)
        return results

    def visit_one(self, label: str, work: Callable[[Database], T], *, changes: bool = False) -> T:
        """Like `visit`, for the one database with this label."""
        return self.visit(work, label, changes=changes)[label]

    def _run_env(self, visit_one: Callable[..., Any]) -> SystemExit | None:
        """Run env.py; return what it called sys.exit() with, if it did: so it may end, too."""
        script = ScriptDirectory.from_config(self.config)
        environment = EnvironmentContext(self.config, script, fn=visit_one, dont_mutate=True)
        # What env.py or an engine with echo=True prints must not get in between JSON or CSV.
        with environment, contextlib.redirect_stdout(sys.stderr), _without_chatter():
            try:
                script.run_env()
            except SystemExit as exited:
                return exited
        return None

    def _exit_explained(self, error: BaseException) -> CommandError | None:
        """Return what to raise in place of an exit of env.py's that has left nothing committed."""
        if not isinstance(error, SystemExit):
            return None
        return CommandError(
            f"{exit_in_words(error)} when {self.command} had done its work. Nothing is committed, "
            "and no result is shown. Let env.py end without sys.exit(), or with sys.exit(0); "
            "Alembic's --raiseerr shows where it exits."
        )

    def _nothing_visited(
        self, visits: _Visits, only: str | None, exited: SystemExit | None
    ) -> CommandError:
        if visits.labels:
            known = ", ".join(visits.labels)
            rest = (
                "" if exited is None else f" {exit_in_words(exited)} after that: maybe too early."
            )
            return UnknownObjectError(
                f"The project has no database {only!r}.{did_you_mean(str(only), visits.labels)} "
                f"It has {known}.{rest}"
            )
        if visits.foreign:
            return UnsupportedDatabaseError(
                f"Nothing can be parked on {' or '.join(sorted(set(visits.foreign)))}, nor a plan "
                "be made for it: alembic-zanith works on PostgreSQL only."
            )
        what = "env.py did not call context.run_migrations()"
        if exited is not None:
            what = f"{exit_in_words(exited)} before it called context.run_migrations()"
        return CommandError(
            f"{what}, so there is no connection to work on. {self.command} needs it to do so "
            "whatever the command is, as Alembic's templates do."
        )


def _require_commits(changes: Iterable[Change]) -> None:
    # A listener of env.py's prints at each new connection, maybe.
    with contextlib.redirect_stdout(sys.stderr):
        for change in changes:
            change.require_commit()


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what Alembic logs about a migration run, which this is not: cron would mail it."""
    loggers = [logging.getLogger(name) for name in ("alembic.runtime.migration", "alembic.env")]
    for logger in loggers:
        logger.addFilter(_is_serious)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_serious)


def _is_serious(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO


@contextlib.contextmanager
def each_by_itself(database: Database) -> Iterator[Connection]:
    """Give the connection of a database as one on which each statement commits by itself.

    Raises `AutocommitRequiredError` where env.py has begun a transaction that is its own to end.
    """
    context = database.context
    if is_autocommit(database.connection):
        yield database.connection
        return
    if begins_own_transaction(context):
        raise AutocommitRequiredError(
            "Nothing has changed: --online commits step by step, and env.py has begun a "
            "transaction before it called context.configure(), as that of the template multidb "
            "does. Leave out --online, or let env.py call context.configure() first."
        )
    with context.autocommit_block():
        assert context.connection is not None
        yield context.connection


_HERE = """
SELECT pg_catalog.current_database()::text AS name,
       pg_catalog.inet_server_addr()::text AS address,
       pg_catalog.inet_server_port() AS port,
       pg_catalog.pg_postmaster_start_time()::text AS started
"""


def _open(context: MigrationContext, visits: _Visits, every_run: bool) -> Database | None:
    """Return the database of a context, or None if it is another product or was seen before."""
    connection = context.connection
    if connection is None or context.dialect.name != "postgresql":
        visits.foreign.append(context.dialect.name)
        return None
    # Here, because a plan without a database has no use for an ORM.
    from alembic_zanith.artifacts import ArtifactStore

    space = workspace(settings_of(context), context)
    schema = ArtifactStore(connection, space).schema
    (here,) = rows(connection, _HERE)
    identity = (*here, schema)
    if identity in visits.seen and not every_run:
        # Two version tables in one schema share one set of artifacts.
        return None
    visits.seen.add(identity)
    label = _label(context, here.name, schema, visits.labels)
    visits.labels.append(label)
    return Database(label, connection, space, context)


def _label(context: MigrationContext, name: str, schema: str, taken: list[str]) -> str:
    """Name a database as env.py does, in the template multidb, else as PostgreSQL does.

    Bookkeeping in another schema than public may mean an env.py that goes from schema to schema.
    """
    token = str(context.opts.get("upgrade_token", ""))
    section = token.removesuffix("_upgrades")
    if section in ("", "upgrades"):
        section = name if schema == "public" else f"{name}.{schema}"
    return section if section not in taken else f"{section}#{len(taken) + 1}"
