"""Operations on columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import Computed, Identity

from alembic_zanith.risk.change import Change, Lock, TableRef
from alembic_zanith.risk.changes import columns
from alembic_zanith.risk.changes.constraints import (
    AddCheck,
    AddForeignKey,
    AddPrimaryKey,
    AddUnique,
)
from alembic_zanith.risk.changes.indexes import AddIndex
from alembic_zanith.risk.reading import reads
from alembic_zanith.risk.statements.functions import calls_in_expression
from alembic_zanith.risk.statements.values import default_text, is_constant_text

from .expressions import calls_of, text_of

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own


@reads(ops.AddColumnOp)
def add_column(operation: ops.AddColumnOp) -> Iterator[Change]:
    table = TableRef(operation.table_name, operation.schema)
    column = operation.column
    if column.computed is not None:
        # Without a word SQLAlchemy leaves it to the server, which is VIRTUAL from 18 on.
        yield columns.AddGeneratedColumn(table, column.name, column.computed.persisted is not False)
        yield from calls_of(column.computed.sqltext)
    else:
        exists = bool(getattr(operation, "if_not_exists", None))
        nullable, default = bool(column.nullable), _default(column)
        yield columns.AddColumn(table, column.name, nullable, default, exists)
    if column.primary_key and operation.inline_primary_key:
        yield AddPrimaryKey(table, "", columns=(column.name,))
    if column.unique:
        yield AddUnique(table, "", columns=(column.name,))
    if column.index:
        # What SQLAlchemy calls it where nobody has another convention.
        name = f"ix_{operation.table_name}_{column.name}"
        yield AddIndex(table, name, columns=(column.name,))
    for key in column.foreign_keys:
        parent = parent_of(key)
        yield AddForeignKey(table, str(key.name or ""), parent=parent)
    for check in column.constraints:
        if isinstance(check, sa.CheckConstraint):
            yield AddCheck(table, check.name if isinstance(check.name, str) else "")
            yield from calls_of(check.sqltext)
    if column.comment is not None:
        yield columns.SetColumnOptions(table, column.name)
    yield from calls_of(getattr(column.server_default, "arg", None))


@reads(ops.DropColumnOp)
def drop_column(operation: ops.DropColumnOp) -> Iterator[Change]:
    yield columns.DropColumn(
        TableRef(operation.table_name, operation.schema), operation.column_name
    )


@reads(ops.AlterColumnOp)
def alter_column(operation: ops.AlterColumnOp) -> Iterator[Change]:
    table = TableRef(operation.table_name, operation.schema)
    column = operation.column_name
    using = operation.kw.get("postgresql_using")
    if operation.modify_type is not None:
        yield columns.SetType(
            table,
            column,
            _type(operation.modify_type),
            _type(operation.existing_type),
            using=bool(using),
            loses=bool(using) and is_constant_text(str(using)),
        )
        yield from calls_in_expression(str(using or ""))
    if operation.modify_nullable is not None:
        yield columns.SetNullable(table, column, operation.modify_nullable)
    if operation.modify_server_default is not False:
        yield _new_default(table, column, operation)
    if operation.modify_comment is not False:
        yield columns.SetColumnOptions(table, column)
    if operation.modify_name is not None:
        yield columns.RenameColumn(table, column, operation.modify_name)


def _new_default(table: TableRef, column: str, operation: ops.AlterColumnOp) -> Change:
    of_identity = (operation.modify_server_default, operation.existing_server_default)
    if any(isinstance(each, Identity) for each in of_identity):
        return columns.SetColumnOptions(table, column, Lock.ACCESS_EXCLUSIVE)
    return columns.SetDefault(table, column)


def _default(column: sa.Column[Any]) -> columns.Default:
    if column.identity is not None:
        return columns.Default.VOLATILE
    default = column.server_default
    if default is None:
        return columns.Default.NONE
    if isinstance(default, Computed):
        return columns.Default.STABLE
    expression = getattr(default, "arg", None)
    if isinstance(expression, str):  # a literal, which SQLAlchemy quotes
        return columns.Default.STABLE
    if expression is None:
        return columns.Default.VOLATILE
    text = text_of(expression)
    return default_text(text) if text else columns.Default.VOLATILE


def _type(type_: Any) -> str:
    if type_ is None:
        return ""
    try:
        return str(sa.types.to_instance(type_).compile(dialect=_DIALECT))
    except CompileError:  # a type that only its own dialect can write
        return ""


def parent_of(key: sa.ForeignKey) -> TableRef | None:
    """Return the table that a foreign key points to."""
    # As written, "schema.table.column": resolving it needs tables that the operation has not.
    parts = str(key.target_fullname).split(".")
    if len(parts) < 2:
        return None
    return TableRef(parts[-2], parts[-3] if len(parts) > 2 else None)
