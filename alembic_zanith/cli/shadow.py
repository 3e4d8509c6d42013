"""What commands share that work on a shadow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alembic_zanith.config import Settings, ShadowTopology
from alembic_zanith.enforcement import arguments_of
from alembic_zanith.sql import is_autocommit, run
from alembic_zanith.verify.production import Production

from .project import Database

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

F = TypeVar("F", bound=Callable[..., Any])


def shadow_options(command: F) -> F:
    """Add what says where the shadow is."""
    for option in (
        click.option("--keep", is_flag=True, help="Leave the shadow as it is afterwards."),
        click.option(
            "--topology",
            type=click.Choice([each.value for each in ShadowTopology]),
            help="Where to rehearse: at shadow_url, in a new database next to production, or in a "
            "schema.",
        ),
        click.option(
            "--shadow-url", metavar="URL", help="The database to rehearse in; it is wiped."
        ),
    ):
        command = option(command)
    return command


def shadow_flags(shadow_url: str | None, topology: str | None) -> dict[str, str | None]:
    """Return the settings that the options stand for."""
    if shadow_url and topology is None:
        topology = ShadowTopology.URL.value
    return {"shadow_url": shadow_url, "shadow_topology": topology}


def production_of(visited: Database, settings: Settings, scripts: ScriptDirectory) -> Production:
    """Return what a rehearsal needs to know of a database."""
    if not is_autocommit(visited.connection):
        # A rehearsal takes its time, and production's transaction waits for it.
        run(visited.connection, "SET LOCAL idle_in_transaction_session_timeout = 0")
    environment = visited.context.environment_context
    return Production(
        visited.context,
        visited.connection,
        settings,
        visited.workspace,
        # env.py may have said where else its revisions are.
        scripts if environment is None else environment.script,
        tuple(visited.heads),
        arguments_of(visited.context),
        visited.label,
    )
