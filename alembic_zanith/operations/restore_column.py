"""`op.restore_column`: a soft-dropped or archived column comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import Operations
from alembic.operations.ops import MigrateOperation

from alembic_zanith.errors import ConfigurationError
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.parking import RestoreColumn
from alembic_zanith.risk.reading import reads
from alembic_zanith.sql import translated_schema

from .registry import operation
from .rendering import call, given_options, name_literal, rendered_elements
from .running import parked_objects

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import BatchOperations
    from sqlalchemy.schema import SchemaItem

    from alembic_zanith.recovery import RestoreReport


@operation("restore_column", batch=True)
class RestoreColumnOp(MigrateOperation):
    """Represent the return of a column. `column` is its name or its definition."""

    kind = "restore_column"

    def __init__(
        self,
        table_name: str,
        column: str | sa.Column[Any],
        *elements: SchemaItem,
        schema: str | None = None,
        artifact: str | None = None,
        as_name: str | None = None,
        fill: str | None = None,
        meanwhile: Mapping[str, str] | None = None,
        relax: bool = False,
        force: bool = False,
        _reverse: MigrateOperation | None = None,
    ) -> None:
        self.table_name = table_name
        self.schema = schema
        self.definition = column if isinstance(column, sa.Column) else None
        self.column_name = str(column.name) if isinstance(column, sa.Column) else column
        self.elements = elements
        self.artifact = artifact
        self.as_name = as_name
        self.fill = fill
        self.meanwhile = self._checked_meanwhile(meanwhile, fill)
        self.relax = relax
        self.force = force
        self._reverse = _reverse

    def __str__(self) -> str:
        return f"{self.kind}({str(self.table_name)!r}, {str(self.column_name)!r})"

    def _checked_meanwhile(
        self, given: Mapping[str, str] | None, fill: str | None
    ) -> dict[str, str] | None:
        if given is None:
            return None
        if {*given} != {"column", "forward", "backward"} or not all(
            str(value or "").strip() for value in given.values()
        ):
            raise ConfigurationError(
                f"{self}: meanwhile={dict(given)!r} is not a dict of the texts 'column', 'forward' "
                "and 'backward', as in meanwhile={'column': 'name', 'forward': 'full_name', "
                "'backward': 'name'}."
            )
        if fill is not None:
            raise ConfigurationError(
                f"{self}: fill= and meanwhile= both say what rows without a value get. "
                "Leave one out."
            )
        return dict(given)

    @property
    def has_definition(self) -> bool:
        """Whether the column can be made empty where nothing is parked."""
        return self.definition is not None

    def reverse(self) -> MigrateOperation:
        """Return the operation that parks the column again: the one it came from, if known."""
        if self._reverse is not None:
            return self._reverse
        # That module imports this one.
        from .soft_drop_column import SoftDropColumnOp

        return SoftDropColumnOp(
            self.table_name,
            self.as_name or self.column_name,
            schema=self.schema,
            column=self.definition,
            elements=self.elements,
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, sa.Column[Any]]:
        """Return what Alembic's own add does, for `alembic check` and `compare_metadata`."""
        column = self.definition
        if column is None:
            column = sa.Column(self.column_name, sa.types.NULLTYPE)
        return ("add_column", self.schema, self.table_name, column)

    @classmethod
    def restore_column(
        cls,
        operations: Operations,
        table_name: str,
        column: str | sa.Column[Any],
        *elements: SchemaItem,
        schema: str | None = None,
        artifact: str | None = None,
        as_name: str | None = None,
        fill: str | None = None,
        meanwhile: Mapping[str, str] | None = None,
        relax: bool = False,
        force: bool = False,
    ) -> RestoreReport | None:
        """Bring back a column that `op.soft_drop_column` or `op.archive_column` parked.

        e.g.::

            op.restore_column("users", "legacy_uuid")

        Autogenerate writes the definition that it saw, too::

            op.restore_column('users',
            sa.Column('legacy_uuid', sa.Uuid(), nullable=True),
            sa.UniqueConstraint('legacy_uuid', name=op.f('uq_users_legacy_uuid'))
            )

        A downgrade() takes what its own revision has parked, or what was parked by hand; `artifact`
        asks for another. The definition counts only when there is none, as after a purge: the
        column then comes back empty, with a warning. Otherwise everything comes back as it was
        when the column went away, and what is parked is verified before anything is written.

        Rows written since then may not fit a captured constraint: NULLs in a NOT NULL column,
        duplicates under a unique one. The restore then refuses, with the number of rows and a
        sample; `fill` and `relax` are the two ways on. A foreign key whose parent rows are gone
        comes back NOT VALID, and a warning says how many rows and which ones.

        :param table_name: name of the table.
        :param column: name of the column, or its definition as a `sqlalchemy.Column`.
        :param elements: constraints and indexes of the column, used with the definition.
        :param schema: schema of the table; by default the search path finds it.
        :param artifact: id of the artifact, or the beginning of it, when the latest one is not
         the right one.
        :param as_name: name to come back under, when the old one is taken.
        :param fill: SQL expression for the rows that have no value, such as
         `gen_random_uuid()`.
        :param meanwhile: where another column was written in place of a soft-dropped one: a dict
         of `column`, its name, and of `forward` and `backward` as in `op.sync_columns`. Rows in
         which `forward` does not lead to what that column has get `backward`.
        :param relax: come back without constraints that live rows make impossible; a warning
         names them.
        :param force: come back even though the checksum does not match.
        :return: the :class:`.RestoreReport`, or None if the column came back empty.

        Raises `NothingParkedError` if nothing is parked and no definition is given,
        `RestoredElsewhereError` if it was restored by hand under another name, `NameTakenError`,
        `ConstraintConflictError`, `IntegrityError`, `MissingPrivilegeError`, `OfflineModeError` in
        `--sql` mode, `TransactionRequiredError` in an autocommit block and
        `UnsupportedDatabaseError` on a database that is not PostgreSQL.
        """
        report: RestoreReport | None = operations.invoke(
            cls(
                table_name,
                column,
                *elements,
                schema=schema,
                artifact=artifact,
                as_name=as_name,
                fill=fill,
                meanwhile=meanwhile,
                relax=relax,
                force=force,
            )
        )
        return report

    @classmethod
    def batch_restore_column(
        cls,
        operations: BatchOperations,
        column: str | sa.Column[Any],
        *elements: SchemaItem,
        artifact: str | None = None,
        as_name: str | None = None,
        fill: str | None = None,
        meanwhile: Mapping[str, str] | None = None,
        relax: bool = False,
        force: bool = False,
    ) -> RestoreReport | None:
        """Bring back a column of the batch's table.

        What the batch has queued before it runs first. A batch with `recreate="always"` is
        refused.

        .. seealso::

            `op.restore_column`
        """
        report: RestoreReport | None = operations.invoke(
            cls(
                operations.impl.table_name,
                column,
                *elements,
                schema=operations.impl.schema,
                artifact=artifact,
                as_name=as_name,
                fill=fill,
                meanwhile=meanwhile,
                relax=relax,
                force=force,
            )
        )
        return report


