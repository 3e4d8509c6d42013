"""Definitions of what is dropped, in the names that hold by the time they count.

A rename comes first in the upgrade and so last in the downgrade: what the downgrade makes anew, it
makes where the new names are still in place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations.ops import (
    CreateCheckConstraintOp,
    CreateForeignKeyOp,
    CreateIndexOp,
    CreateUniqueConstraintOp,
    DropConstraintOp,
    DropIndexOp,
    DropTableOp,
    MigrateOperation,
)

from .following import OnTable
from .shapes import Names, Shapes, referred

if TYPE_CHECKING:
    from sqlalchemy.schema import SchemaItem

    from .catalog import Table


def rewrite_drop(drop: OnTable, names: Names, shapes: Shapes) -> None:
    """Put the new names into an operation that drops an index or a constraint."""
    operation, table = drop.operation, drop.table
    assert isinstance(operation, DropIndexOp | DropConstraintOp)
    definition = operation._reverse
    renamed = names.table(table)
    if isinstance(definition, CreateForeignKeyOp):
        parent = shapes.catalog.table(
            definition.kw.get("referent_schema"), definition.referent_table
        )
        definition.local_cols = [names.column(table, each) for each in definition.local_cols]
        definition.remote_cols = [names.column(parent, each) for each in definition.remote_cols]
        definition.referent_table = names.table(parent)[1]
        definition.source_table = renamed[1]
    elif isinstance(definition, CreateUniqueConstraintOp):
        definition.columns = [names.column(table, each) for each in definition.columns]
        definition.table_name = renamed[1]
    elif isinstance(definition, CreateCheckConstraintOp):
        text = names.expression(table, shapes.sql(definition.condition))
        definition.condition = sa.text(text)
        definition.table_name = renamed[1]
    elif isinstance(definition, CreateIndexOp):
        definition.columns = [
            _index_part(each, table, names, shapes) for each in definition.columns
        ]
        definition.table_name = renamed[1]
    if isinstance(operation, DropIndexOp):
        operation.kw = _index_options(operation.kw, table, names, shapes)
    operation.table_name = renamed[1]


def rewrite_dropped_tables(
    operations: Iterable[MigrateOperation], names: Names, shapes: Shapes
) -> None:
    """Put the new names into the foreign keys of tables that are dropped."""
    for operation in operations:
        if isinstance(operation, DropTableOp) and operation._reverse is not None:
            table = shapes.catalog.table(operation.schema, operation.table_name)
            operation._reverse.columns = [
                _item(item, table, names, shapes) for item in operation._reverse.columns
            ]


def _item(item: SchemaItem, table: Table, names: Names, shapes: Shapes) -> SchemaItem:
    if not isinstance(item, sa.ForeignKeyConstraint):
        return item
    if shapes.of(item, table, names) == shapes.of(item, table):
        return item
    parent, columns = referred(item, shapes.catalog)
    # The schema as it was written: None is the default one.
    prefix = item.elements[0].target_fullname.rpartition(".")[0].rpartition(".")[0]
    target = ".".join(part for part in (prefix, names.table(parent)[1]) if part)
    return sa.ForeignKeyConstraint(
        list(item.column_keys),
        [f"{target}.{names.column(parent, column)}" for column in columns],
        name=item.name,
        onupdate=item.onupdate,
        ondelete=item.ondelete,
        deferrable=item.deferrable,
        initially=item.initially,
        match=item.match,
    )


def _index_part(part: Any, table: Table, names: Names, shapes: Shapes) -> Any:
    if isinstance(part, str):
        return names.column(table, part)
    if isinstance(part, sa.Column):
        return names.column(table, part.name)
    text = shapes.sql(part)
    renamed = names.expression(table, text)
    return part if renamed == text else sa.text(renamed)


def _index_options(
    options: dict[str, Any], table: Table, names: Names, shapes: Shapes
) -> dict[str, Any]:
    renamed = dict(options)
    where, include = options.get("postgresql_where"), options.get("postgresql_include")
    if where is not None:
        renamed["postgresql_where"] = sa.text(names.expression(table, shapes.sql(where)))
    if include:
        renamed["postgresql_include"] = [names.column(table, each) for each in include]
    return renamed
