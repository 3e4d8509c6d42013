"""The two restores, which differ in what they look for and in `--fill`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.config.context import settings_of
from alembic_zanith.errors import ZanithError
from alembic_zanith.locking.retrying import RetryPolicy
from alembic_zanith.online import restore_column_online
from alembic_zanith.recovery import RestoreReport, restore_column, restore_table
from alembic_zanith.recovery.pick import COLUMN_KINDS, TABLE_KINDS, wanted
from alembic_zanith.reports import as_json, outcome

from .options import online_options, restore_options
from .project import Database, Project, each_by_itself
from .targets import locate


@click.command("restore-column", short_help="Bring back a column.")
@click.argument("target", metavar="TABLE.COLUMN")
@restore_options
@click.option(
    "--fill", metavar="EXPRESSION", help="SQL for the rows that have no value: a literal, now()…"
)
@online_options
@click.pass_obj
def restore_column_command(project: Project, /, target: str, **options: Any) -> None:
    """Bring back a column, the latest if it was dropped several times."""
    pace = {name: options.pop(name) for name in ("batch_size", "pause")}
    given = {name: value for name, value in pace.items() if value is not None}
    if options.pop("online"):
        _restore(project, target, COLUMN_KINDS, partial(_restore_online, given), options)
        return
    if given:
        raise click.UsageError(f"--{next(iter(given)).replace('_', '-')} is for --online.")
    _restore(project, target, COLUMN_KINDS, _restoring(restore_column), options)


def _restore_online(
    given: dict[str, Any], db: Database, target: str, options: dict[str, Any]
) -> RestoreReport:
    settings = settings_of(db.context)
    failure: ZanithError | None = None
    try:
        with each_by_itself(db) as connection:
            try:
                return restore_column_online(
                    connection,
                    target,
                    policy=RetryPolicy(attempts=settings.lock_retries + 1),
                    max_lag_ms=settings.max_replication_lag,
                    yield_to_locks=settings.yield_to_locks,
                    workspace=db.workspace,
                    **given,
                    **options,
                )
            except ZanithError as error:
                failure = error
                raise
    except SQLAlchemyError:
        # On a connection that is lost, Alembic's autocommit_block() cannot end what it began.
        if failure is not None:
            raise failure from None
        raise


@click.command("restore-table", short_help="Bring back a table.")
@click.argument("target", metavar="TABLE")
@restore_options
@click.pass_obj
def restore_table_command(project: Project, /, target: str, **options: Any) -> None:
    """Bring back a table with its indexes and constraints."""
    _restore(project, target, TABLE_KINDS, _restoring(restore_table), options)


Restoring = Callable[[Database, str, dict[str, Any]], RestoreReport]


def _restoring(restore: Callable[..., RestoreReport]) -> Restoring:
    """Make a function that restores in the transaction that env.py has begun."""
    return lambda db, target, options: restore(
        db.connection, target, workspace=db.workspace, **options
    )


def _restore(
    project: Project,
    target: str,
    kinds: Any,
    restore: Restoring,
    options: dict[str, Any],
) -> None:
    json, only = options.pop("json"), options.pop("database")
    artifact = options["artifact"]

    def find(db: Database) -> Artifact:
        return wanted(ArtifactStore(db.connection, db.workspace), target, artifact, kinds)

    label = locate(project, artifact or target, find, only).database
    report = project.visit_one(
        label,
        lambda db: restore(db, target, options),
        changes=not options["dry_run"],
    )
    if json:
        click.echo(as_json.dumps(as_json.restore_json(report, label)))
        return
    lines = outcome.plan_lines if report.dry_run else outcome.restore_lines
    if report.dry_run or not project.quiet:
        for line in lines(report):
            click.echo(line)
