"""op.execute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError
from sqlalchemy.sql.elements import ClauseElement

from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.raw import RawSql
from alembic_zanith.risk.reading import reads
from alembic_zanith.risk.statements import changes_in

# Parameters as $1, which PostgreSQL's grammar knows.
_DIALECT = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


@reads(ops.ExecuteSQLOp)
def execute(operation: ops.ExecuteSQLOp) -> Iterator[Change]:
    yield from changes_in_clause(operation.sqltext)


def changes_in_clause(clause: Any) -> Iterator[Change]:
    """Yield what a string of SQL changes, or a construct of SQLAlchemy."""
    if isinstance(clause, str) and ":" in clause:
        clause = sa.text(clause)  # as Alembic does: `:name` is a parameter, and `\:` a colon
    if isinstance(clause, ClauseElement):
        try:
            # The parameters of IN are written out, for nothing else would be SQL.
            clause = clause.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        except CompileError as error:
            yield RawSql(str(clause)[:80], f"SQLAlchemy cannot write it as SQL here: {error}")
            return
    yield from changes_in(str(clause))
