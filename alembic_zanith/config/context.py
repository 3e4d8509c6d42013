"""The settings and the workspace of the project whose env.py is running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from alembic_zanith.hooks import current_revision
from alembic_zanith.workspace import Workspace

from .settings import Settings
from .sources import load_settings

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

# alembic_version without a schema is looked up along the search path, as Alembic does.
_VISIBLE_SCHEMA = text(
    "SELECT n.nspname::text FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(:name))"
)


def settings_of(context: MigrationContext) -> Settings:
    """Return the settings of the project that a migration context belongs to.

    A context that was made without an Alembic project has the defaults and the environment.
    """
    return load_settings(context.config)


def workspace(settings: Settings, context: MigrationContext) -> Workspace:
    """Return where the artifacts of the context's database are kept.

    Bookkeeping is done in the schema that holds `alembic_version`. Asks the database for it when
    env.py names none (`version_table_schema`).

    Example::

        context = op.get_context()
        list_artifacts(op.get_bind(), workspace=workspace(settings_of(context), context))
    """
    return Workspace(
        bookkeeping_schema=_bookkeeping_schema(context),
        archive_schema=settings.archive_schema,
        revision=current_revision(context),
    )


def _bookkeeping_schema(context: MigrationContext) -> str | None:
    if context.version_table_schema is not None:
        return str(context.version_table_schema)
    if context.as_sql or context.connection is None or context.dialect.name != "postgresql":
        return None
    schema = context.connection.scalar(_VISIBLE_SCHEMA, {"name": context.version_table})
    return None if schema is None else str(schema)
