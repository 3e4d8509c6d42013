"""Operations on constraints."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops

from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes import constraints
from alembic_zanith.risk.changes.constraints import Check
from alembic_zanith.risk.reading import reads
from alembic_zanith.risk.statements.conditions import column_with_value_text

from .expressions import calls_of, given, text_of

_DROPS: dict[str | None, type[constraints.ConstraintChange]] = {
    "unique": constraints.DropUnique,
    "foreignkey": constraints.DropForeignKey,
}


def _name(name: object) -> str:
    return name if isinstance(name, str) else ""


def _check(operation: ops.MigrateOperation) -> Check:
    options = getattr(operation, "kw", {})
    return Check.NOT_VALID if options.get("postgresql_not_valid") else Check.SCANS


def _plain_columns(
    operation: ops.CreateUniqueConstraintOp | ops.CreatePrimaryKeyOp,
) -> tuple[str, ...]:
    """Return the columns of a constraint that is made of nothing else."""
    if given(operation.kw):
        return ()
    return tuple(str(each) for each in operation.columns)


@reads(ops.CreateUniqueConstraintOp)
def create_unique(operation: ops.CreateUniqueConstraintOp) -> Iterator[Change]:
    table = TableRef(operation.table_name, operation.schema)
    columns = _plain_columns(operation)
    yield constraints.AddUnique(table, _name(operation.constraint_name), columns=columns)


@reads(ops.CreatePrimaryKeyOp)
def create_primary_key(operation: ops.CreatePrimaryKeyOp) -> Iterator[Change]:
    table = TableRef(operation.table_name, operation.schema)
    columns = _plain_columns(operation)
    yield constraints.AddPrimaryKey(table, _name(operation.constraint_name), columns=columns)


@reads(ops.CreateForeignKeyOp)
def create_foreign_key(operation: ops.CreateForeignKeyOp) -> Iterator[Change]:
    source, referent = operation.kw.get("source_schema"), operation.kw.get("referent_schema")
    yield constraints.AddForeignKey(
        TableRef(operation.source_table, source),
        _name(operation.constraint_name),
        _check(operation),
        TableRef(operation.referent_table, referent),
    )


@reads(ops.CreateCheckConstraintOp)
def create_check(operation: ops.CreateCheckConstraintOp) -> Iterator[Change]:
    table = TableRef(operation.table_name, operation.schema)
    condition = operation.condition
    yield constraints.AddCheck(
        table,
        _name(operation.constraint_name),
        _check(operation),
        proves=column_with_value_text(text_of(condition)),
    )
    if not isinstance(condition, str):
        yield from calls_of(condition)
    elif "(" in condition:
        yield from calls_of(sa.text(condition))


@reads(CreateExcludeConstraintOp)
def create_exclusion(operation: CreateExcludeConstraintOp) -> Iterator[Change]:
    table = TableRef(operation.table_name, operation.schema)
    yield constraints.AddExclusion(table, _name(operation.constraint_name))


@reads(ops.DropConstraintOp)
def drop_constraint(operation: ops.DropConstraintOp) -> Iterator[Change]:
    table = TableRef(operation.table_name, operation.schema)
    # Autogenerate knows the type; so may a script that was written by hand.
    cls = _DROPS.get(operation.constraint_type, constraints.DropConstraint)
    yield cls(table, _name(operation.constraint_name))
