"""The two restores, which differ in what they look for and in `--fill`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.recovery import RestoreReport, restore_column, restore_table
from alembic_zanith.recovery.pick import COLUMN_KINDS, TABLE_KINDS, wanted
from alembic_zanith.reports import as_json, outcome

from .options import restore_options
from .project import Database, Project
from .targets import locate


@click.command("restore-column", short_help="Bring back a column.")
@click.argument("target", metavar="TABLE.COLUMN")
@restore_options
@click.option(
    "--fill", metavar="EXPRESSION", help="SQL for the rows that have no value: a literal, now()…"
)
@click.pass_obj
def restore_column_command(project: Project, /, target: str, **options: Any) -> None:
    """Bring back a column, the latest if it was dropped several times."""
    _restore(project, target, COLUMN_KINDS, restore_column, options)


@click.command("restore-table", short_help="Bring back a table.")
@click.argument("target", metavar="TABLE")
@restore_options
@click.pass_obj
def restore_table_command(project: Project, /, target: str, **options: Any) -> None:
    """Bring back a table with its indexes and constraints."""
    _restore(project, target, TABLE_KINDS, restore_table, options)


def _restore(
    project: Project,
    target: str,
    kinds: Any,
    restore: Callable[..., RestoreReport],
    options: dict[str, Any],
) -> None:
    json, only = options.pop("json"), options.pop("database")
    artifact = options["artifact"]

    def find(db: Database) -> Artifact:
        return wanted(ArtifactStore(db.connection, db.workspace), target, artifact, kinds)

    label = locate(project, artifact or target, find, only).database
    report = project.visit_one(
        label,
        lambda db: restore(db.connection, target, workspace=db.workspace, **options),
        changes=not options["dry_run"],
    )
    if json:
        click.echo(as_json.dumps(as_json.restore_json(report, label)))
        return
    lines = outcome.plan_lines if report.dry_run else outcome.restore_lines
    if report.dry_run or not project.quiet:
        for line in lines(report):
            click.echo(line)
