"""How each change adds to what the plan has made, or takes from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes import (
    columns,
    constraints,
    indexes,
    objects,
    parking,
    reshaping,
    rows,
    tables,
)
from alembic_zanith.risk.changes.defined import Routine
from alembic_zanith.risk.changes.raw import EndTransaction, SetSearchPath

from .made import Made, NewColumn, NewIndex, Temporary

Note = Callable[[Made, Any, str], None]
_NOTES: dict[type[Change], Note] = {}
N = TypeVar("N", bound=Note)

# Drops of these name the arguments too, which decide what is meant.
_WITH_ARGUMENTS = {"function", "procedure", "routine", "aggregate", "operator"}


def note(made: Made, change: Change, revision: str) -> None:
    """Take down what a change makes, or takes away."""
    for cls in type(change).__mro__:
        if cls in _NOTES:
            _NOTES[cls](made, change, revision)
            return


def notes(*changes: type[Change]) -> Callable[[N], N]:
    """Register what changes of these classes make or take away."""

    def register(note: N) -> N:
        _NOTES.update(dict.fromkeys(changes, note))
        return note

    return register


@notes(tables.CreateTable)
def _create_table(made: Made, change: tables.CreateTable, revision: str) -> None:
    if change.is_foreign:
        # Its rows are those of another server, which were there before.
        made.forget_table(change.table)
        return
    if change.is_temporary:
        if not change.if_not_exists:
            made.temporary[change.table.name] = Temporary(revision, change.ends_with_transaction)
        return
    key = made.names.key(change.table)
    # With IF NOT EXISTS it may have been there all along.
    if not change.if_not_exists or key in made.gone:
        made.forget_table(change.table)
        made.tables[key] = revision
        made.gone.discard(key)
    for name in change.types:
        made.objects["type", name] = revision


@notes(tables.DropTable)
def _drop_table(made: Made, change: tables.DropTable, revision: str) -> None:
    if made.temporary_of(change.table, revision) is not None:
        del made.temporary[change.table.name]
        return
    made.forget_table(change.table)
    made.gone.add(made.names.key(change.table))


@notes(parking.SoftDropTable, parking.ArchiveTable)
def _park_table(made: Made, change: tables.TableChange, revision: str) -> None:
    made.forget_table(change.table)
    made.gone.add(made.names.key(change.table))


@notes(parking.RestoreTable)
def _restore_table(made: Made, change: parking.RestoreTable, revision: str) -> None:
    made.forget_table(change.table)
    made.gone.discard(made.names.key(change.table))


@notes(tables.RenameTable)
def _rename_table(made: Made, change: tables.RenameTable, revision: str) -> None:
    if (temporary := made.temporary_of(change.table, revision)) is not None:
        del made.temporary[change.table.name]
        made.temporary[change.new_name] = temporary
        return
    made.move(change.table, TableRef(change.new_name, change.table.schema))


@notes(tables.MoveTable)
def _move_table(made: Made, change: tables.MoveTable, revision: str) -> None:
    made.move(change.table, TableRef(change.table.name, change.new_schema))


@notes(tables.AttachPartition)
def _attach(made: Made, change: tables.AttachPartition, revision: str) -> None:
    # Rows of the child are rows of the table that it becomes a part of, and dropped with it.
    if made.table(change.child, revision) is None:
        made.forget_table(change.table)


@notes(columns.AddColumn)
def _add_column(made: Made, change: columns.AddColumn, revision: str) -> None:
    if not change.if_not_exists:
        _new_column(made, change, revision)


@notes(columns.AddGeneratedColumn)
def _new_column(made: Made, change: columns.ColumnChange, revision: str) -> None:
    key = made.names.key(change.table)
    made.columns.setdefault(key, {})[change.column] = NewColumn(revision)


@notes(
    columns.DropColumn,
    parking.SoftDropColumn,
    parking.ArchiveColumn,
    parking.RestoreColumn,
)
def _drop_column(made: Made, change: columns.ColumnChange, revision: str) -> None:
    made.columns_of(change.table).pop(change.column, None)


@notes(reshaping.SplitColumn)
def _split_column(made: Made, change: reshaping.SplitColumn, revision: str) -> None:
    _reshape(made, change, [change.column], change.into, revision)


@notes(reshaping.MergeColumns)
def _merge_columns(made: Made, change: reshaping.MergeColumns, revision: str) -> None:
    _reshape(made, change, change.columns, [change.into], revision)


def _reshape(
    made: Made,
    change: tables.TableChange,
    sources: Iterable[str],
    targets: Iterable[str],
    revision: str,
) -> None:
    known = made.columns.setdefault(made.names.key(change.table), {})
    for name in sources:
        known.pop(name, None)
    known.update((name, NewColumn(revision, is_filled=True)) for name in targets)


@notes(columns.RenameColumn)
def _rename_column(made: Made, change: columns.RenameColumn, revision: str) -> None:
    made.forget_proofs(made.names.key(change.table))
    known = made.columns_of(change.table)
    column = known.pop(change.column, None)
    known.pop(change.new_name, None)
    if column is not None:
        known[change.new_name] = column


@notes(rows.UpdateRows)
def _update(made: Made, change: rows.UpdateRows, revision: str) -> None:
    known = made.columns_of(change.table)
    for name in change.columns or known:
        if name in known:
            known[name].is_filled = True


@notes(rows.InsertRows, rows.Backfill)
def _fill(made: Made, change: tables.TableChange, revision: str) -> None:
    for column in made.columns_of(change.table).values():
        column.is_filled = True


@notes(indexes.AddIndex)
def _add_index(made: Made, change: indexes.AddIndex, revision: str) -> None:
    if change.name and change.table is not None and not change.if_not_exists:
        key = made.names.key(TableRef(change.name, change.table.schema))
        made.indexes[key] = NewIndex(revision, change.table)


@notes(indexes.DropIndex)
def _drop_index(made: Made, change: indexes.DropIndex, revision: str) -> None:
    made.indexes.pop(made.names.key(change.index), None)


@notes(
    constraints.AddUnique,
    constraints.AddPrimaryKey,
    constraints.AddExclusion,
    constraints.AddForeignKey,
    constraints.AddCheck,
)
def _add_constraint(made: Made, change: constraints.ConstraintChange, revision: str) -> None:
    parent = change.parent if isinstance(change, constraints.AddForeignKey) else None
    if parent is not None and made.table(change.table, revision) is None:
        made.referenced.add(made.names.key(parent))
    if isinstance(change, constraints.AddCheck) and change.proves:
        made.checks[made.names.key(change.table), change.name] = change.proves
        if change.check is constraints.Check.SCANS:
            _validated(made, change, revision)
    if change.name and not change.if_not_exists:
        known = made.constraints.setdefault(made.names.key(change.table), {})
        known[change.name] = revision


@notes(constraints.ValidateConstraint)
def _validated(made: Made, change: constraints.ConstraintChange, revision: str) -> None:
    key = made.names.key(change.table)
    column = made.checks.get((key, change.name))
    if column is not None:
        made.proven[key, column] = change.name


@notes(constraints.DropConstraint, constraints.DropUnique, constraints.DropForeignKey)
def _drop_constraint(made: Made, change: constraints.ConstraintChange, revision: str) -> None:
    key = made.names.key(change.table)
    made.constraints.get(key, {}).pop(change.name, None)
    column = made.checks.pop((key, change.name), "")
    made.proven.pop((key, column), None)


@notes(objects.CreateObject)
def _create_object(made: Made, change: objects.CreateObject, revision: str) -> None:
    if not change.if_not_exists and change.what not in _WITH_ARGUMENTS:
        made.objects[change.what, change.name] = revision
    if isinstance(change.defines, Routine):
        known = made.routines.setdefault(made.names.key(change.defines.name), {})
        known[change.defines.arguments] = revision


@notes(objects.DropObject)
def _drop_object(made: Made, change: objects.DropObject, revision: str) -> None:
    made.objects.pop((change.what, change.name), None)
    if change.what in _WITH_ARGUMENTS:
        made.routines.clear()  # whichever it was


@notes(objects.RenameObject)
def _rename_object(made: Made, change: objects.RenameObject, revision: str) -> None:
    made.objects.pop((change.what, change.name), None)
    if change.what in _WITH_ARGUMENTS:
        made.routines.clear()
    elif change.index is not None and change.renamed is not None:
        _rename_index(made, change.index, change.renamed)
    elif change.what == "index":
        made.indexes.clear()  # whichever has the old name from now on
    elif change.what == "table constraint":
        made.constraints.clear()


def _rename_index(made: Made, old: TableRef, new: TableRef) -> None:
    index = made.indexes.pop(made.names.key(old), None)
    made.indexes.pop(made.names.key(new), None)
    if index is not None:
        made.indexes[made.names.key(new)] = index
    # That of a constraint takes the constraint's name along.
    for known in made.constraints.values():
        known.pop(old.name, None)


@notes(objects.AlterObject)
def _alter_object(made: Made, change: objects.AlterObject, revision: str) -> None:
    if change.what == "session":  # DISCARD
        made.temporary.clear()


@notes(SetSearchPath)
def _set_search_path(made: Made, change: SetSearchPath, revision: str) -> None:
    outer = [*made.outer_schema, made.names.default_schema][:1] if change.is_local else []
    made.set_path(change.schema)
    made.outer_schema += outer


@notes(EndTransaction)
def _end_transaction(made: Made, change: EndTransaction, revision: str) -> None:
    if change.rolls_back:
        made.take_back()
    else:
        made.end_transaction()
