"""Operations on indexes."""

from __future__ import annotations

from collections.abc import Iterator

from alembic.operations import ops

from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes import indexes
from alembic_zanith.risk.reading import reads

from .expressions import calls_of, given

_CONCURRENTLY = "postgresql_concurrently"


@reads(ops.CreateIndexOp)
def create_index(operation: ops.CreateIndexOp) -> Iterator[Change]:
    yield indexes.AddIndex(
        TableRef(operation.table_name, operation.schema),
        str(operation.index_name or ""),
        bool(operation.unique),
        bool(operation.kw.get(_CONCURRENTLY)),
        bool(operation.if_not_exists),
        columns=_plain_columns(operation),
    )
    yield from calls_of(*operation.columns, operation.kw.get("postgresql_where"))


def _plain_columns(operation: ops.CreateIndexOp) -> tuple[str, ...]:
    """Return the columns of an index that is made of nothing else."""
    more = given(operation.kw) - {_CONCURRENTLY}
    columns = [each for each in operation.columns if isinstance(each, str)]
    return () if more or len(columns) < len(operation.columns) else tuple(columns)


@reads(ops.DropIndexOp)
def drop_index(operation: ops.DropIndexOp) -> Iterator[Change]:
    table = operation.table_name
    yield indexes.DropIndex(
        str(operation.index_name),
        None if table is None else TableRef(str(table), operation.schema),
        bool(operation.kw.get(_CONCURRENTLY)),
        operation.schema,
    )
