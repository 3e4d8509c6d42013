"""What commands share that work on a shadow."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alembic_zanith.config import Settings, ShadowTopology
from alembic_zanith.enforcement import arguments_of
from alembic_zanith.identifiers import literal
from alembic_zanith.sql import is_autocommit, run, scalar
from alembic_zanith.verify.production import Production
from alembic_zanith.verify.shadow.connecting import connected, engine_like

from .project import Database

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

_VERSION = "SELECT pg_catalog.current_setting('server_version_num')"

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


@contextmanager
def _warnings_shown() -> Iterator[None]:
    """Show what is left behind in projects that have no logging configured, too."""
    logger: logging.Logger | None = logging.getLogger("alembic.zanith")
    assert logger is not None
    first, handler = logger, logging.StreamHandler(sys.stderr)
    while logger is not None:
        if any(not isinstance(each, logging.NullHandler) for each in logger.handlers):
            yield
            return
        logger = logger.parent if logger.propagate else None
    first.addHandler(handler)
    try:
        yield
    finally:
        first.removeHandler(handler)


@contextmanager
def production_of(
    visited: Database, settings: Settings, scripts: ScriptDirectory
) -> Iterator[Production]:
    """Give what a rehearsal needs to know of a database, and read it in one transaction."""
    with ExitStack() as stack:
        stack.enter_context(_warnings_shown())
        connection = visited.connection
        if is_autocommit(connection):
            # What is read in a transaction is read over a connection that has some.
            connection = stack.enter_context(connected(engine_like(connection)))
            path = scalar(visited.connection, "SELECT pg_catalog.current_setting('search_path')")
            run(connection, f"SELECT pg_catalog.set_config('search_path', {literal(path)}, true)")
            connection.dialect.default_schema_name = visited.connection.dialect.default_schema_name
        # A rehearsal takes its time, and production's transaction waits for it.
        run(connection, "SET LOCAL idle_in_transaction_session_timeout = 0")
        if int(scalar(connection, _VERSION)) >= 170000:
            run(connection, "SET LOCAL transaction_timeout = 0")
        # Nothing is to be written over it from here on, by whatever way a script gets at it.
        run(connection, "SET TRANSACTION READ ONLY")
        environment = visited.context.environment_context
        yield Production(
            visited.context,
            connection,
            settings,
            visited.workspace,
            # env.py may have said where else its revisions are.
            scripts if environment is None else environment.script,
            tuple(visited.heads),
            arguments_of(visited.context),
            visited.label,
        )
