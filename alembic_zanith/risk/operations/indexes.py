"""Operations on indexes."""

from __future__ import annotations

from collections.abc import Iterator

from alembic.operations import ops
from sqlalchemy.sql.elements import ClauseElement

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
        columns=_plain_columns(operation),
    )


def _plain_columns(operation: ops.CreateIndexOp) -> tuple[str, ...]:
    """Return the columns of an index that is made of nothing else."""
    more = {key for key, value in operation.kw.items() if _is_given(value)} - {_CONCURRENTLY}
    columns = [each for each in operation.columns if isinstance(each, str)]
    return () if more or len(columns) < len(operation.columns) else tuple(columns)


def _is_given(value: object) -> bool:
    # A WHERE has no truth of its own: SQLAlchemy refuses to say if it is true.
    return isinstance(value, ClauseElement) or bool(value)


@reads(ops.DropIndexOp)
def drop_index(operation: ops.DropIndexOp) -> Iterator[Change]:
    table = operation.table_name
    yield indexes.DropIndex(
        str(operation.index_name),
        None if table is None else TableRef(str(table), operation.schema),
        bool(operation.kw.get(_CONCURRENTLY)),
        operation.schema,
    )
