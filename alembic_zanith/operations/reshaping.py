"""How `op.split_column` and `op.merge_columns` are run.

All of it is one transaction under a lock on the table: between two batches, rows would be written
to the old columns that had their turn already, and what is parked then would have values that the
new ones lack.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.operations.ops import AddColumnOp
from alembic.util import sqla_compat
from sqlalchemy.exc import DBAPIError

from alembic_zanith import recovery
from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.dependents import refuse_if_needed_by_others
from alembic_zanith.catalog.relation import Relation, columns, get_column, get_relation
from alembic_zanith.errors import (
    NameTakenError,
    NothingParkedError,
    NotRestorableError,
    OneWayError,
    UnknownObjectError,
    ZanithError,
)
from alembic_zanith.failures import sqlstate
from alembic_zanith.identifiers import display_name, quote
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.models import ArtifactKind, ArtifactStatus
from alembic_zanith.privileges import require_ownership
from alembic_zanith.recovery import ReshapeReport, RestoreReport
from alembic_zanith.recovery.carriers import known_oid
from alembic_zanith.recovery.locate import locate_table
from alembic_zanith.recovery.moving_values import Movement
from alembic_zanith.recovery.park_column import refuse_own, rename
from alembic_zanith.recovery.row_security import require_all_rows
from alembic_zanith.recovery.session import lock_table, require_read_committed
from alembic_zanith.sql import translated_schema

from .empty_structure import create_types
from .restoring import Source
from .running import log, log_parked, log_restored, parked_objects

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from alembic_zanith.workspace import Workspace

    from .reshape import ReshapeOperation

_PENDING_EVENTS = "55006"
_PARKS = {"soft_drop": recovery.soft_drop_column, "archive": recovery.archive_column}


def run_reshape(operations: Operations, operation: ReshapeOperation) -> ReshapeReport:
    """Run a split or a merge; see `op.split_column`."""
    with parked_objects(operations, str(operation)) as (connection, workspace):
        try:
            report = _Reshaping(operations, operation, connection, workspace).run()
        except DBAPIError as error:
            if sqlstate(error) != _PENDING_EVENTS:
                raise
            raise ZanithError(
                f"{operation} changed nothing: a deferred trigger or constraint of the table has "
                "still to look at the rows that were written, and PostgreSQL does not alter a "
                "table before that is done. Put op.execute('SET CONSTRAINTS ALL IMMEDIATE') before "
                "it, so that it is done at once."
            ) from error
    for restored in report.restored:
        log_restored(restored)
    for artifact in report.parked:
        log_parked(artifact)
    log.info("%s: values in %s rows.", operation, f"{report.rows:,}")
    if operation.back is None:
        log.warning(
            "%s is one-way: without reverse= a downgrade cannot tell which rows were written "
            "since, nor what they were before.",
            operation,
        )
    return report


class _Reshaping:
    """One call, on a table that is locked from the beginning to the end of the transaction."""

    def __init__(
        self,
        operations: Operations,
        operation: ReshapeOperation,
        connection: Connection,
        workspace: Workspace,
    ) -> None:
        self._context = operations.migration_context
        # In a batch, `operations` would only queue.
        self._direct = Operations(self._context)
        self._operation = operation
        self._connection = connection
        self._workspace = workspace
        self._store = ArtifactStore(connection, workspace)
        self._call = str(operation)
        self._relation = self._locked()
        self._movement = Movement(connection, self._relation, self._call, operation.sources)

    def run(self) -> ReshapeReport:
        """Do all of it."""
        there, parked, new = self._targets()
        if self._operation.then != "keep":
            with pinned_settings(self._connection):
                for name in self._operation.sources:
                    refuse_if_needed_by_others(self._connection, self._relation.name, name)
        rows = self._make(new) if new else 0
        restored: list[RestoreReport] = []
        if there or parked:
            written, restored = self._bring_back(there, parked)
            rows = max(rows, written)
        self._require_not_null()
        return ReshapeReport(rows, tuple(restored), tuple(self._park()))

    def _locked(self) -> Relation:
        operation, connection = self._operation, self._connection
        require_read_committed(connection, self._call)
        schema = translated_schema(connection, operation.schema)
        relation = get_relation(connection, str(operation.table_name), schema)
        refuse_own(relation.name.name, *operation.sources, *operation.targets)
        require_ownership(connection, relation.name.display, relation.owner)
        lock_table(connection, relation)
        require_all_rows(connection, relation, self._call)
        for name in operation.sources:
            get_column(connection, relation, name)
        return relation

    # -- which of them are there ---------------------------------------------------------

    def _targets(self) -> tuple[list[str], dict[str, Artifact], list[str]]:
        """Return the targets that are there, those that come back, and those that are to be made.

        Raises as `op.split_column` says, before anything is done.
        """
        there: list[str] = []
        parked: dict[str, Artifact] = {}
        new: list[str] = []
        present = {column.name for column in columns(self._connection, self._relation)}
        for name in self._operation.targets:
            artifact = self._own_artifact(name)
            if name in present:
                self._refuse_taken(name, artifact)
                there.append(name)
            elif self._operation.into_exists:
                raise UnknownObjectError(
                    f"{self._call} changed nothing: into_exists=True says that "
                    f"{self._label(name)} is there, and it is not."
                )
            elif artifact is not None and self._is_here(artifact, present):
                parked[name] = artifact
            else:
                self._refuse_without_definition(name)
                new.append(name)
        return there, parked, new

    def _own_artifact(self, name: str) -> Artifact | None:
        """Return the newest that this revision has parked of a column; another's is other data."""
        source = Source(self._relation.name.schema, self._relation.name.name, name)
        revision = self._workspace.revision
        found = (each for each in self._store.all() if source.is_of(each))
        return next((each for each in found if each.revision == revision), None)

    def _is_here(self, artifact: Artifact, present: Collection[str]) -> bool:
        """Whether what was parked is of this table, and not of one that was dropped since."""
        if artifact.status is not ArtifactStatus.LIVE:
            return False
        if artifact.parked_column is not None:
            is_here = artifact.parked_column in present
        else:
            oid = known_oid(self._connection, artifact)
            archive = locate_table(self._connection, artifact)
            is_here = archive is not None and oid in (None, self._relation.oid)
        if not is_here:
            log.info(
                "%s: artifact %s is of a table %s that is gone, so the column is made anew.",
                self._call,
                artifact.id,
                self._relation.name.display,
            )
        return is_here

    def _refuse_taken(self, name: str, artifact: Artifact | None) -> None:
        """A column that is there may be one that was kept, or that came back by hand since."""
        came_back = artifact is not None and artifact.status is ArtifactStatus.RESTORED
        if self._operation.into_exists or came_back:
            return
        raise NameTakenError(
            f"{self._call} changed nothing: {self._label(name)} exists, and live data is never "
            "overwritten. Give the new column another name. If it is what an earlier operation "
            "with then='keep' has kept, say into_exists=True."
        )

    def _refuse_without_definition(self, name: str) -> None:
        operation = self._operation
        if name not in operation.definitions:
            raise NothingParkedError(
                f"{self._call} changed nothing: nothing of {self._label(name)} was parked by "
                f"revision {self._workspace.revision}, or it was purged, so it has to be made "
                f"anew. Write its definition into the call: into= with sa.Column({name!r}, …)."
            )
        if operation.values is None:
            raise OneWayError(
                f"{self._call} changed nothing: it is one-way. Nothing of {self._label(name)} is "
                "parked, and using= does not say what its values are. Write an expression for it."
            )

    def _label(self, name: str) -> str:
        return f"{self._relation.name.display}.{display_name(name)}"

    # -- new columns ---------------------------------------------------------------------

    def _make(self, names: Iterable[str]) -> int:
        operation, values = self._operation, self._operation.values
        assert values is not None
        definitions = [sqla_compat._copy(operation.definitions[name]) for name in names]
        create_types(self._connection, definitions)
        table = str(operation.table_name)
        for column in definitions:
            bare = sa.Column(
                column.name,
                column.type,
                server_default=column.server_default,
                comment=column.comment,
                **column.dialect_kwargs,
            )
            self._direct.invoke(AddColumnOp(table, bare, schema=operation.schema))
        rows = self._movement.fill({name: values[name] for name in names})
        self._constrain(definitions)
        return rows

    def _constrain(self, definitions: Iterable[sa.Column[Any]]) -> None:
        """Add the constraints and indexes of new columns, now that these have their values."""
        operation = self._operation
        for column in definitions:
            table = self._direct.schema_obj.table(
                str(operation.table_name), column, schema=operation.schema
            )
            for constraint in table.constraints:
                # Every Table has a primary key constraint; a type brings its own to its column.
                is_there = sqla_compat._is_type_bound(constraint)
                if not (is_there or isinstance(constraint, sa.PrimaryKeyConstraint)):
                    self._direct.impl.add_constraint(constraint)
            for index in table.indexes:
                self._direct.impl.create_index(index)

    def _require_not_null(self) -> None:
        with pinned_settings(self._connection):
            present = {each.name: each for each in columns(self._connection, self._relation)}
        for name, column in self._operation.definitions.items():
            if not column.nullable and not present[name].not_null:
                self._movement.set_not_null(name)

    # -- columns that come back ----------------------------------------------------------

    def _bring_back(
        self, there: list[str], parked: Mapping[str, Artifact]
    ) -> tuple[int, list[RestoreReport]]:
        """Restore columns, and write those rows of them that were written since.

        What is soft-dropped is written first, under its own name but still without its
        constraints: rows that were written since may have values that others had before.
        """
        newest_first = sorted(parked.values(), key=lambda each: each.created_at, reverse=True)
        soft = [each for each in newest_first if each.kind is ArtifactKind.SOFT_DROP_COLUMN]
        archived = [each for each in newest_first if each not in soft]
        restored = [self._restore(each) for each in archived]
        for artifact in soft:
            name = str(artifact.source_column)
            rename(self._connection, self._relation, str(artifact.parked_column), name)
        rows = self._write_changed([*there, *parked], there, soft)
        for artifact in soft:
            name = str(artifact.source_column)
            rename(self._connection, self._relation, name, str(artifact.parked_column))
        restored += [self._restore(each) for each in soft]
        for artifact in parked.values():
            self._refuse_other_type(artifact)
        return rows, restored

    def _restore(self, artifact: Artifact) -> RestoreReport:
        name, values = str(artifact.source_column), self._operation.values
        is_filled = artifact.kind is ArtifactKind.ARCHIVE_COLUMN and _was_not_null(artifact)
        return recovery.restore_column(
            self._connection,
            artifact.id,
            # Soft-dropped ones have their values by now.
            fill=values[name] if is_filled and values is not None else None,
            workspace=self._workspace,
        )

    def _write_changed(self, names: list[str], there: list[str], soft: list[Artifact]) -> int:
        operation, movement = self._operation, self._movement
        if operation.back is None:
            raise OneWayError(
                f"{self._call} changed nothing: without reverse= it cannot tell the rows that were "
                "written since from those that are as they were. Write the expressions that the "
                f"values of {', '.join(operation.sources)} came from into reverse=."
            )
        changed = movement.differs(operation.back)
        for artifact in soft:
            if _was_not_null(artifact):
                changed = f"({changed} OR {quote(str(artifact.source_column))} IS NULL)"
        number = movement.count(changed)
        if not number:
            return 0
        if operation.values is None:
            raise OneWayError(
                f"{self._call} changed nothing: it is one-way. {number:,} rows were written since "
                f"then, for example: {movement.sample(changed, names)}. using= does not say what "
                f"{', '.join(names)} would be for them: write an expression for it."
            )
        overwritten = " OR ".join(f"{quote(name)} IS NOT NULL" for name in there)
        if there and (lost := movement.count(f"({changed}) AND ({overwritten})")):
            log.warning(
                "%s: %s rows had another value in %s, which is overwritten, for example: %s",
                self._call,
                f"{lost:,}",
                ", ".join(there),
                movement.sample(f"({changed}) AND ({overwritten})", there),
            )
        return movement.fill({name: operation.values[name] for name in names}, changed)

    def _refuse_other_type(self, artifact: Artifact) -> None:
        """What comes back has the type that it had, whatever the script says by now."""
        name = str(artifact.source_column)
        definition = self._operation.definitions.get(name)
        if definition is None:
            return
        relation = self._relation.name
        inspector = sa.inspect(self._connection)
        reflected = inspector.get_columns(relation.name, schema=relation.schema)
        found = next(each["type"] for each in reflected if each["name"] == name)
        if self._context.impl.compare_type(sa.Column(name, found), definition):
            raise NotRestorableError(
                f"{self._call} changed nothing: {self._label(name)}, which this revision has "
                f"parked and which comes back, is {found}, and the script says "
                f"{definition.type}. Write the type that it had, and change it in a step of its "
                "own; or have it made anew, without the values that it had: "
                f"`alembic zanith-recover purge {artifact.id}`."
            )

    # -- the old ones --------------------------------------------------------------------

    def _park(self) -> Iterable[Artifact]:
        operation = self._operation
        if operation.then == "keep":
            return
        for name in operation.sources:
            yield _PARKS[operation.then](
                self._connection,
                self._relation.name.name,
                name,
                schema=self._relation.name.schema,
                retention_days=operation.retention_days,
                workspace=self._workspace,
            )


def _was_not_null(artifact: Artifact) -> bool:
    return bool((artifact.definition.get("column") or {}).get("not_null"))
