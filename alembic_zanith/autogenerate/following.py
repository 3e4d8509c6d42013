"""What follows a rename by itself.

Indexes, constraints and foreign keys from other tables refer to a column or table by its number, so
that they go along with a rename, under their own names. Alembic compares by names, and has dropped
and created them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import sqlalchemy as sa
from alembic.operations.ops import (
    AddColumnOp,
    AddConstraintOp,
    CreateIndexOp,
    DropColumnOp,
    DropConstraintOp,
    DropIndexOp,
    DropTableOp,
    MigrateOperation,
    ModifyTableOps,
)
from alembic.util.sqla_compat import _get_constraint_final_name

from .catalog import Table
from .rename_operations import RenameOnTable
from .shapes import Names, Shapes

if TYPE_CHECKING:
    from sqlalchemy.schema import SchemaItem

Element: TypeAlias = sa.Index | sa.Constraint
Drop: TypeAlias = DropIndexOp | DropConstraintOp


@dataclass(frozen=True)
class OnTable:
    """One operation of the list that creates or drops an index or a constraint."""

    operation: MigrateOperation
    element: Element
    table: Table
    schema: str | None
    """As the models and the operations have it, None for the default one."""


@dataclass(frozen=True)
class Inside:
    """Constraints of one table that no operation of their own creates or drops, before and after.

    Such are primary keys, and all constraints where the table itself is dropped and created.
    """

    table: Table
    schema: str | None
    old: Sequence[SchemaItem]
    new: Sequence[SchemaItem]


@dataclass
class Following:
    """Operations that a rename makes needless, and renames of indexes and constraints with it.

    `staying` are drops that speak of what is renamed and are needed all the same.
    """

    needless: list[OnTable] = field(default_factory=list)
    renames: list[RenameOnTable] = field(default_factory=list)
    staying: list[OnTable] = field(default_factory=list)


class Changes:
    """The operations of a list at one moment, as far as renames have to do with them."""

    def __init__(self, operations: Sequence[MigrateOperation], shapes: Shapes) -> None:
        self.operations = operations
        self.shapes = shapes
        self.drops = list(_dropping(operations, shapes))
        self.creates = list(_creating(operations, shapes))
        self.dropped_columns: set[tuple[Table, str]] = set()
        self.added_columns: set[tuple[Table, str]] = set()
        for container, each in on_tables(operations):
            table = shapes.catalog.table(container.schema, container.table_name)
            if isinstance(each, DropColumnOp):
                self.dropped_columns.add((table, str(each.column_name)))
            elif isinstance(each, AddColumnOp):
                self.added_columns.add((table, str(each.column.name)))

    def dropped_on(self, table: Table) -> list[SchemaItem]:
        """Return the indexes and constraints of a table that are dropped."""
        return [each.element for each in self.drops if each.table == table]

    def created_on(self, table: Table) -> list[SchemaItem]:
        """Return the indexes and constraints of a table that are created."""
        return [each.element for each in self.creates if each.table == table]


def what_follows(changes: Changes, names: Names, inside: Inside) -> Following:
    """Return what a rename makes of the other operations; nothing is changed yet."""
    found = Following()
    shapes, creates = changes.shapes, list(changes.creates)
    freed = {name for drop in changes.drops if (name := _final_name(drop.element, shapes))}
    freed |= _names_of_dropped_tables(changes.operations, inside, shapes)
    for drop in changes.drops:
        if not _is_touched(drop, names, shapes):
            continue
        twin = _twin(drop, creates, names, shapes)
        new_name = None if twin is None else _new_name(drop.element, twin.element, shapes)
        # A name that is free only later has to be made anew then.
        if twin is None or new_name in freed:
            found.staying.append(drop)
            continue
        creates.remove(twin)
        found.needless += [drop, twin]
        if new_name is not None:
            found.renames.append(_rename(drop.element, new_name, twin.table, drop.schema, shapes))
    found.renames += _renames_inside(inside, names, freed, shapes)
    return found


def _dropping(operations: Iterable[MigrateOperation], shapes: Shapes) -> Iterator[OnTable]:
    """Yield what drops an index or a constraint of a table that stays."""
    for container, operation in on_tables(operations):
        if isinstance(operation, DropIndexOp):
            element: Element = operation.to_index()
        elif isinstance(operation, DropConstraintOp) and operation._reverse is not None:
            element = operation.to_constraint()
        else:
            continue
        yield _on_table(container, operation, element, shapes)


def _creating(operations: Iterable[MigrateOperation], shapes: Shapes) -> Iterator[OnTable]:
    """Yield what creates an index or a constraint."""
    for container, operation in on_tables(operations):
        if isinstance(operation, CreateIndexOp):
            yield _on_table(container, operation, operation.to_index(), shapes)
        elif isinstance(operation, AddConstraintOp):
            yield _on_table(container, operation, operation.to_constraint(), shapes)


def on_tables(
    operations: Iterable[MigrateOperation],
) -> Iterator[tuple[ModifyTableOps, MigrateOperation]]:
    """Yield each operation on a part of a table, with the list that it is in."""
    for container in operations:
        if isinstance(container, ModifyTableOps):
            for operation in container.ops:
                yield container, operation


def constraints(items: Iterable[SchemaItem]) -> list[Element]:
    """Return the constraints and indexes among the parts of a table, but for an empty key."""
    return [
        item
        for item in items
        if isinstance(item, sa.Constraint | sa.Index)
        and not (isinstance(item, sa.PrimaryKeyConstraint) and not len(item.columns))
    ]


def _on_table(
    container: ModifyTableOps, operation: MigrateOperation, element: Element, shapes: Shapes
) -> OnTable:
    table = shapes.catalog.table(container.schema, container.table_name)
    return OnTable(operation, element, table, container.schema)


def _is_touched(drop: OnTable, names: Names, shapes: Shapes) -> bool:
    before = shapes.of(drop.element, drop.table)
    return drop.table in names.tables or shapes.of(drop.element, drop.table, names) != before


def _twin(
    drop: OnTable, creates: Sequence[OnTable], names: Names, shapes: Shapes
) -> OnTable | None:
    """Return what creates the same as is dropped, once the names have changed."""
    table = names.table(drop.table)
    shape = shapes.of(drop.element, drop.table, names)
    return next(
        (
            create
            for create in creates
            if create.table == table and shapes.of(create.element, table) == shape
        ),
        None,
    )


def _final_name(element: Element, shapes: Shapes) -> str | None:
    """Return the name in the database; None for a constraint that PostgreSQL finds a name for."""
    name: str | None = _get_constraint_final_name(element, shapes.dialect)
    return None if name is None else str(name)


def _new_name(old: Element, new: Element, shapes: Shapes) -> str | None:
    """Return the name that the models have, if the database has another."""
    name = _final_name(new, shapes)
    return None if name == _final_name(old, shapes) else name


def _rename(
    element: Element, name: str, table: Table, schema: str | None, shapes: Shapes
) -> RenameOnTable:
    old = _final_name(element, shapes)
    assert old is not None, "what is in the database has a name"
    is_index = isinstance(element, sa.Index)
    return RenameOnTable(table[1], old, name, is_index=is_index, schema=schema)


def _names_of_dropped_tables(
    operations: Iterable[MigrateOperation], inside: Inside, shapes: Shapes
) -> set[str]:
    """Return what constraints of dropped tables are called, the renamed one aside."""
    return {
        name
        for operation in operations
        if isinstance(operation, DropTableOp) and operation._reverse is not None
        if shapes.catalog.table(operation.schema, operation.table_name) != inside.table
        for element in constraints(operation._reverse.columns)
        if (name := _final_name(element, shapes))
    }


def _renames_inside(
    inside: Inside, names: Names, freed: set[str], shapes: Shapes
) -> Iterator[RenameOnTable]:
    table = names.table(inside.table)
    waiting = constraints(inside.new)
    for old in constraints(inside.old):
        shape = shapes.of(old, inside.table, names)
        if inside.table not in names.tables and shape == shapes.of(old, inside.table):
            continue
        new = next((each for each in waiting if shapes.of(each, table) == shape), None)
        if new is None:
            continue
        waiting.remove(new)
        name = _new_name(old, new, shapes)
        if name is not None and name not in freed:
            yield _rename(old, name, table, inside.schema, shapes)
