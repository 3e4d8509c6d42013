"""Operations on whole tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes import tables
from alembic_zanith.risk.changes.rows import InsertRows
from alembic_zanith.risk.reading import reads

from .columns import parent_of


@reads(ops.CreateTableOp)
def create_table(operation: ops.CreateTableOp) -> Iterator[Change]:
    made = TableRef(operation.table_name, operation.schema)
    keys = [key for part in operation.columns for key in _foreign_keys(part)]
    parents = dict.fromkeys(parent for key in keys if (parent := parent_of(key)))
    parents.pop(made, None)
    above = operation.kw.get("postgresql_inherits") or ()
    prefixes = {str(each).upper() for each in operation.kw.get("prefixes", ())}
    yield tables.CreateTable(
        made,
        bool(operation.if_not_exists),
        tuple(parents),
        inherits=tuple(TableRef(each) for each in ([above] if isinstance(above, str) else above)),
        is_temporary=not prefixes.isdisjoint(("TEMPORARY", "TEMP")),
        ends_with_transaction=operation.kw.get("postgresql_on_commit") == "DROP",
        types=tuple(_types(operation)),
    )


def _types(operation: ops.CreateTableOp) -> Iterator[str]:
    """Yield the enums that are made along with a table, which fails where they are there already.

    https://docs.sqlalchemy.org/en/20/dialects/postgresql.html#sqlalchemy.dialects.postgresql.ENUM
    """
    for column in operation.columns:
        made = column.type if isinstance(column, sa.Column) else None
        if isinstance(made, sa.ARRAY):
            made = made.item_type
        if not isinstance(made, sa.Enum) or not made.name or made.metadata is not None:
            continue
        # Whether it follows its table into another schema differs by version of SQLAlchemy.
        is_plain = made.schema is not None or operation.schema is None
        if is_plain and made.native_enum and getattr(made, "create_type", True):
            yield str(TableRef(made.name, made.schema))


def _foreign_keys(part: Any) -> Iterator[sa.ForeignKey]:
    """Yield the foreign keys of a column, or those that a constraint is made of."""
    if isinstance(part, sa.Column):
        yield from (key for key in part.foreign_keys if not key.use_alter)
    elif isinstance(part, sa.ForeignKeyConstraint) and not part.use_alter:
        yield from part.elements


@reads(ops.DropTableOp)
def drop_table(operation: ops.DropTableOp) -> Iterator[Change]:
    yield tables.DropTable(TableRef(operation.table_name, operation.schema))


@reads(ops.RenameTableOp)
def rename_table(operation: ops.RenameTableOp) -> Iterator[Change]:
    table = TableRef(operation.table_name, operation.schema)
    yield tables.RenameTable(table, operation.new_table_name)


@reads(ops.CreateTableCommentOp, ops.DropTableCommentOp)
def comment(operation: ops.CreateTableCommentOp | ops.DropTableCommentOp) -> Iterator[Change]:
    yield tables.SetTableOptions(TableRef(operation.table_name, operation.schema))


@reads(ops.BulkInsertOp)
def bulk_insert(operation: ops.BulkInsertOp) -> Iterator[Change]:
    table = operation.table
    yield InsertRows(TableRef(table.name, getattr(table, "schema", None)))
