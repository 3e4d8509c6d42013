"""`destructive_ops = protect`: a drop that a script calls parks what it would have dropped."""

from __future__ import annotations

import re

from alembic.operations import MigrateOperation
from alembic.operations.ops import DropColumnOp, DropTableOp, ExecuteSQLOp

from alembic_zanith.operations.soft_drop_column import SoftDropColumnOp
from alembic_zanith.operations.soft_drop_table import SoftDropTableOp
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.columns import DropColumn
from alembic_zanith.risk.changes.tables import DropTable
from alembic_zanith.risk.plan_facts import PlanFacts
from alembic_zanith.risk.reading import changes_of

_PLAIN_DROP = re.compile(
    r"(\s|--[^\n]*\n|/\*.*?\*/)*(DROP\s+TABLE|ALTER\s+TABLE)\b", re.IGNORECASE | re.DOTALL
)

Parking = SoftDropColumnOp | SoftDropTableOp


def protect(
    operation: MigrateOperation, facts: PlanFacts, *, retention_days: int | None
) -> MigrateOperation:
    """Return the operation that parks what this one would drop, else this one.

    What the same run has made is dropped all the same: nothing of anybody's is in it.
    """
    if not isinstance(operation, DropColumnOp | DropTableOp | ExecuteSQLOp):
        return operation
    if isinstance(operation, ExecuteSQLOp) and not is_plain_drop(str(operation.sqltext)):
        return operation
    return parking(changes_of(operation), facts, retention_days) or operation


def is_plain_drop(statement: str) -> bool:
    """Whether SQL is a drop itself, not a block or a function that may come to one.

    >>> is_plain_drop("DROP TABLE t"), is_plain_drop("DO $$ BEGIN DROP TABLE t; END $$")
    (True, False)
    """
    return _PLAIN_DROP.match(statement) is not None


def parking(
    changes: tuple[Change, ...], facts: PlanFacts, retention_days: int | None
) -> Parking | None:
    """Return the operation that parks what the changes drop, if that is all that they do.

    `DROP TABLE t` and `ALTER TABLE t DROP COLUMN c` are; what drops several things is not, nor
    what drops with CASCADE.
    """
    if len(changes) != 1:
        return None
    (change,) = changes
    if not isinstance(change, DropTable | DropColumn) or _cascades(change):
        return None
    if facts.has_made(change.table):
        return None
    table = change.table
    if isinstance(change, DropColumn):
        return SoftDropColumnOp(
            table.name, change.column, schema=table.schema, retention_days=retention_days
        )
    return SoftDropTableOp(table.name, schema=table.schema, retention_days=retention_days)


def _cascades(change: DropTable | DropColumn) -> bool:
    return isinstance(change, DropTable) and change.cascade
