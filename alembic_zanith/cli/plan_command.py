"""`alembic zanith-plan`: what pending revisions are going to do, and if the gates let them pass."""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from alembic_zanith.config import Settings, load_settings, settings_of
from alembic_zanith.enforcement import arguments_of
from alembic_zanith.enforcement.run import ceilings, plan_steps
from alembic_zanith.errors import UnknownObjectError, ZanithError, did_you_mean
from alembic_zanith.gates.check import check
from alembic_zanith.plan.live import with_live_facts
from alembic_zanith.plan.model import Plan
from alembic_zanith.reports import (  # noqa: F401 - they register themselves
    plan_github,
    plan_json,
    plan_markdown,
    plan_sarif,
)
from alembic_zanith.reports.plan_report import FORMATS, Layout, PlanReport
from alembic_zanith.reports.plan_terminal import terminal_lines
from alembic_zanith.reports.plan_words import verdict
from alembic_zanith.reports.terminal import Terminal
from alembic_zanith.sql import reading

from .errors import PlanningCommand
from .flags import flags_set
from .options import database_option, gate_options
from .pending import Asked, Pending, pending
from .project import Database, Project

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext

PLAN = "zanith-plan"


@click.command(PLAN, cls=PlanningCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("revision", required=False)
@click.option("--downgrade", is_flag=True, help="Plan the way down to REVISION.")
@click.option("--offline", is_flag=True, help="Ask no database.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice([*sorted(FORMATS)]),
    default="terminal",
    show_default=True,
)
@click.option("-o", "--output", metavar="FILE", help="Write it there. Default: standard output.")
@click.option("-v", "--verbose", is_flag=True, help="Show all of the SQL.")
@gate_options
@database_option
@click.pass_context
def zanith_plan(
    ctx: click.Context,
    /,
    revision: str | None,
    downgrade: bool,
    offline: bool,
    format_name: str,
    output: str | None,
    verbose: bool,
    database: str | None,
    **flags: Any,
) -> None:
    """Show what pending revisions would do, and if the gates let them pass. Nothing is run.

    REVISION is what `alembic upgrade` takes (default: all heads), -1 or base for a downgrade, or
    BASE:HEAD. With --offline these may be branches, tags or commits of git: what is pending then
    are the revisions whose files HEAD has and BASE has not.

    The exit status is 0 when they pass, 1 when they are refused, 2 when there is no plan.
    """
    project: Project = ctx.obj
    asked = Asked(revision, downgrade)
    with flags_set(project.config, flags), contextlib.redirect_stdout(sys.stderr):
        script = ScriptDirectory.from_config(project.config)
        make = _offline if offline else _online
        reports = make(project, script, asked, database)
    layout = Layout(_root(script), verbose=verbose)
    _show(reports, format_name, layout, output, quiet=project.quiet)
    ctx.exit(0 if all(each.gates.passed for each in reports) else 1)


def steps_last(arguments: Sequence[str]) -> list[str]:
    """Move `-1`, which is a number of steps and no option, behind all options.

    >>> steps_last(["-1", "--offline"])
    ['--offline', '--', '-1']
    """
    steps = [each for each in arguments if re.fullmatch(r"-\d+", each)]
    if not steps or "--" in arguments:
        return list(arguments)
    return [*(each for each in arguments if each not in steps), "--", *steps]


# -- with a database ---------------------------------------------------------------------


def _online(
    project: Project, script: ScriptDirectory, asked: Asked, only: str | None
) -> list[PlanReport]:
    def work(database: Database) -> PlanReport:
        # env.py may have said where else its revisions are.
        environment = database.context.environment_context
        scripts = script if environment is None else environment.script
        found = pending(scripts, asked, database.heads)
        settings = settings_of(database.context)
        with reading(database.connection):
            # A range may begin somewhere else than where the database stands.
            heads = None if asked.is_range else database.heads
            return _planned(
                database.context, settings, found, asked, arguments_of(database.context), heads
            )

    found = project.visit(work, only, every_run=True)
    return _labelled(found)


# -- without one -------------------------------------------------------------------------


def _offline(
    project: Project, script: ScriptDirectory, asked: Asked, only: str | None
) -> list[PlanReport]:
    config = project.config
    settings = load_settings(config)
    heads = tuple(script.get_heads()) if asked.is_downgrade and not asked.is_range else ()
    found = pending(script, asked, heads)
    if not script.get_heads():
        found = replace(found, warnings=(*found.warnings, _no_revisions(script)))
    # Planned is the run on a database: with as_sql, scripts would do what they do with --sql.
    environment = EnvironmentContext(config, script)
    reports: dict[str, PlanReport] = {}
    with environment:
        for label, arguments in _databases(config, found).items():
            # env.py is not asked: it may need what only a server has.
            environment.configure(dialect_name="postgresql", opts={"literal_binds": True})
            context = environment.get_context()
            reports[label] = _planned(context, settings, found, asked, arguments, heads=None)
    if only is not None and only not in reports:
        known = ", ".join(reports) or "one without a name"
        raise UnknownObjectError(
            f"The project has no database {only!r}.{did_you_mean(only, reports)} It has {known}."
        )
    return _labelled(reports if only is None else {only: reports[only]})


def _no_revisions(script: ScriptDirectory) -> str:
    return (
        f"There are no revisions in {script.versions}. If env.py says where they are, which "
        "--offline does not ask, name the folder as version_locations in alembic.ini as well."
    )


def _databases(config: Config, found: Pending) -> dict[str, dict[str, Any]]:
    """Return what env.py hands to the scripts of each database, by the database's label.

    In the template multidb scripts take the name of the database, and the ini file lists those.
    """
    functions = (
        getattr(step.revision.module, "upgrade" if step.is_upgrade else "downgrade", None)
        for step in found.steps
    )
    takes_a_name = any(
        "engine_name" in inspect.signature(each).parameters for each in functions if each
    )
    names = re.split(r",\s*", config.get_main_option("databases") or "")
    if not takes_a_name or names == [""]:
        return {"": {}}
    return {name: {"engine_name": name} for name in names}


# -- with and without --------------------------------------------------------------------


def _planned(
    context: MigrationContext,
    settings: Settings,
    found: Pending,
    asked: Asked,
    arguments: Mapping[str, Any],
    heads: Sequence[str] | None,
) -> PlanReport:
    if found.steps:
        plan, gates = plan_steps(context, settings, found.steps, dict(arguments), heads)
    else:
        plan = Plan((), asked.is_downgrade)
        if not context.as_sql and context.connection is not None:
            plan = with_live_facts(plan, context.connection, ceilings(settings))
        gates = check(plan, settings, receipt=None)
    return PlanReport(plan, replace(gates, warnings=(*gates.warnings, *found.warnings)))


def _labelled(reports: Mapping[str, PlanReport]) -> list[PlanReport]:
    """Name the databases where there are several."""
    if len(reports) == 1:
        return [*reports.values()]
    return [replace(report, database=label) for label, report in reports.items()]


def _root(script: ScriptDirectory) -> str:
    """Return the folder that paths in a report for programs are from: the repository's."""
    folder = Path(script.dir).absolute()
    tops = (each for each in folder.parents if (each / ".git").exists())
    return str(next(tops, Path.cwd()))


def _show(
    reports: Sequence[PlanReport],
    format_name: str,
    layout: Layout,
    output: str | None,
    *,
    quiet: bool,
) -> None:
    terminal = Terminal(sys.stdout)
    is_for_people = format_name == "terminal"
    if is_for_people:
        layout = replace(layout, root="")
    if output in (None, "-") and is_for_people and terminal.is_terminal:
        for line in terminal_lines(reports, replace(layout, width=terminal.console.width)):
            terminal.console.print(line, soft_wrap=True)
        return
    text = FORMATS[format_name](reports, layout)
    if output is None or output == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ZanithError(f"The plan was not written: {output}: {error.strerror}.") from error
    if not quiet:
        for report in reports:
            label = "" if report.database is None else f"{report.database}: "
            click.echo(f"{label}{verdict(report.gates)}")
