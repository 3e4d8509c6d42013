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
    )


def _foreign_keys(part: Any) -> Iterator[sa.ForeignKey]:
    """Yield the foreign keys of a column, or those that a constraint is made of."""
    if isinstance(part, sa.Column):
        yield from part.foreign_keys
    elif isinstance(part, sa.ForeignKeyConstraint):
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
