"""`alembic zanith-drift`: production compared with what its own history says."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace

import click
from alembic.script import ScriptDirectory

from alembic_zanith.config import settings_of
from alembic_zanith.reports.drift import drift_json, drift_lines
from alembic_zanith.verification import DriftReport
from alembic_zanith.verify.drift import find_drift
from alembic_zanith.verify.shadow import ShadowRequest

from .errors import RehearsingCommand
from .flags import flags_set
from .options import database_option, json_option
from .pending import require_known
from .project import Database, Project
from .shadow import production_of, shadow_flags, shadow_options

DRIFT = "zanith-drift"


@click.command(
    DRIFT, cls=RehearsingCommand, context_settings={"help_option_names": ["-h", "--help"]}
)
@shadow_options
@json_option
@database_option
@click.pass_context
def zanith_drift(
    ctx: click.Context,
    /,
    shadow_url: str | None,
    topology: str | None,
    keep: bool,
    json: bool,
    database: str | None,
) -> None:
    """Compare production with what its own history says: what was changed by hand?

    The revisions that production has are replayed on a shadow. Production is only read. The exit
    status is 0 where both are the same, 3 for drift, 4 where the history does not run any more, 5
    where there is no shadow, and 2 where nothing could be begun.
    """
    project: Project = ctx.obj
    scripts = ScriptDirectory.from_config(project.config)

    def work(visited: Database) -> DriftReport:
        settings = settings_of(visited.context)
        request = ShadowRequest(settings.shadow_topology, settings.shadow_url, keep)
        with production_of(visited, settings, scripts) as production:
            require_known(production.scripts, production.heads)
            return find_drift(production, request)

    given = shadow_flags(shadow_url, topology)
    with flags_set(project.config, given), contextlib.redirect_stdout(sys.stderr):
        found = project.visit(work, database, every_run=True)
    results = [
        replace(each, database=label if len(found) > 1 else None) for label, each in found.items()
    ]
    if json:
        click.echo(drift_json(results), nl=False)
    else:
        click.echo("\n\n".join("\n".join(drift_lines(each)) for each in results))
    ctx.exit(max(each.verdict.exit_status for each in results))
