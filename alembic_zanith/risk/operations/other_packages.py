"""Operations of other packages. None of these is imported; their classes are known by their paths.

alembic-utils: https://github.com/olirice/alembic_utils
alembic-postgresql-enum: https://github.com/Pogchamp-company/alembic-postgresql-enum
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes import columns, objects
from alembic_zanith.risk.reading import reads_class

from .raw_sql import changes_in_clause

Operation = Any
"""An operation of a package that need not be there."""

_UTILS = "alembic_utils.reversible_op"
_ENUM = "alembic_postgresql_enum.operations"


@reads_class(f"{_UTILS}.CreateOp")
def create_entity(operation: Operation) -> Iterator[Change]:
    yield from changes_in_clause(operation.target.to_sql_statement_create())


@reads_class(f"{_UTILS}.DropOp")
def drop_entity(operation: Operation) -> Iterator[Change]:
    target = operation.target
    yield from changes_in_clause(target.to_sql_statement_drop(cascade=operation.cascade))


@reads_class(f"{_UTILS}.ReplaceOp", f"{_UTILS}.RevertOp")
def replace_entity(operation: Operation) -> Iterator[Change]:
    for statement in operation.target.to_sql_statement_create_or_replace():
        yield from changes_in_clause(statement)


@reads_class(f"{_ENUM}.create_enum.CreateEnumOp")
def create_enum(operation: Operation) -> Iterator[Change]:
    yield objects.CreateObject("type", _name(operation))


@reads_class(f"{_ENUM}.drop_enum.DropEnumOp")
def drop_enum(operation: Operation) -> Iterator[Change]:
    yield objects.DropObject("type", _name(operation))


@reads_class(f"{_ENUM}.add_enum_values.AddEnumValuesOp")
def add_enum_values(operation: Operation) -> Iterator[Change]:
    yield objects.AddEnumValue("type", _name(operation))


@reads_class(f"{_ENUM}.sync_enum_values.SyncEnumValuesOp")
def sync_enum_values(operation: Operation) -> Iterator[Change]:
    # It makes the type anew, casts every column of the old one to it, and drops the old one.
    yield objects.AlterObject("type", _name(operation))
    for reference in operation.affected_columns:
        on = TableRef(reference.table_name, reference.table_schema)
        yield columns.SetType(on, reference.column_name, _name(operation), using=True)


def _name(operation: Operation) -> str:
    return str(TableRef(operation.name, operation.schema))
