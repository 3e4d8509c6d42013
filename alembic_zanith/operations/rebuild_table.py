"""`op.rebuild_table`: a table is built anew in another shape and takes the old one's place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.autogenerate import render, renderers
from alembic.operations import Operations
from alembic.operations.ops import MigrateOperation

from alembic_zanith.config import DEFAULT_RETENTION_DAYS
from alembic_zanith.errors import ConfigurationError
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.reshaping import RebuildTable
from alembic_zanith.risk.reading import reads

from .drops import checked_retention
from .naming import check_names
from .pacing import DEFAULT_BATCH_SIZE, checked_batch_size, checked_key, checked_pause
from .registry import operation
from .rendering import name_literal
from .restore_table import RestoreTableOp
from .running import log

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

    from alembic_zanith.artifacts import Artifact


@operation("rebuild_table")
class RebuildTableOp(MigrateOperation):
    """Represent the rebuild of a table; `columns` are names, or columns with a definition."""

    kind = "rebuild_table"

    def __init__(
        self,
        table_name: str,
        *,
        columns: Sequence[str | sa.Column[Any]],
        select: Mapping[str, str] | None = None,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
        batch_size: int = DEFAULT_BATCH_SIZE,
        pause: float = 0,
        key: str | Sequence[str] | None = None,
    ) -> None:
        check_names(self.kind, table_name=table_name)
        self.table_name = table_name
        self.schema = schema
        self.columns = _checked_columns(table_name, columns)
        self.select = _checked_select(table_name, select, self.column_names)
        self.retention_days = checked_retention(self.kind, retention_days)
        self.batch_size = checked_batch_size(self.kind, table_name, batch_size)
        self.pause = checked_pause(self.kind, table_name, pause)
        self.key = checked_key(self.kind, table_name, key)

    @property
    def column_names(self) -> list[str]:
        """The names of the new columns, in their order."""
        return [_name(column) for column in self.columns]

    def __str__(self) -> str:
        return f"{self.kind}({str(self.table_name)!r})"

    def reverse(self) -> RestoreTableOp:
        """Return the operation that says why the old table does not come back."""
        return RestoreTableOp(self.table_name, schema=self.schema, _reverse=self)

    def to_diff_tuple(self) -> tuple[str, str | None, str, list[str]]:
        """Return what it is, for `compare_metadata`; autogenerate itself writes no rebuild."""
        return (self.kind, self.schema, self.table_name, self.column_names)

    @classmethod
    def rebuild_table(
        cls,
        operations: Operations,
        table_name: str,
        *,
        columns: Sequence[str | sa.Column[Any]],
        select: Mapping[str, str] | None = None,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
        batch_size: int = DEFAULT_BATCH_SIZE,
        pause: float = 0,
        key: str | Sequence[str] | None = None,
    ) -> Artifact | None:
        """Build a table anew with other columns, copy its rows, and put it in the old one's place.

        e.g.::

            def upgrade():
                op.rebuild_table(
                    "orders",
                    columns=[
                        sa.Column("id", sa.BigInteger(), primary_key=True),
                        "customer_id",
                        sa.Column("total", sa.Numeric(14, 2), nullable=False),
                        sa.Column("currency", sa.Text(), nullable=False, server_default="EUR"),
                    ],
                    select={"total": "total_cents / 100.0"},
                )

            def downgrade():
                op.restore_table("orders")  # refuses, and says why

        A name stands for the column as it is; `sa.Column` is a whole definition, as in
        `op.create_table`. What hung on the old table is made again for the new one: keys, indexes,
        checks, foreign keys both ways, sequences with their values, defaults, triggers, policies,
        privileges and the rest. A column that is not listed is gone, with the indexes and
        constraints on it alone.

        In a transaction others read the table and wait with writes while rows are copied. Where
        each statement is committed by itself, as in `autocommit_block()`, they read and write: the
        table is walked by its key in batches, a trigger notes what others do, and the new table
        catches up with it. Killed at any point, the next upgrade goes on there. Either way
        everybody waits while the two are swapped, which takes a moment. The old table is kept in
        the archive schema for inspection and export (`alembic zanith-recover`), and is not brought
        back.

        :param table_name: name of the table.
        :param columns: the new columns in their order: names, and `sa.Column` with a definition.
        :param select: SQL expressions over the old row by the name of the new column; the default
         is the old column of that name, or where there is none the new column's default.
        :param schema: schema of the table; by default the search path finds it.
        :param retention_days: days until `alembic zanith-recover cleanup` may purge the old table,
         30 by default; None keeps it for ever. Nothing is purged by itself.
        :param batch_size: rows that one batch reads, 10,000 by default; this and the following are
         for autocommit.
        :param pause: seconds between two batches, 0 by default.
        :param key: column or columns of the unique key to walk by; by default the primary key, or
         another unique key whose columns are NOT NULL.
        :return: the :class:`.Artifact` that says where the old table is; None where an earlier run
         of the script has done it in autocommit and failed later, and the old table is purged.

        Raises `UnknownObjectError` for a table or column that does not exist,
        `DependentObjectsError` where a view or another object needs the old table,
        `RebuildError` where a column, an expression, a row or an index does not go with the new
        shape, with the row, `ConfigurationError` for what cannot be meant, `NotDroppableError` for
        partitions and heirs, `NoKeyError` and `UnusableKeyError` for a table that cannot be walked,
        `MissingPrivilegeError`, `OfflineModeError` in `--sql` mode and `UnsupportedDatabaseError`
        on a database that is not PostgreSQL.
        """
        artifact: Artifact | None = operations.invoke(
            cls(
                table_name,
                columns=columns,
                select=select,
                schema=schema,
                retention_days=retention_days,
                batch_size=batch_size,
                pause=pause,
                key=key,
            )
        )
        return artifact


def _name(column: str | sa.Column[Any]) -> str:
    return str(column.name) if isinstance(column, sa.Column) else str(column)


def _wrong(table_name: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"rebuild_table({str(table_name)!r}): {what}.")


def _checked_columns(table_name: str, given: object) -> tuple[str | sa.Column[Any], ...]:
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise _wrong(
            table_name,
            "columns= is not a list of the new columns, as in "
            "columns=['id', sa.Column('total', sa.Numeric(14, 2))]",
        )
    for column in given:
        if not isinstance(column, str | sa.Column):
            raise _wrong(table_name, f"{column!r} in columns= is neither a name nor an sa.Column")
        if isinstance(column, sa.Column) and column.name is None:
            raise _wrong(table_name, "an sa.Column in columns= has no name")
    names = [_name(column) for column in given]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _wrong(table_name, f"columns= has {', '.join(map(repr, twice))} more than once")
    return tuple(given)


def _checked_select(table_name: str, given: object, names: Sequence[str]) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(
        isinstance(text, str) and text.strip() for pair in given.items() for text in pair
    ):
        raise _wrong(
            table_name,
            "select= is not a dict of columns with an SQL expression each, as in "
            "select={'total': 'total_cents / 100.0'}",
        )
    unknown = [name for name in given if name not in names]
    if unknown:
        raise _wrong(
            table_name, f"select= has {', '.join(map(repr, unknown))}, which columns= has not"
        )
    return {str(name): str(text) for name, text in given.items()}


@Operations.implementation_for(RebuildTableOp)
def rebuild_table(operations: Operations, operation: RebuildTableOp) -> Artifact | None:
    # Here, because most runs rebuild nothing.
    from .rebuilding import rebuilt

    artifact = rebuilt(operations, operation)
    if artifact is None:
        log.info("%s was done by an earlier run; its old table is purged.", operation)
        return None
    log.info(
        "%s is rebuilt with %s rows; the old table is kept as %s (artifact %s)",
        artifact.source,
        f"{artifact.row_count:,}",
        artifact.parked,
        artifact.id,
    )
    return artifact


@renderers.dispatch_for(RebuildTableOp)
def render_rebuild_table(context: AutogenContext, operation: RebuildTableOp) -> str:
    columns = [
        render._render_column(column, context)
        if isinstance(column, sa.Column)
        else name_literal(column)
        for column in operation.columns
    ]
    listing = "".join(f"{column},\n" for column in columns)
    lines = [name_literal(operation.table_name), f"columns=[\n{listing}]"]
    if operation.select:
        selects = "".join(f"{name!r}: {text!r},\n" for name, text in operation.select.items())
        lines.append(f"select={{\n{selects}}}")
    if operation.schema:
        lines.append(f"schema={str(operation.schema)!r}")
    if operation.retention_days != DEFAULT_RETENTION_DAYS:
        lines.append(f"retention_days={operation.retention_days!r}")
    if operation.batch_size != DEFAULT_BATCH_SIZE:
        lines.append(f"batch_size={operation.batch_size!r}")
    if operation.pause:
        lines.append(f"pause={operation.pause!r}")
    if operation.key is not None:
        lines.append(f"key={(operation.key[0] if len(operation.key) == 1 else operation.key)!r}")
    inside = ",\n".join(lines)
    return f"{render._alembic_autogenerate_prefix(context)}{operation.kind}({inside}\n)"


@reads(RebuildTableOp)
def changes(operation: RebuildTableOp) -> Iterator[Change]:
    yield RebuildTable(TableRef(operation.table_name, operation.schema))
