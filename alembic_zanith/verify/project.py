"""A project on a shadow: brought to where production is, and looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from alembic.runtime.migration import MigrationStep, RevisionStep

from alembic_zanith.identifiers import quote
from alembic_zanith.locking.connections import driver_connection
from alembic_zanith.snapshots import Snapshot, take_snapshot
from alembic_zanith.sql import reading, run, scalar
from alembic_zanith.steps import StepsListener
from alembic_zanith.workspace import Workspace

from .production import Production
from .production_schema import dump_schema, load_schema
from .replay import ScriptRunner
from .shadow import Shadow
from .shadow.apart import SchemaGuard
from .shadow.server import ServerGuard

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import Script


class ShadowedProject:
    """Runs a project's scripts on one shadow."""

    def __init__(self, production: Production, shadow: Shadow) -> None:
        self._production = production
        self.shadow = shadow
        self.guard: SchemaGuard | ServerGuard = ServerGuard(
            is_productions_server=shadow.is_on_productions_server
        )
        self._beyond = self.guard.reasons
        if shadow.schema is not None:
            self.guard = SchemaGuard.of(shadow.connection, shadow.schema)
            shadow.connection.rollback()
        self._runner = ScriptRunner(
            production.context,
            shadow.connection,
            production.settings,
            production.arguments,
            self.guard,
            production.context.version_table_schema,
        )

    @property
    def workspace(self) -> Workspace:
        """Where artifacts are kept on the shadow."""
        schema = self.shadow.schema or self._version_schema()
        return replace(self._production.workspace, bookkeeping_schema=schema)

    def _version_schema(self) -> str | None:
        context = self._production.context
        return context.version_table_schema or self._production.workspace.bookkeeping_schema

    def context(self) -> MigrationContext:
        """Return a new context on the shadow."""
        return self._runner.context()

    def bring_to_production(self, *, from_its_schema: bool) -> None:
        """Bring the empty shadow to the revision that production is at.

        Raises `ScriptFailedError` where the history does not run, and what `dump_schema` raises.
        """
        if from_its_schema:
            production, context = self._production, self._production.context
            with reading(production.connection):
                dump = dump_schema(production.connection, production.settings.pg_dump)
            load_schema(
                self.shadow.connection,
                dump,
                version_table=context.version_table,
                version_table_schema=self._version_schema() or self._default_schema(),
                heads=production.heads,
                beyond=self._beyond,
            )
            self._make_schemas()
            return
        self._make_schemas()
        self._make_default_schema()
        self.run(self.replayed())

    def _make_schemas(self) -> None:
        """Make what env.py may have made by itself: the schema of the version table."""
        schema = self._production.context.version_table_schema
        if schema is not None and self.shadow.schema is None:
            run(self.shadow.connection, f"CREATE SCHEMA IF NOT EXISTS {quote(str(schema))}")
            self.shadow.connection.commit()

    def _make_default_schema(self) -> None:
        """Make the schema that names without one are in, where no revision can have made it.

        The version table comes before all revisions, so it was there before them.
        """
        if self._production.context.version_table_schema is not None:
            return
        there = self._default_schema()
        shadow = self.shadow.connection
        if there and scalar(shadow, "SELECT pg_catalog.current_schema()") is None:
            run(shadow, f"CREATE SCHEMA IF NOT EXISTS {quote(there)}")
        shadow.commit()

    def begin_anew(self) -> None:
        """Go on in a session of its own, as the next deploy does."""
        self.shadow.connection.invalidate()
        self.shadow.connection.rollback()
        # At once, so that what goes wrong is told as what it is.
        driver_connection(self.shadow.connection)

    def replayed(self) -> list[RevisionStep]:
        """Return the steps from an empty database to where production is."""
        scripts, heads = self._production.scripts, self._production.heads
        if not heads:
            return []
        wanted = [*scripts.iterate_revisions(heads, "base", implicit_base=True)]
        return self.upgrades([*reversed(wanted)])

    def upgrades(self, scripts: Sequence[Script]) -> list[RevisionStep]:
        """Return new steps that upgrade by scripts, in their order."""
        revisions = self._production.scripts.revision_map
        return [MigrationStep.upgrade_from_script(revisions, each) for each in scripts]

    def downgrades(self, scripts: Sequence[Script]) -> list[RevisionStep]:
        """Return new steps that take scripts back, the last one first."""
        revisions = self._production.scripts.revision_map
        down = reversed(scripts)
        return [MigrationStep.downgrade_from_script(revisions, each) for each in down]

    def run(
        self,
        steps: Sequence[RevisionStep],
        listeners: Sequence[StepsListener] = (),
        on_script: Callable[[Script], None] | None = None,
    ) -> None:
        """Run steps; see `ScriptRunner.run`."""
        self._runner.run(steps, (self.guard, *listeners), on_script)

    def snapshot(self) -> Snapshot:
        """Return the schema of the shadow as if it were production's."""
        connection = self.shadow.connection
        began = not connection.in_transaction()
        try:
            found = take_snapshot(
                connection,
                archive_schema=self._production.settings.archive_schema,
                schemas=None if self.shadow.schema is None else [self.shadow.schema],
                version_tables=[
                    (
                        self.shadow.schema or self._version_schema() or self._default_schema(),
                        self._production.context.version_table,
                    )
                ],
            )
        finally:
            if began and not connection.invalidated:
                connection.rollback()
        if self.shadow.schema is None:
            return found
        return found.with_schema_renamed(self.shadow.schema, self._default_schema())

    def _default_schema(self) -> str:
        connection = self._production.connection
        return str(scalar(connection, "SELECT pg_catalog.current_schema()") or "")
