"""Operations on indexes."""

from __future__ import annotations

from collections.abc import Iterator

from alembic.operations import ops

from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes import indexes
from alembic_zanith.risk.reading import reads

_CONCURRENTLY = "postgresql_concurrently"


@reads(ops.CreateIndexOp)
def create_index(operation: ops.CreateIndexOp) -> Iterator[Change]:
    yield indexes.AddIndex(
        TableRef(operation.table_name, operation.schema),
        str(operation.index_name or ""),
        bool(operation.unique),
        bool(operation.kw.get(_CONCURRENTLY)),
        bool(operation.if_not_exists),
    )


@reads(ops.DropIndexOp)
def drop_index(operation: ops.DropIndexOp) -> Iterator[Change]:
    table = operation.table_name
    yield indexes.DropIndex(
        str(operation.index_name),
        None if table is None else TableRef(str(table), operation.schema),
        bool(operation.kw.get(_CONCURRENTLY)),
        operation.schema,
    )
