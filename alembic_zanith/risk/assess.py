"""Assess an operation, or SQL that a script gives to a connection."""

from __future__ import annotations

from alembic.operations import MigrateOperation
from alembic.operations.ops import ExecuteSQLOp

from .assessment import Assessment
from .reading import changes_of, is_registered
from .statements import changes_in


def assess(name: str, operation: MigrateOperation) -> Assessment:
    """Return what an operation amounts to, before any fact is known.

    SQL that is written by hand says so in its reasons, whatever it does. So does an operation that
    nobody registered.

    >>> found = assess("execute", ExecuteSQLOp("DROP INDEX i"))
    >>> found.kind, [str(reason) for reason in found.reasons]
    ('drop_index', ['drops_index', 'raw_sql'])
    """
    is_raw = isinstance(operation, ExecuteSQLOp) or not is_registered(operation)
    return Assessment.of(name, changes_of(operation), is_raw=is_raw)


def assess_sql(name: str, sql: str) -> Assessment:
    """Return what a string of SQL amounts to, before any fact is known."""
    return Assessment.of(name, changes_in(sql), is_raw=True)
