"""What the two operations that bring something back have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic_zanith.artifacts import ArtifactStore
from alembic_zanith.catalog.relation import columns, find_relation
from alembic_zanith.errors import AmbiguousTargetError, RestoredElsewhereError
from alembic_zanith.hooks import is_downgrade
from alembic_zanith.identifiers import display_name, split_target
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.models import ArtifactStatus
from alembic_zanith.recovery import NothingParkedError, RestoreReport
from alembic_zanith.recovery.taken import refuse_unusable_name
from alembic_zanith.sql import rows

from .running import log, log_restored

if TYPE_CHECKING:
    from alembic.operations.base import AbstractOperations
    from sqlalchemy import Connection

    from alembic_zanith.artifacts import Artifact

    from .restore_column import RestoreColumnOp
    from .restore_table import RestoreTableOp


@dataclass(frozen=True)
class Source:
    """What a migration asks for: the table or column by its exact name, with its schema."""

    schema: str
    table: str
    column: str | None = None

    def __str__(self) -> str:
        names = (self.schema, self.table, self.column)
        return ".".join(display_name(name) for name in names if name is not None)

    def is_of(self, artifact: Artifact) -> bool:
        """Whether this is what an artifact is of, to the letter."""
        found = (artifact.source_schema, artifact.source_table, artifact.source_column)
        return found == (self.schema, self.table, self.column)

    def under(self, as_name: str | None) -> Source:
        """Return it under the name that it is to come back under."""
        if as_name is None:
            return self
        if self.column is None:
            return Source(self.schema, as_name)
        return Source(self.schema, self.table, as_name)

    def is_there(self, connection: Connection) -> bool:
        """Whether the database has it now."""
        with pinned_settings(connection):
            relation = find_relation(connection, self.table, self.schema)
            if relation is None or self.column is None:
                return relation is not None
            return self.column in {each.name for each in columns(connection, relation)}


def restored_or_empty(
    operations: AbstractOperations,
    operation: RestoreColumnOp | RestoreTableOp,
    store: ArtifactStore,
    source: Source,
    restore: Callable[[str | None], RestoreReport],
    make_empty: Callable[[], str],
) -> RestoreReport | None:
    """Run the restore, or where nothing is parked make the structure from the definition.

    `restore` takes the id of the artifact; `make_empty` returns the warning that goes with it.
    """
    refuse_unusable_name(operation.as_name)
    downgrade = is_downgrade(operations.migration_context)
    asked = source.under(operation.as_name)
    try:
        with store.connection.begin_nested():
            if operation.artifact is not None:
                report = restore(operation.artifact)
            else:
                report = _restore_chosen(store, source, operation.as_name, downgrade, restore)
            if not report.already_restored:
                _refuse_another_place(store.connection, asked, report)
    except NothingParkedError as error:
        # An artifact that was named and is not there is a mistake, not a purge.
        if operation.artifact is not None:
            raise
        if not operation.has_definition:
            raise NothingParkedError(
                f"{error} To bring it back empty, write its definition into the call: {operation} "
                "with sa.Column(…), as autogenerate does."
            ) from None
        warning = make_empty()
        log.warning("%s", warning)
        if isinstance(error, _OfOtherRevisions):
            log.warning("%s", error)
        return None
    if report.already_restored:
        _refuse_elsewhere(store.connection, asked, report)
    log_restored(report)
    return report


class _OfOtherRevisions(NothingParkedError):
    """All that is parked of the name was parked by other revisions."""


def _restore_chosen(
    store: ArtifactStore,
    source: Source,
    as_name: str | None,
    downgrade: bool,
    restore: Callable[[str | None], RestoreReport],
) -> RestoreReport:
    """Restore what this revision has parked, or what was parked by hand.

    What another revision has parked is older or younger data, which the downgrade() of that
    revision brings back. Only an upgrade() may ask for it: it undoes an earlier drop.
    """
    artifacts = [found for found in store.all() if source.is_of(found)]
    revision = store.workspace.revision
    own = [found for found in artifacts if revision in (None, found.revision)]
    by_hand = [found for found in artifacts if found not in own and found.revision is None]
    others = [found for found in artifacts if found not in own and found not in by_hand]
    mine = [*own, *by_hand] if downgrade else [*own, *by_hand, *others]
    live = [found for found in mine if found.status is ArtifactStatus.LIVE]
    if live:
        return restore(live[0].id)
    asked = source.under(as_name)
    restored = [found for found in [*mine, *others] if found.status is ArtifactStatus.RESTORED]
    if restored and asked.is_there(store.connection):
        _refuse_namesake(store.connection, asked, restored[0])
        return RestoreReport(restored[0], str(asked).removeprefix("public."), already_restored=True)
    unused = [found for found in mine if not _was_used_by_a_revision(found)]
    if unused:
        return restore(unused[0].id)
    if mine:
        raise NothingParkedError(
            f"Nothing of {source} is parked: artifact {mine[0].id} was restored by a revision on "
            f"{mine[0].restored_at:%Y-%m-%d %H:%M}, and what was parked since was purged."
        )
    if others:
        listing = ", ".join(f"{found.id} (revision {found.revision})" for found in others)
        raise _OfOtherRevisions(
            f"Nothing of {source} was parked by revision {revision}, or it was purged. Other "
            f"revisions parked {listing}, whose data is left alone: artifact= asks for one of them."
        )
    return restore(None)


def _was_used_by_a_revision(artifact: Artifact) -> bool:
    """Whether a revision brought it back, and not a person who may want it once more.

    What that revision dropped again is another artifact, with later data.
    """
    return (artifact.restore_report or {}).get("revision") is not None


def _refuse_namesake(connection: Connection, asked: Source, artifact: Artifact) -> None:
    """Raise where the column or table came back under another name, which it still has.

    Whoever restored it so may have given it the old name back since; then all is well.
    """
    parts = list(split_target(artifact.restored_as or str(asked)))
    column = parts.pop() if artifact.is_column else None
    elsewhere = Source(parts[0] if len(parts) > 1 else "public", parts[-1], column)
    if elsewhere == asked or not elsewhere.is_there(connection):
        return
    raise RestoredElsewhereError(
        f"{asked} is not what was parked: artifact {artifact.id} was restored by hand on "
        f"{artifact.restored_at:%Y-%m-%d %H:%M}, as {artifact.restored_as}, which is there as "
        "well. Nothing has changed, and the revision stays as it is. Rename or drop the new one, "
        f"then: `{_renaming(asked, str(artifact.restored_as))}`"
    )


def _refuse_another_place(connection: Connection, asked: Source, report: RestoreReport) -> None:
    """What is parked follows its table; a migration says where it is to be."""
    if asked.is_there(connection):
        return
    raise RestoredElsewhereError(
        f"{asked} cannot come back: what is parked as {report.artifact.parked} belongs to another "
        f"table by now, so it would be {report.restored_as}. Nothing has changed. Give that table "
        "the name that the migration asks for, or write the name that it has into the migration."
    )


def _refuse_elsewhere(connection: Connection, asked: Source, report: RestoreReport) -> None:
    """A migration that went on would leave its revision and the schema in disagreement."""
    if asked.is_there(connection):
        return
    artifact = report.artifact
    raise RestoredElsewhereError(
        f"{asked} is not there: artifact {artifact.id} was restored by hand on "
        f"{artifact.restored_at:%Y-%m-%d %H:%M}, as {report.restored_as}, and the data is there. "
        "Nothing has changed, and the revision stays as it is. Give it the name that the migration "
        f"asks for: `{_renaming(asked, report.restored_as)}`. Or forget that it came from there, "
        "so that the migration makes an empty one: "
        f"`alembic zanith-recover purge {artifact.id}`."
    )


def _renaming(asked: Source, restored_as: str) -> str:
    *table, name = (display_name(part) for part in split_target(restored_as))
    if asked.column is None:
        return f"ALTER TABLE {restored_as} RENAME TO {display_name(asked.table)}"
    wanted = display_name(asked.column)
    if name == wanted:
        return f"ALTER TABLE {'.'.join(table)} RENAME TO {display_name(asked.table)}"
    return f"ALTER TABLE {'.'.join(table)} RENAME COLUMN {name} TO {wanted}"


def find_source(
    connection: Connection,
    store: ArtifactStore,
    schema: str | None,
    table: str,
    column: str | None = None,
) -> Source:
    """Return what a migration names, with its schema.

    Without a schema it is the one that the search path would have found before the drop: the
    first on the path that has the table of a column, or where an artifact of these names comes
    from.

    Raises `AmbiguousTargetError` where nothing is parked of that table, and this revision has
    parked something of a later one.
    """
    names = (str(table), None if column is None else str(column))
    if schema is not None:
        return Source(str(schema), *names)
    current = rows(connection, "SELECT pg_catalog.unnest(pg_catalog.current_schemas(false))")
    path = [str(row[0]) for row in current]
    artifacts = store.all()

    def is_parked(found: Source) -> bool:
        return any(found.is_of(artifact) for artifact in artifacts)

    def has_it(found: Source) -> bool:
        if is_parked(found):
            return True
        return found.column is not None and Source(found.schema, found.table).is_there(connection)

    candidates = [Source(each, *names) for each in path]
    chosen = next(filter(has_it, candidates), None)
    if chosen is None:
        return candidates[0] if candidates else Source("public", *names)
    revision = store.workspace.revision
    live = [each for each in artifacts if each.status is ArtifactStatus.LIVE]
    meant = [each for each in live if each.revision == revision is not None]
    for artifact in () if is_parked(chosen) else meant:
        if any(each.is_of(artifact) for each in candidates):
            raise AmbiguousTargetError(
                f"{chosen} cannot be told: the search path finds {chosen.schema}.{chosen.table} "
                f"first, but what revision {revision} has parked is of {artifact.source} (artifact "
                f"{artifact.id}). Nothing has changed. Write schema={artifact.source_schema!r} "
                f"into the migration, or artifact={artifact.id!r}."
            )
    return chosen
