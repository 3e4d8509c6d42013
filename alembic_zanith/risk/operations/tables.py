"""Operations on whole tables."""

from __future__ import annotations

from collections.abc import Iterator

from alembic.operations import ops

from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes import tables
from alembic_zanith.risk.changes.rows import InsertRows
from alembic_zanith.risk.reading import reads


@reads(ops.CreateTableOp)
def create_table(operation: ops.CreateTableOp) -> Iterator[Change]:
    yield tables.CreateTable(
        TableRef(operation.table_name, operation.schema), bool(operation.if_not_exists)
    )


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
