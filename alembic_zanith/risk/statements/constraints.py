"""Constraints, in ALTER TABLE and behind a column."""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes import columns, constraints
from alembic_zanith.risk.changes.constraints import Check

from .conditions import column_with_value
from .parser import Node, enum_name, string
from .values import table


def _plain_keys(constraint: Node, column: str) -> tuple[str, ...]:
    """Return the columns of a constraint that is made of nothing else."""
    more = constraint.including or constraint.options or constraint.nulls_not_distinct
    if more or constraint.deferrable or constraint.without_overlaps or constraint.indexspace:
        return ()
    return tuple(string(key) for key in constraint.keys) or ((column,) if column else ())


def add_constraint(on: TableRef, constraint: Node, column: str = "") -> Iterator[Change]:
    """Yield what adding a constraint to a table, or to a new column of it, changes."""
    name = constraint.conname
    check = Check.NOT_VALID if constraint.skip_validation else Check.SCANS
    index = Check.USING_INDEX if constraint.indexname else Check.SCANS
    match enum_name(constraint, "contype"):
        case "CONSTR_PRIMARY":
            keys = _plain_keys(constraint, column)
            yield constraints.AddPrimaryKey(on, name, index, columns=keys)
        case "CONSTR_UNIQUE":
            keys = _plain_keys(constraint, column)
            yield constraints.AddUnique(on, name, index, columns=keys)
        case "CONSTR_EXCLUSION":
            yield constraints.AddExclusion(on, name)
        case "CONSTR_FOREIGN":
            yield constraints.AddForeignKey(on, name, check, table(constraint.pktable))
        case "CONSTR_CHECK":
            column = column_with_value(constraint.raw_expr)
            yield constraints.AddCheck(on, name, check, proves=column)
        case "CONSTR_NOTNULL" if check is Check.NOT_VALID:
            column = string(constraint.keys[0]) if constraint.keys else ""
            yield constraints.AddCheck(on, name, check, proves=column)
        case "CONSTR_NOTNULL":  # a constraint of the table, from PostgreSQL 18 on
            for key in constraint.keys:
                yield columns.SetNullable(on, string(key), nullable=False)
        case other:
            raise AssertionError(f"{other} is no constraint of a table.")
