"""Constraints, in ALTER TABLE and behind a column."""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes import columns, constraints
from alembic_zanith.risk.changes.constraints import Check

from .parser import Node, enum_name, string
from .values import table


def add_constraint(on: TableRef, constraint: Node) -> Iterator[Change]:
    """Yield what adding a constraint to a table changes."""
    name = constraint.conname
    check = Check.NOT_VALID if constraint.skip_validation else Check.SCANS
    index = Check.USING_INDEX if constraint.indexname else Check.SCANS
    match enum_name(constraint, "contype"):
        case "CONSTR_PRIMARY":
            yield constraints.AddPrimaryKey(on, name, index)
        case "CONSTR_UNIQUE":
            yield constraints.AddUnique(on, name, index)
        case "CONSTR_EXCLUSION":
            yield constraints.AddExclusion(on, name)
        case "CONSTR_FOREIGN":
            yield constraints.AddForeignKey(on, name, check, table(constraint.pktable))
        case "CONSTR_CHECK":
            yield constraints.AddCheck(on, name, check)
        case "CONSTR_NOTNULL" if check is Check.NOT_VALID:
            yield constraints.AddCheck(on, name, check)
        case "CONSTR_NOTNULL":  # a constraint of the table, from PostgreSQL 18 on
            for key in constraint.keys:
                yield columns.SetNullable(on, string(key), nullable=False)
        case other:
            raise AssertionError(f"{other} is no constraint of a table.")