@Operations.implementation_for(RestoreColumnOp)
def restore_column(operations: Operations, operation: RestoreColumnOp) -> RestoreReport | None:
    # Here, because most runs restore nothing, and they take as long to import as all the rest.
    from alembic_zanith import recovery
    from alembic_zanith.artifacts import ArtifactStore

    from .empty_structure import add_empty_column
    from .restoring import find_source, restored_or_empty

    with parked_objects(operations, str(operation)) as (connection, workspace):
        store = ArtifactStore(connection, workspace)
        names = (operation.table_name, operation.column_name)
        schema = translated_schema(connection, operation.schema)
        source = find_source(connection, store, schema, *names)

        given = operation.meanwhile
        meanwhile = None if given is None else recovery.Meanwhile(**given)

        def restore(artifact: str | None) -> RestoreReport:
            return recovery.restore_column(
                connection,
                str(source),
                artifact=artifact,
                as_name=operation.as_name,
                fill=operation.fill,
                meanwhile=meanwhile,
                relax=operation.relax,
                force=operation.force,
                workspace=workspace,
            )

        add_empty = partial(add_empty_column, operations, connection, operation)
        return restored_or_empty(operations, operation, store, source, restore, add_empty)


@renderers.dispatch_for(RestoreColumnOp)
def render_restore_column(context: AutogenContext, operation: RestoreColumnOp) -> str:
    arguments = [] if context._has_batch else [name_literal(operation.table_name)]
    keywords = given_options(
        operation, "schema", "artifact", "as_name", "fill", "meanwhile", "relax", "force"
    )
    if context._has_batch:
        keywords.pop("schema", None)
    if operation.definition is None:
        arguments.append(name_literal(operation.column_name))
    else:
        arguments += rendered_elements(context, [operation.definition, *operation.elements])
    has_elements = operation.has_definition and bool(operation.elements)
    return call(context, operation.kind, arguments, keywords, one_per_line=has_elements)


@reads(RestoreColumnOp)
def changes(operation: RestoreColumnOp) -> Iterator[Change]:
    yield RestoreColumn(TableRef(operation.table_name, operation.schema), operation.column_name)
