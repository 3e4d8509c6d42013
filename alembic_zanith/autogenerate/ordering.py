"""An order of operations in which every drop can run, upwards and, reversed, downwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.operations.ops import (
    CreateIndexOp,
    CreateTableOp,
    DropColumnOp,
    DropConstraintOp,
    DropTableOp,
    MigrateOperation,
    ModifyTableOps,
)

from alembic_zanith.operations import DropColumnOperation, DropTableOperation

from .catalog import Catalog, ForeignKey, Table

if TYPE_CHECKING:
    from sqlalchemy.schema import SchemaItem


@dataclass(frozen=True)
class _Edge:
    """`before` has to run ahead of `after`; both are positions in the list.

    `key` is the foreign key that asks for it, if it is one.
    """

    before: int
    after: int
    key: ForeignKey | None = None


def in_order(operations: list[MigrateOperation], catalog: Catalog) -> list[MigrateOperation]:
    """Return the operations with as few moved as possible, so that each drop can run.

    A table or column can go when no foreign key points at it any more: what takes the key away,
    by dropping it or the table or column that it is of, comes first. Tables that refer to each
    other get their foreign keys dropped by name ahead of both. A new table or index that takes
    the name of an index that goes comes after it.
    """
    units = [_Unit(operation, catalog) for operation in operations]
    edges = list(_edges(units, catalog))
    result: list[MigrateOperation] = []
    waiting = list(range(len(units)))
    while waiting:
        held = {edge.after for edge in edges if edge.before in waiting}
        free = next((position for position in waiting if position not in held), None)
        if free is None:
            edges, explicit = _break_cycle(units, edges, waiting)
            result += explicit
            continue
        waiting.remove(free)
        edges = [edge for edge in edges if edge.before != free]
        result.append(units[free].operation)
    return [found for found in result if not _is_empty(found)]


class _Unit:
    """One operation of the list, and what it takes away."""

    def __init__(self, operation: MigrateOperation, catalog: Catalog) -> None:
        self.operation = operation
        self.table: Table | None = None
        if isinstance(operation, ModifyTableOps | DropTableOp | DropTableOperation | CreateTableOp):
            self.table = catalog.table(operation.schema, operation.table_name)
        self.inside = operation.ops if isinstance(operation, ModifyTableOps) else [operation]

    @property
    def drops_table(self) -> bool:
        return isinstance(self.operation, DropTableOp | DropTableOperation)

    @property
    def dropped_columns(self) -> set[str]:
        return {
            str(operation.column_name)
            for operation in self.inside
            if isinstance(operation, DropColumnOp | DropColumnOperation)
        }

    @property
    def dropped_constraints(self) -> set[str]:
        return {
            str(operation.constraint_name)
            for operation in self.inside
            if isinstance(operation, DropConstraintOp)
        }

    def removes(self, key: ForeignKey) -> bool:
        """Tell whether the foreign key is gone once this has run."""
        return self.table == key.child and (
            self.drops_table
            or key.name in self.dropped_constraints
            or bool(self.dropped_columns & key.child_columns)
        )

    def needs_gone(self, key: ForeignKey) -> bool:
        """Tell whether the foreign key stands in the way of this."""
        return self.table == key.parent and (
            self.drops_table or bool(self.dropped_columns & key.parent_columns)
        )

    def freed_names(self) -> set[tuple[str, str]]:
        """The relation names that a dropped table frees, with their schema."""
        if not isinstance(self.operation, DropTableOperation) or self.table is None:
            return set()
        definition = self.operation.definition
        items = [*self.operation.indexes, *(definition.columns if definition else ())]
        return {(self.table[0], name) for name in _relation_names(items)}

    def taken_names(self) -> set[tuple[str, str]]:
        """The relation names that new tables and indexes take, with their schema."""
        if self.table is None:
            return set()
        names: set[str] = set()
        if isinstance(self.operation, CreateTableOp):
            names |= _relation_names(self.operation.columns)
        for operation in self.inside:
            if isinstance(operation, CreateIndexOp):
                names.add(str(operation.index_name))
        return {(self.table[0], name) for name in names}


def _relation_names(items: object) -> set[str]:
    """Return the names of those items that PostgreSQL keeps an index for."""
    indexed = (sa.Index, sa.UniqueConstraint, sa.PrimaryKeyConstraint)
    assert isinstance(items, list | tuple)
    return {str(item.name) for item in items if isinstance(item, indexed) and item.name}


def _edges(units: list[_Unit], catalog: Catalog) -> Iterator[_Edge]:
    of_table: dict[Table | None, list[int]] = {}
    for position, unit in enumerate(units):
        of_table.setdefault(unit.table, []).append(position)

    for key in catalog.foreign_keys:
        for after in of_table.get(key.parent, ()):
            for before in of_table.get(key.child, ()):
                if before != after and units[after].needs_gone(key) and units[before].removes(key):
                    yield _Edge(before, after, key)

    dropped = {unit.table: position for position, unit in enumerate(units) if unit.drops_table}
    for table, position in dropped.items():
        # What is done to a table comes before the table goes.
        for other in of_table[table]:
            if other != position:
                yield _Edge(other, position)
    for child, parent in catalog.inheritance:
        if child in dropped and parent in dropped:
            yield _Edge(dropped[child], dropped[parent])

    freed = {name: position for position, unit in enumerate(units) for name in unit.freed_names()}
    for position, unit in enumerate(units):
        for name in unit.taken_names() & freed.keys():
            yield _Edge(freed[name], position)


def _break_cycle(
    units: list[_Unit], edges: list[_Edge], waiting: list[int]
) -> tuple[list[_Edge], list[MigrateOperation]]:
    """Return fewer edges, and the drops of foreign keys that make them unnecessary."""
    on_cycle = [position for position in waiting if _reaches_itself(position, edges)]
    for position in on_cycle:
        incoming = [edge for edge in edges if edge.after == position and edge.before in on_cycle]
        keys = {edge.key for edge in incoming}
        explicit = [_explicit_drop(units, edge) for edge in incoming]
        drops = [drop for drop in explicit if drop is not None]
        if len(drops) == len(explicit):
            return [edge for edge in edges if edge.key is None or edge.key not in keys], drops
    # Nothing that could be dropped by name is in the way: keep Alembic's order here.
    return [edge for edge in edges if edge.after != on_cycle[0]], []


def _reaches_itself(start: int, edges: list[_Edge]) -> bool:
    seen: set[int] = set()
    heads = [start]
    while heads:
        head = heads.pop()
        for edge in edges:
            if edge.before == head and edge.after not in seen:
                seen.add(edge.after)
                heads.append(edge.after)
    return start in seen


def _explicit_drop(units: list[_Unit], edge: _Edge) -> MigrateOperation | None:
    """Take a foreign key from what would have let it go along, and drop it by name."""
    unit, key = units[edge.before], edge.key
    if key is None:
        return None
    drop = _taken_drop(unit, key.name) or _taken_element(unit, key.name)
    if drop is None:
        return None
    return ModifyTableOps(drop.table_name, [drop], schema=drop.schema)


def _taken_drop(unit: _Unit, name: str) -> DropConstraintOp | None:
    for operation in unit.inside:
        if isinstance(operation, DropConstraintOp) and operation.constraint_name == name:
            unit.inside.remove(operation)
            return operation
    return None


def _taken_element(unit: _Unit, name: str) -> DropConstraintOp | None:
    for operation in unit.inside:
        if isinstance(operation, DropColumnOperation):
            key, operation.elements = _without(operation.elements, name)
        elif isinstance(operation, DropTableOperation) and operation.definition is not None:
            key, operation.definition.columns = _without(operation.definition.columns, name)
        else:
            continue
        if key is not None:
            return DropConstraintOp.from_constraint(key)
    return None


def _without(
    elements: Sequence[SchemaItem], name: str
) -> tuple[sa.ForeignKeyConstraint | None, tuple[SchemaItem, ...]]:
    """Return the foreign key of this name, if it is there, and the other elements."""
    for element in elements:
        if isinstance(element, sa.ForeignKeyConstraint) and element.name == name:
            return element, tuple(other for other in elements if other is not element)
    return None, tuple(elements)


def _is_empty(operation: MigrateOperation) -> bool:
    return isinstance(operation, ModifyTableOps) and operation.is_empty()
