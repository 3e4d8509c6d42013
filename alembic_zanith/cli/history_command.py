"""`alembic zanith-history`: what has run, and the schema as it was."""

from __future__ import annotations

import datetime as dt
import json as json_module
import sys
from typing import TypeVar

import click

from alembic_zanith.audit.history import list_runs, snapshot_at
from alembic_zanith.audit.runs import Run
from alembic_zanith.reports.history import (
    differences_json,
    differences_lines,
    history_json,
    history_lines,
    schema_lines,
)
from alembic_zanith.snapshots import Snapshot, differences

from .errors import FailingGroup
from .options import database_option, json_option, parse_age
from .project import Database, Project

HISTORY = "zanith-history"


@click.group(
    cls=FailingGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("-v", "--verbose", is_flag=True, help="Show the operations of each run.")
@click.option("--since", metavar="AGE", callback=parse_age, help="Of the last 90m, 12h, 7d, 2w.")
@click.option("--id", "revision", metavar="REV", help="Of this revision; its beginning will do.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="So many at most."
)
@json_option
@database_option
@click.pass_context
def zanith_history(
    ctx: click.Context,
    /,
    verbose: bool,
    since: dt.timedelta | None,
    revision: str | None,
    limit: int,
    json: bool,
    database: str | None,
) -> None:
    """Show which revisions have run, newest first: when, who, how long, and with what outcome."""
    if ctx.invoked_subcommand is not None:
        return
    project: Project = ctx.obj

    def work(visited: Database) -> list[Run]:
        return list_runs(
            visited.connection,
            workspace=visited.workspace,
            since=since,
            revision=revision,
            limit=limit + 1,
            with_steps=verbose or json,
        )

    found = project.visit(work, database)
    runs = [(label, run) for label, each in found.items() for run in each]
    runs.sort(key=lambda pair: (pair[1].started_at, pair[1].id), reverse=True)
    shown = runs[:limit]
    if json:
        click.echo(history_json(shown), nl=False)
        return
    if not shown:
        click.echo("Nothing is recorded." if since is None else "Nothing is recorded since then.")
        return
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    for line in history_lines(shown, several=len(found) > 1, verbose=verbose, unicode=unicode):
        click.echo(line)
    if len(runs) > limit:
        click.echo(f"There are more than these {limit}: --limit shows them.")


@zanith_history.command("diff")
@click.argument("before")
@click.argument("after")
@json_option
@database_option
@click.pass_obj
def diff_command(
    project: Project, before: str, after: str, json: bool, database: str | None
) -> None:
    """Show what changed in the schema from revision BEFORE to AFTER; base is before the first."""

    def work(visited: Database) -> tuple[Snapshot, Snapshot]:
        space = visited.workspace
        return (
            snapshot_at(visited.connection, before, workspace=space),
            snapshot_at(visited.connection, after, workspace=space),
        )

    for label, (old, new) in _titled(project.visit(work, database)):
        found = differences(old, new)
        if json:
            click.echo(differences_json(found), nl=False)
            continue
        if label:
            click.echo(f"{label}:")
        for line in differences_lines(found):
            click.echo(line)


@zanith_history.command("show")
@click.argument("revision")
@json_option
@database_option
@click.pass_obj
def show_command(project: Project, revision: str, json: bool, database: str | None) -> None:
    """Show the schema as REVISION left it; base is before the first."""

    def work(visited: Database) -> Snapshot:
        return snapshot_at(visited.connection, revision, workspace=visited.workspace)

    for label, snapshot in _titled(project.visit(work, database)):
        if json:
            click.echo(json_module.dumps(snapshot.content, indent=2, ensure_ascii=False))
            continue
        if label:
            click.echo(f"{label}:")
        for line in schema_lines(snapshot.content):
            click.echo(line)


T = TypeVar("T")


def _titled(found: dict[str, T]) -> list[tuple[str, T]]:
    """Name the databases where there are several."""
    if len(found) == 1:
        return [("", each) for each in found.values()]
    return [*found.items()]
