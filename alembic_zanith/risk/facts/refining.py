"""How a finding is refined by what the plan has made before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from alembic_zanith.risk.assessment import Finding
from alembic_zanith.risk.change import Change, Cost, Judgement, Lock, TableRef
from alembic_zanith.risk.changes import columns, constraints, indexes, objects, rows, tables
from alembic_zanith.risk.changes.defined import Routine
from alembic_zanith.risk.levels import Level

from .made import Made

Refine = Callable[[Made, Finding, Any, str], Finding]
_REFINERS: dict[type[Change], Refine] = {}
R = TypeVar("R", bound=Refine)


def refines(*changes: type[Any]) -> Callable[[R], R]:
    """Register how findings of changes of these classes are refined."""

    def register(refine: R) -> R:
        _REFINERS.update(dict.fromkeys(changes, refine))
        return refine

    return register


def refined(made: Made, finding: Finding, revision: str) -> Finding:
    """Return a finding as what the plan has made so far leaves it."""
    for cls in type(finding.change).__mro__:
        if cls in _REFINERS:
            return _REFINERS[cls](made, finding, finding.change, revision)
    return finding


def _safe(finding: Finding, fact: str, lock: Lock) -> Finding:
    return finding.refined(
        fact, Judgement(Level.SAFE, finding.judgement.reasons, lock, Cost.NOTHING)
    )


def _lock_on(made: Made, table: TableRef | None, finding: Finding, revision: str) -> Lock:
    """Return the lock of a finding; none on a table that nobody else can see yet."""
    is_new = table is not None and made.table(table, revision) is not None
    return Lock.NONE if is_new else finding.judgement.lock


def _created(table: TableRef, revision: str) -> str:
    return f"{table} is created by the same plan, in revision {revision}"


@refines(Change)
def on_new_table(made: Made, finding: Finding, change: Change, revision: str) -> Finding:
    """Nobody else has rows in a table that the same run creates, or waits for it."""
    maker = None if change.on is None else made.table(change.on, revision)
    if change.on is None or maker is None:
        return finding
    return _safe(finding, _created(change.on, maker), Lock.NONE)


@refines(rows.TruncateTable)
def truncated(made: Made, finding: Finding, change: rows.TruncateTable, revision: str) -> Finding:
    """With CASCADE tables that were there before may be emptied along with a new one."""
    return finding if change.cascade else on_new_table(made, finding, change, revision)


@refines(rows.DeleteRows)
def deleted(made: Made, finding: Finding, change: rows.DeleteRows, revision: str) -> Finding:
    """With ON DELETE CASCADE rows that were there before may go along with new ones."""
    if made.names.key(change.table) in made.referenced:
        return finding
    return on_new_table(made, finding, change, revision)


@refines(tables.CreateTable)
def created(made: Made, finding: Finding, change: tables.CreateTable, revision: str) -> Finding:
    """What a new table stands on is not locked for anybody if it is new as well."""
    old = replace(
        change,
        parents=tuple(each for each in change.parents if made.table(each, revision) is None),
        inherits=tuple(each for each in change.inherits if made.table(each, revision) is None),
        partition_of=change.partition_of
        if change.partition_of and made.table(change.partition_of, revision) is None
        else None,
    )
    if old.parents and not change.is_temporary:
        names = ", ".join(str(each) for each in old.parents)
        finding = finding.noted(f"writes to {names} wait until the transaction ends")
    if old == change:
        return finding
    above = [*change.parents, *change.inherits, *filter(None, [change.partition_of])]
    left = {*old.parents, *old.inherits, old.partition_of}
    new = ", ".join(str(each) for each in above if each not in left)
    return finding.refined(f"{new}: created by the same plan", old.judge(), old)


@refines(tables.AttachPartition)
def attached(
    made: Made, finding: Finding, change: tables.AttachPartition, revision: str
) -> Finding:
    """A new partition has no rows to read, and its table goes on."""
    maker = made.table(change.child, revision)
    if maker is None:
        return finding
    is_new = made.table(change.table, revision) is not None
    lock = Lock.NONE if is_new else Lock.SHARE_UPDATE_EXCLUSIVE
    return _safe(finding, _created(change.child, maker), lock)


@refines(constraints.AddForeignKey)
def foreign_key(
    made: Made, finding: Finding, change: constraints.AddForeignKey, revision: str
) -> Finding:
    """A new table has no row to be looked for in the parent, which is locked for a moment."""
    maker = made.table(change.table, revision)
    if maker is None:
        return finding
    fact = _created(change.table, maker)
    if change.parent is None or made.table(change.parent, revision) is not None:
        return _safe(finding, fact, Lock.NONE)
    fact += f"; writes to {change.parent} wait until the transaction ends"
    return _safe(finding, fact, finding.judgement.lock)


@refines(columns.DropColumn)
def dropped_column(
    made: Made, finding: Finding, change: columns.DropColumn, revision: str
) -> Finding:
    """A column that nobody has filled yet takes nothing along."""
    column = made.columns_of(change.table).get(change.column)
    if column is None or column.is_filled or made.temporary_of(change.table, revision):
        return on_new_table(made, finding, change, revision)
    fact = f"{change.subject} is added by the same plan, in {column.revision}, and never filled"
    return _safe(finding, fact, _lock_on(made, change.table, finding, revision))


@refines(columns.SetNullable)
def not_null(made: Made, finding: Finding, change: columns.SetNullable, revision: str) -> Finding:
    """Where a valid CHECK says the same, the table is not read.

    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL
    """
    check = made.proven.get((made.names.key(change.table), change.column))
    if change.nullable or check is None or made.table(change.table, revision) is not None:
        return on_new_table(made, finding, change, revision)
    found = finding.judgement
    fact = f"the constraint {check}, which the same plan validates, proves it: no row is read"
    return finding.refined(fact, Judgement(Level.LOW, found.reasons, found.lock))


@refines(columns.RenameColumn)
def renamed_column(
    made: Made, finding: Finding, change: columns.RenameColumn, revision: str
) -> Finding:
    """Nobody knows the name of a column that the same run adds."""
    column = made.columns_of(change.table).get(change.column)
    if column is None:
        return on_new_table(made, finding, change, revision)
    fact = f"{change.subject} is added by the same plan, in {column.revision}"
    return _safe(finding, fact, _lock_on(made, change.table, finding, revision))


@refines(rows.UpdateRows)
def updated(made: Made, finding: Finding, change: rows.UpdateRows, revision: str) -> Finding:
    """Values for new columns overwrite none: a backfill."""
    if made.table(change.table, revision) is not None:
        return on_new_table(made, finding, change, revision)
    new = made.columns_of(change.table)
    if not change.columns or not set(change.columns) <= set(new):
        return finding
    names = ", ".join(change.columns)
    fact = f"{names}: added by the same plan, in {new[change.columns[0]].revision}"
    backfill = rows.Backfill(change.table)
    return finding.refined(fact, backfill.judge(), backfill)


@refines(indexes.DropIndex)
def dropped_index(
    made: Made, finding: Finding, change: indexes.DropIndex, revision: str
) -> Finding:
    """No query relies on an index that the same run builds."""
    return _on_index(made, finding, change.index, revision)


@refines(constraints.DropConstraint, constraints.DropUnique, constraints.DropForeignKey)
def dropped_constraint(
    made: Made, finding: Finding, change: constraints.ConstraintChange, revision: str
) -> Finding:
    """Nobody relies on a rule that the same run adds."""
    maker = made.constraints.get(made.names.key(change.table), {}).get(change.name)
    if maker is None:
        return on_new_table(made, finding, change, revision)
    lock = _lock_on(made, change.table, finding, revision)
    return _safe(finding, _built(change.subject, maker), lock)


@refines(objects.DropObject)
def dropped_object(
    made: Made, finding: Finding, change: objects.DropObject, revision: str
) -> Finding:
    """Nobody uses an object that the same run creates; what CASCADE takes may be older."""
    refine = on_new_table if change.cascade else altered_object
    return refine(made, finding, change, revision)


@refines(objects.AlterObject, objects.AddEnumValue)
def altered_object(
    made: Made, finding: Finding, change: objects.ObjectChange, revision: str
) -> Finding:
    """Nobody knows an object that the same run creates."""
    maker = made.objects.get((change.what, change.name))
    if maker is None:
        return on_new_table(made, finding, change, revision)
    lock = _lock_on(made, change.table, finding, revision)
    return _safe(finding, _built(change.subject, maker), lock)


@refines(objects.RenameObject)
def renamed_object(
    made: Made, finding: Finding, change: objects.RenameObject, revision: str
) -> Finding:
    """Nobody knows the name of an object that the same run creates."""
    if change.index is None:
        return altered_object(made, finding, change, revision)
    return _on_index(made, finding, change.index, revision)


def _on_index(made: Made, finding: Finding, index: TableRef, revision: str) -> Finding:
    maker = made.indexes.get(made.names.key(index))
    if maker is None:
        return on_new_table(made, finding, finding.change, revision)
    lock = _lock_on(made, maker.table, finding, revision)
    return _safe(finding, _built(finding.change.subject, maker.revision), lock)


@refines(objects.ReplaceObject)
def replaced_object(
    made: Made, finding: Finding, change: objects.ReplaceObject, revision: str
) -> Finding:
    """Nobody has called a function yet that the same run has defined."""
    if not isinstance(change.defines, Routine):
        return altered_object(made, finding, change, revision)
    known = made.routines.get(made.names.key(change.defines.name), {})
    maker = known.get(change.defines.arguments)
    if maker is None:
        return finding
    return _safe(finding, _built(change.subject, maker), finding.judgement.lock)


def _built(subject: str, revision: str) -> str:
    return f"{subject} is made by the same plan, in revision {revision}"
