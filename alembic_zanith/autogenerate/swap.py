"""Alembic's drops, replaced in place by operations that park."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.operations.ops import (
    AddConstraintOp,
    CreateIndexOp,
    DropColumnOp,
    DropConstraintOp,
    DropIndexOp,
    DropTableOp,
    MigrateOperation,
    ModifyTableOps,
    UpgradeOps,
)

from alembic_zanith.config import DropStrategy, Settings, settings_of
from alembic_zanith.identifiers import display_name, is_zanith_name
from alembic_zanith.operations import (
    ArchiveColumnOp,
    ArchiveTableOp,
    SoftDropColumnOp,
    SoftDropTableOp,
)

from .catalog import Catalog, Table
from .ordering import in_order

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.schema import SchemaItem

log = logging.getLogger("alembic.zanith")


def swap_drops(context: AutogenContext, upgrade_ops: UpgradeOps) -> None:
    """Replace drops by what `drop_strategy` says, and order the list so that it can run.

    A list without drops, and one whose drops all keep the strategy `drop`, is left as it is.
    """
    if not any(_drops(upgrade_ops)):
        return
    assert context.connection is not None
    default_schema = context.dialect.default_schema_name or "public"
    catalog = Catalog(context.connection, default_schema)
    swap = _Swap(settings_of(context.migration_context), catalog)
    swapped = swap.tables(upgrade_ops.ops)
    if swap.anything:
        upgrade_ops.ops[:] = in_order(swapped, catalog)


def _drops(upgrade_ops: UpgradeOps) -> Iterator[MigrateOperation]:
    for operation in upgrade_ops.ops:
        inside = operation.ops if isinstance(operation, ModifyTableOps) else [operation]
        yield from (found for found in inside if isinstance(found, DropColumnOp | DropTableOp))


class _Swap:
    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self.settings = settings
        self.catalog = catalog
        self.anything = False

    def tables(self, operations: list[MigrateOperation]) -> list[MigrateOperation]:
        """Return the operations with dropped tables and columns parked."""
        dropped = {
            self.catalog.table(operation.schema, operation.table_name): operation
            for operation in operations
            if isinstance(operation, DropTableOp)
        }
        strategies = {table: self.settings.strategy_for(*table) for table in dropped}
        parked = {table for table, how in strategies.items() if how is not DropStrategy.DROP}
        indexes: dict[Table, list[sa.Index]] = {}
        for operation in operations:
            if isinstance(operation, ModifyTableOps):
                table = self.catalog.table(operation.schema, operation.table_name)
                if table in parked:
                    # Alembic drops the indexes of a table before it; they go along.
                    indexes[table] = _take_indexes(operation)
                elif table not in dropped:
                    self._columns(operation, table)
        drops = [
            self._table(dropped[table], strategies[table], indexes.get(table, []))
            for table in sorted(dropped)
            if not self._goes_with_its_parent(table, parked)
        ]
        return list(_with_drops(operations, drops))

    def _goes_with_its_parent(self, table: Table, parked: set[Table]) -> bool:
        """Tell whether the table is a partition of one that is parked, partitions and all."""
        parent = self.catalog.partition_parents.get(table)
        while parent is not None and parent not in parked:
            parent = self.catalog.partition_parents.get(parent)
        return parent is not None

    def _table(
        self, drop: DropTableOp, strategy: DropStrategy, indexes: list[sa.Index]
    ) -> MigrateOperation:
        if strategy is DropStrategy.DROP:
            return drop
        self.anything = True
        kind = ArchiveTableOp if strategy is DropStrategy.ARCHIVE else SoftDropTableOp
        operation = kind.from_drop(drop, indexes, self.settings.retention_days)
        if operation.definition is not None:
            operation.definition.columns = [
                item for item in operation.definition.columns if not _is_ours(item)
            ]
        return operation

    def _columns(self, operations: ModifyTableOps, table: Table) -> None:
        """Replace the column drops of one table, and let go along what the columns carry."""
        drops = [operation for operation in operations.ops if isinstance(operation, DropColumnOp)]
        strategies = {id(drop): self._strategy(table, drop.column_name) for drop in drops}
        if all(strategy is DropStrategy.DROP for strategy in strategies.values()):
            return
        self.anything = True
        others = [operation for operation in operations.ops if operation not in drops]
        created = {_name(operation) for operation in others if _creates(operation)}
        swapped: list[MigrateOperation] = []
        for drop in self._children_first(drops, table):
            strategy = strategies[id(drop)]
            if strategy is DropStrategy.DROP:
                swapped.append(drop)
                continue
            # What is made anew under the same name has to be dropped by name, and first.
            carried = self.catalog.dependents(table, drop.column_name) - created
            elements = [
                _element(operation) for operation in others if _drops_one(operation, carried)
            ]
            others = [operation for operation in others if not _drops_one(operation, carried)]
            elements += _checks(drop, carried, swapped)
            kind = ArchiveColumnOp if strategy is DropStrategy.ARCHIVE else SoftDropColumnOp
            swapped.append(kind.from_drop(drop, elements, self.settings.retention_days))
        operations.ops[:] = [*others, *swapped]

    def _strategy(self, table: Table, column: str) -> DropStrategy:
        strategy = self.settings.strategy_for(*table, str(column))
        if strategy is DropStrategy.ARCHIVE and not self.catalog.has_key(table, column):
            log.info(
                "%s.%s is soft-dropped instead of archived: without the column the table has no "
                "key to find the rows by.",
                ".".join(display_name(part) for part in table),
                display_name(str(column)),
            )
            return DropStrategy.SOFT_DROP
        return strategy

    def _children_first(self, drops: list[DropColumnOp], table: Table) -> list[DropColumnOp]:
        """Order by position in the table, each column after what would hinder it to go.

        That is a column that refers to it by a foreign key, or is generated from it.
        """
        referring = {
            (child, parent)
            for key in self.catalog.foreign_keys
            if key.child == key.parent == table
            for child, parent in product(key.child_columns, key.parent_columns)
        }
        hindering = referring | set(self.catalog.generated_from(table))
        children = {child for child, _ in referring}

        def rank(drop: DropColumnOp) -> tuple[bool, int]:
            name = str(drop.column_name)
            columns = _reflected_table(drop).columns.keys()
            return (name not in children, columns.index(name) if name in columns else 0)

        waiting = sorted(drops, key=rank)
        ordered: list[DropColumnOp] = []
        while waiting:
            names = {str(drop.column_name) for drop in waiting}
            held = {parent for child, parent in hindering if child in names and child != parent}
            free = next((drop for drop in waiting if str(drop.column_name) not in held), waiting[0])
            waiting.remove(free)
            ordered.append(free)
        return ordered


def _with_drops(
    operations: list[MigrateOperation], drops: list[MigrateOperation]
) -> Iterator[MigrateOperation]:
    """Yield the operations, with the drops where Alembic has the first of its own."""
    waiting = drops
    for operation in operations:
        if isinstance(operation, DropTableOp):
            yield from waiting
            waiting = []
        elif not (isinstance(operation, ModifyTableOps) and operation.is_empty()):
            yield operation


def _take_indexes(operations: ModifyTableOps) -> list[sa.Index]:
    taken = [found for found in operations.ops if isinstance(found, DropIndexOp)]
    operations.ops[:] = [found for found in operations.ops if found not in taken]
    return [drop.to_index() for drop in taken]


def _name(operation: MigrateOperation) -> str:
    if isinstance(operation, CreateIndexOp | DropIndexOp):
        return str(operation.index_name)
    return str(getattr(operation, "constraint_name", None))


def _creates(operation: MigrateOperation) -> bool:
    return isinstance(operation, CreateIndexOp | AddConstraintOp)


def _drops_one(operation: MigrateOperation, names: set[str]) -> bool:
    return isinstance(operation, DropIndexOp | DropConstraintOp) and _name(operation) in names


def _element(operation: MigrateOperation) -> SchemaItem:
    if isinstance(operation, DropIndexOp):
        return operation.to_index()
    assert isinstance(operation, DropConstraintOp)
    return operation.to_constraint()


def _checks(
    drop: DropColumnOp, carried: set[str], before: list[MigrateOperation]
) -> list[SchemaItem]:
    """Return the check constraints that go with a column, which Alembic emits no drops for."""
    gone = {id(element) for other in before for element in getattr(other, "elements", ())}
    return [
        constraint
        for constraint in _reflected_table(drop).constraints
        if isinstance(constraint, sa.CheckConstraint)
        and str(constraint.name) in carried
        and id(constraint) not in gone
    ]


def _reflected_table(drop: DropColumnOp) -> sa.Table:
    """Return the table as the database has it; an empty one if another plugin wrote the drop."""
    table = getattr(drop.to_column(), "table", None)
    return table if isinstance(table, sa.Table) else sa.Table(drop.table_name, sa.MetaData())


def _is_ours(item: SchemaItem) -> bool:
    name = getattr(item, "name", None)
    return name is not None and is_zanith_name(str(name))
