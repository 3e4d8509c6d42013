"""`op.restore_table`: a soft-dropped or archived table comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import Operations
from alembic.operations.ops import CreateTableOp, MigrateOperation

from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.parking import RestoreTable
from alembic_zanith.risk.reading import reads
from alembic_zanith.sql import translated_schema

from .registry import operation
from .rendering import call, given_options, name_literal, rendered_elements
from .running import parked_objects

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.schema import SchemaItem

    from alembic_zanith.recovery import RestoreReport


@operation("restore_table")
class RestoreTableOp(MigrateOperation):
    """Represent the return of a table. `elements` are its definition, if there are any."""

    kind = "restore_table"

    def __init__(
        self,
        table_name: str,
        *elements: SchemaItem,
        schema: str | None = None,
        artifact: str | None = None,
        as_name: str | None = None,
        relax: bool = False,
        force: bool = False,
        comment: str | None = None,
        _reverse: MigrateOperation | None = None,
        **table_options: Any,
    ) -> None:
        self.table_name = table_name
        self.schema = schema
        self.elements = elements
        self.artifact = artifact
        self.as_name = as_name
        self.relax = relax
        self.force = force
        self.comment = comment
        self.table_options = table_options
        self._reverse = _reverse
        self._namespace: sa.MetaData | None = None

    @classmethod
    def from_definition(
        cls, definition: CreateTableOp, indexes: Sequence[sa.Index], reverse: MigrateOperation
    ) -> RestoreTableOp:
        """Return the restore of a table whose definition autogenerate saw."""
        restore = cls(
            definition.table_name,
            *definition.columns,
            *indexes,
            schema=definition.schema,
            comment=definition.comment,
            _reverse=reverse,
            **definition.kw,
        )
        restore._namespace = definition._namespace_metadata
        return restore

    def __str__(self) -> str:
        return f"{self.kind}({str(self.table_name)!r})"

    @property
    def has_definition(self) -> bool:
        """Whether the table can be made empty where nothing is parked."""
        return bool(self.elements)

    @property
    def indexes(self) -> list[sa.Index]:
        """The indexes of the definition."""
        return [element for element in self.elements if isinstance(element, sa.Index)]

    def create_op(self) -> CreateTableOp:
        """Return Alembic's own operation for the definition, without its indexes."""
        return CreateTableOp(
            self.table_name,
            [element for element in self.elements if not isinstance(element, sa.Index)],
            schema=self.schema,
            comment=self.comment,
            _namespace_metadata=self._namespace,
            _constraints_included=True,
            **self.table_options,
        )

    def reverse(self) -> MigrateOperation:
        """Return the operation that parks the table again: the one it came from, if known."""
        if self._reverse is not None:
            return self._reverse
        # That module imports this one.
        from .soft_drop_table import SoftDropTableOp

        return SoftDropTableOp(
            self.as_name or self.table_name,
            schema=self.schema,
            definition=self.create_op() if self.has_definition else None,
            indexes=self.indexes,
        )

    def to_diff_tuple(self) -> tuple[str, sa.Table]:
        """Return what Alembic's own create does, for `alembic check` and `compare_metadata`."""
        return ("add_table", self.create_op().to_table())

    @classmethod
    def restore_table(
        cls,
        operations: Operations,
        table_name: str,
        *elements: SchemaItem,
        schema: str | None = None,
        artifact: str | None = None,
        as_name: str | None = None,
        relax: bool = False,
        force: bool = False,
        comment: str | None = None,
        **table_options: Any,
    ) -> RestoreReport | None:
        """Bring back a table that `op.soft_drop_table` or `op.archive_table` parked.

        e.g.::

            op.restore_table("audit_log")

        Autogenerate writes the definition that it saw, too::

            op.restore_table('audit_log',
            sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
            sa.Column('message', sa.Text(), nullable=True),
            sa.PrimaryKeyConstraint('id', name=op.f('audit_log_pkey')),
            sa.Index(op.f('ix_audit_log_message'), 'message', unique=False)
            )

        A downgrade() takes what its own revision has parked, or what was parked by hand; `artifact`
        asks for another. The definition counts only when there is none, as after a purge: the table
        then comes back empty, with a warning. Otherwise everything comes back as it was when the
        table went away, indexes, constraints and sequences included, and what is parked is verified
        before anything is written. A foreign key whose parent rows are gone comes back NOT VALID,
        and a warning says how many rows and which ones.

        :param table_name: name of the table.
        :param elements: columns, constraints and indexes: the definition.
        :param schema: schema of the table; by default the search path finds it.
        :param artifact: id of the artifact, or the beginning of it, when the latest one is not
         the right one.
        :param as_name: name to come back under, when the old one is taken.
        :param relax: come back without constraints that cannot be had any more; a warning names
         them.
        :param force: come back even though the checksum does not match.
        :param comment: comment of the table, part of the definition.
        :param table_options: further options of `sqlalchemy.Table`, part of the definition, such
         as `postgresql_partition_by`.
        :return: the :class:`.RestoreReport`, or None if the table came back empty.

        Raises `NothingParkedError` if nothing is parked and no definition is given,
        `RestoredElsewhereError` if it was restored by hand under another name, `NameTakenError`,
        `IntegrityError`, `MissingPrivilegeError`, `OfflineModeError` in `--sql` mode,
        `TransactionRequiredError` in an autocommit block and `UnsupportedDatabaseError` on a
        database that is not PostgreSQL.
        """
        report: RestoreReport | None = operations.invoke(
            cls(
                table_name,
                *elements,
                schema=schema,
                artifact=artifact,
                as_name=as_name,
                relax=relax,
                force=force,
                comment=comment,
                **table_options,
            )
        )
        return report


@Operations.implementation_for(RestoreTableOp)
def restore_table(operations: Operations, operation: RestoreTableOp) -> RestoreReport | None:
    # Here, because most runs restore nothing, and they take as long to import as all the rest.
    from alembic_zanith import recovery
    from alembic_zanith.artifacts import ArtifactStore

    from .empty_structure import create_empty_table
    from .restoring import find_source, restored_or_empty

    with parked_objects(operations, str(operation)) as (connection, workspace):
        store = ArtifactStore(connection, workspace)
        schema = translated_schema(connection, operation.schema)
        source = find_source(connection, store, schema, operation.table_name)

        def restore(artifact: str | None) -> RestoreReport:
            return recovery.restore_table(
                connection,
                str(source),
                artifact=artifact,
                as_name=operation.as_name,
                relax=operation.relax,
                force=operation.force,
                workspace=workspace,
            )

        create_empty = partial(create_empty_table, operations, connection, operation)
        return restored_or_empty(operations, operation, store, source, restore, create_empty)


@renderers.dispatch_for(RestoreTableOp)
def render_restore_table(context: AutogenContext, operation: RestoreTableOp) -> str:
    # As Alembic's own renderer of op.create_table does it, from the table that it will make.
    table = operation.create_op().to_table()
    for index in operation.indexes:
        if index.table is None:
            table.append_constraint(index)
    elements = [*table.columns, *table.constraints, *operation.indexes]
    arguments = [
        name_literal(operation.table_name),
        *rendered_elements(context, elements, operation._namespace),
    ]
    keywords = given_options(
        operation, "schema", "artifact", "as_name", "relax", "force", "comment"
    )
    keywords.update(sorted(operation.table_options.items()))
    return call(context, operation.kind, arguments, keywords, one_per_line=operation.has_definition)


@reads(RestoreTableOp)
def changes(operation: RestoreTableOp) -> Iterator[Change]:
    yield RestoreTable(TableRef(operation.table_name, operation.schema))
