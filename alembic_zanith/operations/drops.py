"""What the four operations that park something have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import Operations
from alembic.operations.ops import (
    CreateTableOp,
    DropColumnOp,
    DropTableOp,
    MigrateOperation,
)

from alembic_zanith.config import DEFAULT_RETENTION_DAYS, parse_retention_days
from alembic_zanith.errors import ConfigurationError
from alembic_zanith.sql import translated_schema

from .naming import check_names
from .rendering import drop_column_call, drop_table_call
from .restore_column import RestoreColumnOp
from .restore_table import RestoreTableOp
from .running import log_parked, parked_objects

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import BatchOperations
    from sqlalchemy.schema import SchemaItem

    from alembic_zanith.artifacts import Artifact


def checked_retention(kind: str, days: int | None) -> int | None:
    """Return the number of days, or refuse what is none."""
    try:
        return parse_retention_days(days)
    except ValueError as error:
        raise ConfigurationError(f"{kind}: retention_days={days!r} {error}") from None


class DropColumnOperation(MigrateOperation):
    """Parks one column. `column` and `elements` are its definition, where autogenerate saw it."""

    kind: ClassVar[str]
    """Also the name of the function of `alembic_zanith.recovery` that does it."""

    def __init__(
        self,
        table_name: str,
        column_name: str,
        *,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
        column: sa.Column[Any] | None = None,
        elements: Sequence[SchemaItem] = (),
    ) -> None:
        check_names(self.kind, table_name=table_name, column_name=column_name)
        self.table_name = table_name
        self.schema = schema
        self.column_name = column_name
        self.retention_days = checked_retention(self.kind, retention_days)
        self.column = column
        self.elements = tuple(elements)

    @classmethod
    def from_drop(
        cls,
        drop: DropColumnOp,
        elements: Sequence[SchemaItem] = (),
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
    ) -> Self:
        """Return the operation that parks what `drop` would have dropped."""
        return cls(
            drop.table_name,
            drop.column_name,
            schema=drop.schema,
            retention_days=retention_days,
            column=drop.to_column(),
            elements=elements,
        )

    @classmethod
    def _in_batch(
        cls,
        operations: BatchOperations,
        column_name: str,
        retention_days: int | None,
        **options: Any,
    ) -> Artifact:
        table = operations.impl
        artifact: Artifact = operations.invoke(
            cls(
                table.table_name,
                column_name,
                schema=table.schema,
                retention_days=retention_days,
                **options,
            )
        )
        return artifact

    @property
    def options(self) -> dict[str, object]:
        """What was asked for beyond names and retention, for rendering."""
        return {}

    def __str__(self) -> str:
        return f"{self.kind}({str(self.table_name)!r}, {str(self.column_name)!r})"

    def reverse(self) -> RestoreColumnOp:
        """Return the restore, with the definition to fall back on."""
        return RestoreColumnOp(
            self.table_name,
            self.column_name if self.column is None else self.column,
            *self.elements,
            schema=self.schema,
            _reverse=self,
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, sa.Column[Any]]:
        """Return what Alembic's own drop does, for `alembic check` and `compare_metadata`."""
        drop = DropColumnOp(self.table_name, self.column_name, schema=self.schema)
        column = drop.to_column() if self.column is None else self.column
        return ("remove_column", self.schema, self.table_name, column)


class DropTableOperation(MigrateOperation):
    """Parks one table. `definition` and `indexes` are what autogenerate saw of it."""

    kind: ClassVar[str]
    """Also the name of the function of `alembic_zanith.recovery` that does it."""

    def __init__(
        self,
        table_name: str,
        *,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
        definition: CreateTableOp | None = None,
        indexes: Sequence[sa.Index] = (),
    ) -> None:
        check_names(self.kind, table_name=table_name)
        self.table_name = table_name
        self.schema = schema
        self.retention_days = checked_retention(self.kind, retention_days)
        self.definition = definition
        self.indexes = tuple(indexes)

    @classmethod
    def from_drop(
        cls,
        drop: DropTableOp,
        indexes: Sequence[sa.Index] = (),
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
    ) -> Self:
        """Return the operation that parks what `drop` would have dropped."""
        definition = drop.reverse()
        is_known = any(isinstance(item, sa.Column) for item in definition.columns)
        return cls(
            drop.table_name,
            schema=drop.schema,
            retention_days=retention_days,
            definition=definition if is_known else None,
            indexes=indexes,
        )

    def __str__(self) -> str:
        return f"{self.kind}({str(self.table_name)!r})"

    def reverse(self) -> RestoreTableOp:
        """Return the restore, with the definition to fall back on."""
        if self.definition is None:
            return RestoreTableOp(self.table_name, schema=self.schema, _reverse=self)
        return RestoreTableOp.from_definition(self.definition, self.indexes, reverse=self)

    def to_diff_tuple(self) -> tuple[str, sa.Table]:
        """Return what Alembic's own drop does, for `alembic check` and `compare_metadata`."""
        definition = self.definition or CreateTableOp(self.table_name, [], schema=self.schema)
        return ("remove_table", definition.to_table())


# Alembic finds these for the classes of single operations as well, which are derived from them.


@Operations.implementation_for(DropColumnOperation)
def park_column(operations: Operations, operation: DropColumnOperation) -> Artifact:
    return _park(operations, operation, operation.table_name, operation.column_name)


@Operations.implementation_for(DropTableOperation)
def park_table(operations: Operations, operation: DropTableOperation) -> Artifact:
    return _park(operations, operation, operation.table_name)


def _park(
    operations: Operations, operation: DropColumnOperation | DropTableOperation, *names: str
) -> Artifact:
    # Here, because most runs park nothing, and it takes as long to import as all the rest.
    from alembic_zanith import recovery

    park: Callable[..., Artifact] = getattr(recovery, operation.kind)
    with parked_objects(operations, str(operation)) as (connection, workspace):
        artifact = park(
            connection,
            *names,
            schema=translated_schema(connection, operation.schema),
            retention_days=operation.retention_days,
            workspace=workspace,
        )
    log_parked(artifact)
    return artifact


@renderers.dispatch_for(DropColumnOperation)
def render_column(context: AutogenContext, operation: DropColumnOperation) -> str:
    return drop_column_call(context, operation)


@renderers.dispatch_for(DropTableOperation)
def render_table(context: AutogenContext, operation: DropTableOperation) -> str:
    return drop_table_call(context, operation)
