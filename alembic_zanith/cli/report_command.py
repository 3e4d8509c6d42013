"""`alembic zanith-report`: the history as one page."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from alembic_zanith.audit.history import kind_times, list_runs
from alembic_zanith.errors import ZanithError
from alembic_zanith.recovery import list_artifacts
from alembic_zanith.reports.html_report import HistoryReport, history_page

from .errors import AskingCommand
from .options import database_option, parse_age
from .project import Database, Project

REPORT = "zanith-report"
_MOST_RUNS = 1000


@click.command(REPORT, cls=AskingCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--html", metavar="FILE", required=True, help="Write the page there; - is stdout.")
@click.option("--since", metavar="AGE", callback=parse_age, help="Of the last 12h, 7d, 4w.")
@database_option
@click.pass_obj
def zanith_report(
    project: Project, html: str, since: dt.timedelta | None, database: str | None
) -> None:
    """Write a page about the runs of revisions: it needs no network, and no other file."""
    now = dt.datetime.now(dt.UTC)

    def work(visited: Database) -> HistoryReport:
        connection, space = visited.connection, visited.workspace
        return HistoryReport(
            visited.label,
            now,
            list_runs(connection, workspace=space, since=since, limit=_MOST_RUNS, with_steps=True),
            kind_times(connection, workspace=space),
            list_artifacts(connection, workspace=space),
        )

    page = history_page([*project.visit(work, database).values()])
    if html == "-":
        click.echo(page, nl=False)
        return
    try:
        Path(html).write_text(page, encoding="utf-8", errors="xmlcharrefreplace")
    except OSError as error:
        raise ZanithError(f"The report was not written: {html}: {error.strerror}.") from error
    if not project.quiet:
        click.echo(f"Written: {html}")
