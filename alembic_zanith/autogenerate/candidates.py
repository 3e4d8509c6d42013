"""Pairs of a drop and an add that may be one rename."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

import sqlalchemy as sa
from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    CreateTableCommentOp,
    CreateTableOp,
    DropColumnOp,
    DropTableCommentOp,
    DropTableOp,
    MigrateOperation,
    ModifyTableOps,
)
from sqlalchemy.schema import SchemaItem

from alembic_zanith.identifiers import display_name

from .catalog import Table
from .following import Changes, Inside, constraints, on_tables
from .rename_operations import NotedTableOps, RenameColumn, RenameTable
from .shapes import Names, Shape, Shapes

Operations = Sequence[MigrateOperation]

# What stands for the pair itself, and for all else that may be renamed along with it.
_SELF, _OTHER = "@", "*"


class Candidate(ABC):
    """A pair. `old` and `new` are its names, `replaced` the two operations that make it."""

    old: str
    new: str
    table: Table
    """The table as the database has it."""
    schema: str | None
    replaced: tuple[MigrateOperation, MigrateOperation]
    names: Names

    @property
    @abstractmethod
    def inside(self) -> Inside:
        """The constraints of the two that have no operations of their own."""

    @abstractmethod
    def fits(self, changes: Changes, *, alone: bool) -> bool:
        """Tell whether keys, indexes and constraints of the two are the same.

        `alone` is without any other rename. Else what they share with other columns may become the
        same by renames that are still to be offered.
        """

    @abstractmethod
    def renaming(self) -> list[MigrateOperation]:
        """Return the rename, and what makes the comments in the database right after it."""

    @property
    @abstractmethod
    def question(self) -> str:
        """What the user is asked."""

    @property
    @abstractmethod
    def sentence(self) -> str:
        """The same as part of a sentence: `… was renamed to …`."""

    @property
    def ends(self) -> set[tuple[object, ...]]:
        """What can be in one rename only."""
        new_table = self.names.table(self.table)
        return {("old", self.table, self.old), ("new", new_table, self.new)}


class ColumnRename(Candidate):
    """A dropped and an added column of one table."""

    def __init__(
        self, container: ModifyTableOps, drop: DropColumnOp, add: AddColumnOp, shapes: Shapes
    ) -> None:
        self.old, self.new = str(drop.column_name), str(add.column.name)
        self.table_name, self.schema = str(container.table_name), container.schema
        self.table = shapes.catalog.table(self.schema, self.table_name)
        self.columns = (drop.to_column(), add.column)
        self.replaced = (drop, add)
        self.names = Names(columns={(self.table, self.old): self.new})
        self.type_name = shapes.type_name(self.columns[0])

    @property
    def inside(self) -> Inside:
        """The primary keys."""
        return Inside(self.table, self.schema, *map(_primary_key, self.columns))

    def fits(self, changes: Changes, *, alone: bool) -> bool:
        dropped = set() if alone else changes.dropped_columns
        added = set() if alone else changes.added_columns
        before = [*changes.dropped_on(self.table), *self.inside.old]
        after = [*changes.created_on(self.table), *self.inside.new]
        return self._on(before, self.old, dropped, changes.shapes) == self._on(
            after, self.new, added, changes.shapes
        )

    def _on(
        self,
        elements: Iterable[SchemaItem],
        column: str,
        others: set[tuple[Table, str]],
        shapes: Shapes,
    ) -> Counter[Shape]:
        """Return the shapes of what the column is part of."""
        end = (self.table, column)
        itself = Names(columns={end: _SELF})
        names = Names(columns={**dict.fromkeys(others, _OTHER), end: _SELF})
        return Counter(
            shapes.of(each, self.table, names)
            for each in constraints(elements)
            if shapes.of(each, self.table, itself) != shapes.of(each, self.table)
        )

    def renaming(self) -> list[MigrateOperation]:
        rename = RenameColumn(self.table_name, self.old, self.new, schema=self.schema)
        comment = _comment(self.table_name, self.schema, *self.columns)
        return [NotedTableOps(self.table_name, [rename, *comment], schema=self.schema)]

    @property
    def question(self) -> str:
        table = _display(self.schema, self.table_name)
        old, new = display_name(self.old), display_name(self.new)
        return (
            f"{table}.{old} is gone and {table}.{new} is new, both {self.type_name}. "
            "Was it renamed?"
        )

    @property
    def sentence(self) -> str:
        old = _display(self.schema, self.table_name, self.old)
        return f"{old} was renamed to {display_name(self.new)} (both {self.type_name})"


class TableRename(Candidate):
    """A dropped and a new table of one schema."""

    def __init__(
        self, drop: DropTableOp, definition: CreateTableOp, create: CreateTableOp, shapes: Shapes
    ) -> None:
        self.old, self.new = str(drop.table_name), str(create.table_name)
        self.schema = drop.schema
        self.table = shapes.catalog.table(drop.schema, self.old)
        self.new_table = shapes.catalog.table(create.schema, self.new)
        self.comments = (definition.comment, create.comment)
        self.columns = (_columns(definition), _columns(create))
        self.replaced = (drop, create)
        self.names = Names(tables={self.table: self.new_table})
        self.definition = definition

    @property
    def inside(self) -> Inside:
        """The constraints, which name other tables as they are called by now."""
        create = self.replaced[1]
        assert isinstance(create, CreateTableOp)
        return Inside(self.table, self.schema, self.definition.columns, create.columns)

    def has_same_columns(self, shapes: Shapes) -> bool:
        """Tell whether the two have the same columns, in whatever order."""
        old, new = self.columns
        return old.keys() == new.keys() and all(
            shapes.same_columns(old[name], new[name]) for name in old
        )

    def fits(self, changes: Changes, *, alone: bool) -> bool:
        # Their constraints have no operations of their own, which could set right what differs.
        before = [*changes.dropped_on(self.table), *self.inside.old]
        after = [*changes.created_on(self.new_table), *self.inside.new]
        return _of_table(before, self.table, changes.shapes) == _of_table(
            after, self.new_table, changes.shapes
        )

    def renaming(self) -> list[MigrateOperation]:
        inside: list[MigrateOperation] = []
        old_comment, new_comment = self.comments
        if new_comment and new_comment != old_comment:
            inside.append(
                CreateTableCommentOp(
                    self.new, new_comment, schema=self.schema, existing_comment=old_comment
                )
            )
        elif old_comment and not new_comment:
            inside.append(
                DropTableCommentOp(self.new, schema=self.schema, existing_comment=old_comment)
            )
        old, new = self.columns
        for name in old:
            inside += _comment(self.new, self.schema, old[name], new[name])
        comments = [ModifyTableOps(self.new, inside, schema=self.schema)] if inside else []
        return [RenameTable(self.old, self.new, schema=self.schema), *comments]

    @property
    def question(self) -> str:
        old, new = (_display(self.schema, each) for each in (self.old, self.new))
        return (
            f"Table {old} is gone and table {new} is new, with the same columns and keys. "
            "Was it renamed?"
        )

    @property
    def sentence(self) -> str:
        old, new = _display(self.schema, self.old), display_name(self.new)
        return f"table {old} was renamed to {new} (same columns and keys)"


def column_renames(operations: Operations, shapes: Shapes) -> list[ColumnRename]:
    """Return each pair of columns that are the same, the closest names first."""
    inside = list(on_tables(operations))
    return _closest_first(
        ColumnRename(container, drop, add, shapes)
        for container, drop in inside
        for other, add in inside
        if container is other and isinstance(drop, DropColumnOp) and isinstance(add, AddColumnOp)
        if shapes.same_columns(drop.to_column(), add.column)
    )


def table_renames(operations: Operations, shapes: Shapes) -> list[TableRename]:
    """Return each pair of tables of the same columns, the closest names first."""
    pairs = (
        TableRename(drop, drop._reverse, create, shapes)
        for drop in operations
        for create in operations
        # Another plugin's own kind of table would lose what it has on it.
        if isinstance(drop, DropTableOp) and type(create) is CreateTableOp
        if drop._reverse is not None
    )
    return _closest_first(
        pair
        for pair in pairs
        if pair.table[0] == pair.new_table[0] and pair.has_same_columns(shapes)
    )


def _closest_first(candidates: Iterable[Any]) -> list[Any]:
    def rank(pair: Candidate) -> tuple[object, ...]:
        alike = SequenceMatcher(None, pair.old, pair.new).ratio()
        return (-alike, pair.table, pair.old, pair.new)

    return sorted(candidates, key=rank)


def _of_table(elements: Iterable[SchemaItem], table: Table, shapes: Shapes) -> Counter[Shape]:
    names = Names(tables={table: ("", _SELF)})
    # Alembic compares no checks, and PostgreSQL writes their expressions in its own way.
    return Counter(
        shapes.of(each, table, names)
        for each in constraints(elements)
        if not isinstance(each, sa.CheckConstraint)
    )


def _primary_key(column: sa.Column[Any]) -> list[sa.Constraint]:
    """Return the key of the column's table: Alembic compares none."""
    table = getattr(column, "table", None)
    return [table.primary_key] if isinstance(table, sa.Table) else []


def _columns(definition: CreateTableOp) -> dict[str, sa.Column[Any]]:
    return {str(item.name): item for item in definition.columns if isinstance(item, sa.Column)}


def _comment(
    table_name: str, schema: str | None, old: sa.Column[Any], new: sa.Column[Any]
) -> Iterator[AlterColumnOp]:
    if (old.comment or None) != (new.comment or None):
        yield AlterColumnOp(
            table_name,
            str(new.name),
            schema=schema,
            existing_type=old.type,
            existing_nullable=old.nullable,
            existing_comment=old.comment,
            modify_comment=new.comment or None,
        )


def _display(*parts: str | None) -> str:
    return ".".join(display_name(str(part)) for part in parts if part)
