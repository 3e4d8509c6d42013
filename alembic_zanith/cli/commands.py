"""The verbs of `alembic zanith-recover`. What they do is in `alembic_zanith.recovery`."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from alembic_zanith.errors import ZanithError
from alembic_zanith.recovery import (
    cleanup,
    export_artifact,
    list_artifacts,
    purge,
)
from alembic_zanith.recovery.export import ExportFormat
from alembic_zanith.recovery.inspection import inspect_artifact
from alembic_zanith.recovery.listing import find_artifact
from alembic_zanith.recovery.purge import purge_candidate
from alembic_zanith.recovery.report import ExportReport, PurgeReport
from alembic_zanith.reports import as_json, outcome
from alembic_zanith.reports.inspection import show_inspection
from alembic_zanith.reports.listing import listing
from alembic_zanith.reports.terminal import Terminal

from .errors import FailingGroup
from .files import complete_file
from .options import database_option, json_option, parse_age
from .progress import row_progress
from .project import Database, Project
from .restore import restore_column_command, restore_table_command
from .targets import locate


@click.group(cls=FailingGroup, context_settings={"help_option_names": ["-h", "--help"]})
def zanith_recover() -> None:
    """List, restore, export and purge what reversible drops have parked.

    TARGET is an artifact id (or the beginning of one), table, schema.table, table.column or
    schema.table.column, quoted as in SQL where needed: '"Order Lines".note'.
    """


zanith_recover.add_command(restore_column_command)
zanith_recover.add_command(restore_table_command)


@zanith_recover.command("list")
@click.option("--all", "include_restored", is_flag=True, help="Show restored ones too.")
@json_option
@database_option
@click.pass_obj
def list_command(
    project: Project, include_restored: bool, json: bool, database: str | None
) -> None:
    """Show what is parked, newest first."""
    found = project.visit(
        lambda db: list_artifacts(
            db.connection, include_restored=include_restored, workspace=db.workspace
        ),
        database,
    )
    summaries = [(label, summary) for label, each in found.items() for summary in each]
    summaries.sort(key=lambda pair: pair[1].artifact.created_at, reverse=True)
    if json:
        click.echo(as_json.dumps([as_json.summary_json(each, label) for label, each in summaries]))
        return
    if not summaries:
        click.echo("Nothing is parked.")
        return
    terminal = Terminal(sys.stdout)
    several = len(found) > 1
    terminal.show(
        listing(summaries, terminal, _now(), show_status=include_restored, show_database=several)
    )


@zanith_recover.command("inspect", short_help="One artifact, and if it is intact.")
@click.argument("target")
@json_option
@database_option
@click.pass_obj
def inspect_command(project: Project, target: str, json: bool, database: str | None) -> None:
    """Show one artifact: definition, recovery plan, and if its checksum still matches."""
    located = locate(project, target, _finder(target), database)
    inspection = project.visit_one(
        located.database,
        lambda db: inspect_artifact(db.connection, located.artifact.id, workspace=db.workspace),
    )
    if json:
        click.echo(as_json.dumps(as_json.inspection_json(inspection, located.database)))
    else:
        show_inspection(inspection, Terminal(sys.stdout), _now())


@zanith_recover.command("export", short_help="Stream its rows to a file or stdout.")
@click.argument("target")
@click.option(
    "--format",
    "format_name",
    type=click.Choice([each.value for each in ExportFormat]),
    help="By default what the name of the file says, else csv.",
)
@click.option(
    "-o", "--output", metavar="FILE", help="Only its owner can read it. Default: standard output."
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@database_option
@click.pass_obj
def export_command(
    project: Project,
    target: str,
    format_name: str | None,
    output: str | None,
    force: bool,
    database: str | None,
) -> None:
    """Stream the rows of an artifact to a file or to standard output."""
    path = None if output in (None, "-") else Path(str(output))
    form = format_name or _format_of(path)
    located = locate(project, target, _finder(target), database)
    artifact = located.artifact
    with _binary_output(path, force) as (stream, watched):

        def work(db: Database) -> ExportReport:
            with row_progress(artifact.source, artifact.row_count, wanted=watched) as on_progress:
                return export_artifact(
                    db.connection,
                    artifact.id,
                    format=form,
                    output=stream,
                    on_progress=on_progress,
                    workspace=db.workspace,
                )

        report = project.visit_one(located.database, work)
        stream.flush()
    if path is not None and not project.quiet:
        click.echo(outcome.export_line(report, str(path)))


@zanith_recover.command("purge", short_help="Drop its data for good.")
@click.argument("target")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@database_option
@click.pass_obj
def purge_command(project: Project, target: str, yes: bool, database: str | None) -> None:
    """Drop the data of an artifact for good, and its entry in the list."""

    def find(db: Database) -> Any:
        return purge_candidate(db.connection, target, workspace=db.workspace)

    located = locate(project, target, find, database)
    if not yes:
        # No transaction is open here: whoever is asked may take all day.
        label = located.database if located.one_of_several else None
        _confirm(outcome.purge_question(located.artifact, label))
    report = project.visit_one(
        located.database,
        lambda db: purge(db.connection, located.artifact.id, workspace=db.workspace),
        changes=True,
    )
    _print_purge(report, quiet=project.quiet)


@zanith_recover.command("cleanup", short_help="Purge what has expired; for cron.")
@click.option(
    "--older-than",
    metavar="AGE",
    callback=parse_age,
    help="Purge what is older, too: for example 30d, 12h or 2w.",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be purged.")
@json_option
@database_option
@click.pass_obj
def cleanup_command(
    project: Project,
    older_than: dt.timedelta | None,
    dry_run: bool,
    json: bool,
    database: str | None,
) -> None:
    """Purge what is past its expiry, without asking: made for cron.

    What was parked to be kept for ever stays, and so does a table that holds columns which are
    not due. One that cannot be purged stops none of the others, but makes the exit status 1. Each
    purge is committed by itself.
    """

    def due(db: Database) -> list[PurgeReport]:
        return cleanup(db.connection, older_than=older_than, dry_run=True, workspace=db.workspace)

    foreseen = project.visit(due, database)
    reports = [(label, report) for label, each in foreseen.items() for report in each]
    if not dry_run:
        reports = list(_purged(project, reports, older_than, shown=not json))
    elif not json:
        for _, report in reports:
            _print_purge(report, quiet=project.quiet)
    if json:
        click.echo(as_json.dumps([as_json.purge_json(report, label) for label, report in reports]))
    if any(report.error for _, report in reports):
        sys.exit(1)


def _purged(
    project: Project,
    foreseen: Iterable[tuple[str, PurgeReport]],
    older_than: dt.timedelta | None,
    *,
    shown: bool,
) -> Iterator[tuple[str, PurgeReport]]:
    """Purge one artifact after the other, each in a transaction of its own, and print what is done.

    Else the lock that the first purge takes on a live table would be kept, and everybody kept
    waiting, for as long as the last one waits for its own:
    https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """
    for label, due in foreseen:

        def purge_it(db: Database, only: str = due.artifact.id) -> list[PurgeReport]:
            return cleanup(db.connection, older_than=older_than, only=only, workspace=db.workspace)

        for report in project.visit_one(label, purge_it, changes=True):
            if shown:
                _print_purge(report, quiet=project.quiet)
            yield label, report


def _print_purge(report: PurgeReport, *, quiet: bool) -> None:
    for line in outcome.purge_lines(report):
        if report.error is not None:
            click.echo(line, err=True)
        elif not quiet:
            click.echo(line)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise ZanithError(
            "Nothing was purged: a purge cannot be undone, and there is nobody to ask. "
            "Run it again with --yes."
        )
    click.confirm(question, abort=True)


def _finder(target: str) -> Any:
    return lambda db: find_artifact(db.connection, target, workspace=db.workspace)


def _format_of(path: Path | None) -> str:
    suffix = "" if path is None else path.suffix.lstrip(".").lower()
    return suffix if suffix in list(ExportFormat) else ExportFormat.CSV


@contextlib.contextmanager
def _binary_output(path: Path | None, overwrite: bool) -> Iterator[tuple[BinaryIO, bool]]:
    """Give the stream to write to, and whether a progress bar is in nobody's way."""
    if path is None:
        buffer = getattr(sys.stdout, "buffer", None)
        if buffer is None:
            raise ZanithError("Standard output takes text only here. Give a file with --output.")
        yield buffer, not sys.stdout.isatty()
        return
    with complete_file(path, overwrite=overwrite) as stream:
        yield stream, True


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
