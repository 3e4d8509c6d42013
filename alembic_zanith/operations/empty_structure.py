"""Where nothing is parked: the structure from the definition in the script, without the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.operations.ops import AddColumnOp, CreateIndexOp
from alembic.util import sqla_compat
from sqlalchemy.exc import DBAPIError

from alembic_zanith.errors import NameTakenError, UnknownObjectError
from alembic_zanith.failures import server_message
from alembic_zanith.hooks import is_downgrade
from alembic_zanith.identifiers import display_name, quote
from alembic_zanith.sql import run, scalar

if TYPE_CHECKING:
    from alembic.operations.base import AbstractOperations
    from sqlalchemy import Connection
    from sqlalchemy.schema import SchemaItem

    from .restore_column import RestoreColumnOp
    from .restore_table import RestoreTableOp


def add_empty_column(
    operations: AbstractOperations, connection: Connection, operation: RestoreColumnOp
) -> str:
    """Add the column, then its constraints and indexes; return the warning to give.

    A NOT NULL column without a default cannot be added to rows: it then accepts NULL, unless
    there is a `fill` expression for them.
    """
    assert operation.definition is not None
    table, schema = str(operation.table_name), operation.schema
    column = sqla_compat._copy(operation.definition)
    column.name = column.key = operation.as_name or operation.column_name
    label = _label(schema, table, column.name)
    if _is_there(operations, connection, table, schema, [column]):
        return _was_there(label)
    _refuse_existing_column(connection, table, schema, column.name, label)

    qualified = _qualified(schema, table)
    has_rows = bool(scalar(connection, f"SELECT EXISTS (SELECT FROM {qualified})"))
    required = has_rows and not column.nullable and column.server_default is None
    if required:
        column.nullable = True
    # In a batch, `operations` would only queue.
    direct = Operations(operations.migration_context)
    create_types(connection, [column])
    direct.invoke(AddColumnOp(table, column, schema=schema))
    if operation.fill is not None:
        run(connection, f"UPDATE {qualified} SET {quote(column.name)} = ({operation.fill})")
        if required:
            direct.alter_column(table, column.name, nullable=False, schema=schema)

    warnings = [_came_back_empty(label)]
    if required and operation.fill is None:
        warnings.append(
            "It accepts NULL although its definition says NOT NULL, because there are rows and no "
            "value for them; fill= gives them one."
        )
    if operation.as_name is None:
        found = sa.inspect(connection).get_columns(table, schema)
        elements = _Elements(direct, connection, table, schema, [each["name"] for each in found])
        warnings += elements.add(operation.elements, relax=operation.relax)
    elif operation.elements:
        warnings.append("Its constraints and indexes name the old column and were left out.")
    return " ".join(warnings)


def create_empty_table(
    operations: AbstractOperations, connection: Connection, operation: RestoreTableOp
) -> str:
    """Create the table with its constraints and indexes; return the warning to give."""
    name, schema = operation.as_name or str(operation.table_name), operation.schema
    label = _label(schema, name)
    columns = [item for item in operation.create_op().columns if isinstance(item, sa.Column)]
    if _is_there(operations, connection, name, schema, columns):
        return _was_there(label)
    if sa.inspect(connection).has_table(name, schema):
        raise NameTakenError(
            f"{operation} changed nothing: {label} exists, and nothing is parked that could come "
            "back. Remove the call, or give as_name= for another name."
        )
    create = operation.create_op()
    create.table_name = name
    later: list[SchemaItem] = list(operation.indexes)
    if operation.relax:
        later[:0] = [item for item in create.columns if not _belongs_to_create(item)]
        create.columns = [item for item in create.columns if _belongs_to_create(item)]
    table = create.to_table(operations.migration_context)
    parts: list[sa.Constraint | sa.Index] = [*table.constraints, *table.indexes]
    for part in parts:
        _leave_out_default_nulls(part)
    # Unlike op.create_table this leaves alone an enum type that the drop had left behind.
    table.create(connection, checkfirst=True)
    direct = Operations(operations.migration_context)
    elements = _Elements(direct, connection, name, schema, list(table.columns.keys()))
    left_out = elements.add(later, relax=operation.relax)
    return " ".join([_came_back_empty(label), *left_out])


class _Elements:
    """Adds constraints and indexes to a table that exists."""

    def __init__(
        self,
        operations: Operations,
        connection: Connection,
        table: str,
        schema: str | None,
        columns: Iterable[str],
    ) -> None:
        self.operations = operations
        self.connection = connection
        self.table = table
        self.schema = schema
        self.columns = list(columns)

    def add(self, elements: Iterable[SchemaItem], *, relax: bool) -> list[str]:
        """Add them in order; with `relax`, return a sentence for each that cannot be had."""
        left_out: list[str] = []
        for element in elements:
            if relax:
                with self._left_out_on_error(element, left_out):
                    self._add(element)
            else:
                self._add(element)
        return left_out

    def _add(self, element: SchemaItem) -> None:
        if isinstance(element, sa.Constraint | sa.Index):
            _leave_out_default_nulls(element)
        if isinstance(element, sa.Index) and element.table is not None:
            self.operations.invoke(CreateIndexOp.from_index(element))
            return
        # A table with just the names, for SQLAlchemy to find them in.
        columns: list[SchemaItem] = [sa.Column(name, sa.types.NULLTYPE) for name in self.columns]
        stub = self.operations.schema_obj.table(self.table, *columns, element, schema=self.schema)
        for constraint in stub.constraints:
            # Every Table has a primary key constraint, mostly an empty one.
            if not isinstance(constraint, sa.PrimaryKeyConstraint) or len(constraint.columns):
                self.operations.impl.add_constraint(constraint)
        for index in stub.indexes:
            self.operations.impl.create_index(index)

    @contextmanager
    def _left_out_on_error(self, element: SchemaItem, left_out: list[str]) -> Iterator[None]:
        try:
            with self.connection.begin_nested():
                yield
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            name = getattr(element, "name", None) or type(element).__name__
            left_out.append(f"{name} was left out: {server_message(error)}.")


def _leave_out_default_nulls(element: sa.Constraint | sa.Index) -> None:
    """Say nothing where SQLAlchemy would write NULLS DISTINCT.

    It is the default, which reflection finds everywhere, but the words are known from PostgreSQL
    15 on only: https://www.postgresql.org/docs/15/release-15.html
    """
    options = element.dialect_options["postgresql"]
    if options.get("nulls_not_distinct") is False:
        options["nulls_not_distinct"] = None


def _belongs_to_create(item: SchemaItem) -> bool:
    return isinstance(item, sa.Column | sa.PrimaryKeyConstraint)


def create_types(connection: Connection, columns: Iterable[sa.Column[Any]]) -> None:
    """Create enum types that do not exist: ADD COLUMN, unlike CREATE TABLE, creates none."""
    for column in columns:
        type_ = getattr(column.type, "item_type", column.type)
        if isinstance(type_, sa.types.SchemaType):
            type_.create(connection, checkfirst=True)


def _is_there(
    operations: AbstractOperations,
    connection: Connection,
    table: str,
    schema: str | None,
    columns: Iterable[sa.Column[Any]],
) -> bool:
    """Whether a downgrade finds columns of these names and types already.

    As after a restore by hand whose record has been cleaned up since.
    """
    context = operations.migration_context
    inspector = sa.inspect(connection)
    if not (is_downgrade(context) and inspector.has_table(table, schema)):
        return False
    found = inspector.get_columns(table, schema)
    present = {each["name"]: sa.Column(each["name"], each["type"]) for each in found}
    return all(
        column.name in present and not context.impl.compare_type(present[column.name], column)
        for column in columns
    )


def _was_there(label: str) -> str:
    return (
        f"{label} is there already, as the definition in the script has it, and nothing of it is "
        "parked: it was left as it is, with its data."
    )


def _refuse_existing_column(
    connection: Connection, table: str, schema: str | None, column: str, label: str
) -> None:
    inspector = sa.inspect(connection)
    if not inspector.has_table(table, schema):
        raise UnknownObjectError(
            f"{label} cannot come back: there is no table {_label(schema, table)}. Restore or "
            "create the table first."
        )
    if any(found["name"] == column for found in inspector.get_columns(table, schema)):
        raise NameTakenError(
            f"{label} exists, and nothing is parked that could come back. Remove the call, or "
            "give as_name= for another name."
        )


def _came_back_empty(label: str) -> str:
    return (
        f"{label} came back empty: nothing is parked of it, so it was made from the definition in "
        "the script."
    )


def _label(schema: str | None, *names: str) -> str:
    return ".".join(display_name(str(name)) for name in (schema, *names) if name)


def _qualified(schema: str | None, table: str) -> str:
    return ".".join(quote(str(name)) for name in (schema, table) if name)
