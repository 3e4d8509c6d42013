"""What the two operations that bring something back have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from alembic_zanith.artifacts import ArtifactStore
from alembic_zanith.identifiers import display_name
from alembic_zanith.recovery import NothingParkedError
from alembic_zanith.sql import rows

from .running import log, log_restored

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from alembic_zanith.recovery import RestoreReport
    from alembic_zanith.workspace import Workspace

    from .restore_column import RestoreColumnOp
    from .restore_table import RestoreTableOp


def restored_or_empty(
    operation: RestoreColumnOp | RestoreTableOp,
    restore: Callable[[], RestoreReport],
    make_empty: Callable[[], str],
) -> RestoreReport | None:
    """Run the restore, or where nothing is parked make the structure from the definition.

    `make_empty` returns the warning that goes with it.
    """
    try:
        report = restore()
    except NothingParkedError as error:
        # An artifact that was named and is not there is a mistake, not a purge.
        if operation.artifact is not None:
            raise
        if not operation.has_definition:
            raise NothingParkedError(
                f"{error} To bring it back empty, write its definition into the call: {operation} "
                "with sa.Column(…), as autogenerate does."
            ) from None
        log.warning("%s", make_empty())
        return None
    log_restored(report)
    return report


def restore_target(
    connection: Connection, workspace: Workspace, schema: str | None, *names: str
) -> str:
    """Return the target text of a table or column for the recovery functions.

    Without a schema it is the one that the search path would have found before the drop: the
    first on the path where an artifact of these names comes from.
    """
    found = schema or _schema(connection, workspace, names)
    return ".".join(display_name(str(name)) for name in (found, *names))


def _schema(connection: Connection, workspace: Workspace, names: tuple[str, ...]) -> str:
    path = [
        str(row[0])
        for row in rows(
            connection, "SELECT pg_catalog.unnest(pg_catalog.current_schemas(false))::text"
        )
    ]
    table, column = (*map(str, names), None)[:2]
    sources = {
        artifact.source_schema
        for artifact in ArtifactStore(connection, workspace).all()
        if (artifact.source_table, artifact.source_column) == (table, column)
    }
    return next((schema for schema in path if schema in sources), path[0] if path else "public")


def given_options(operation: object, *names: str) -> dict[str, object]:
    """Return those options of an operation that are set, for rendering."""
    given = {name: getattr(operation, name) for name in names}
    return {
        name: str(value) if isinstance(value, str) else value
        for name, value in given.items()
        if value
    }
