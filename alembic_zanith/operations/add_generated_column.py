"""`op.add_generated_column`: a column that PostgreSQL works out from others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import Operations
from alembic.operations.batch import BatchOperationsImpl
from alembic.operations.ops import AddColumnOp
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import Computed

from alembic_zanith.catalog import known_names
from alembic_zanith.catalog.known_names import relation
from alembic_zanith.errors import (
    ConfigurationError,
    NameTakenError,
    UnknownObjectError,
    UnsupportedDatabaseError,
    ZanithError,
    did_you_mean,
)
from alembic_zanith.risk.change import TableRef
from alembic_zanith.sql import translated_schema

from .naming import check_names
from .plain_sql import errors_explained
from .registry import operation
from .rendering import call, given_options, name_literal, rendered_elements
from .row_security import name_in
from .running import refuse_other_databases

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import BatchOperations
    from sqlalchemy import Connection


@operation("add_generated_column", batch=True)
class AddGeneratedColumnOp(AddColumnOp):
    """Represent a new generated column. Its risk entry is that of Alembic's `AddColumnOp`."""

    kind = "add_generated_column"
    writes_sql = True

    def __init__(
        self, table_name: str, column: sa.Column[Any], *, schema: str | None = None
    ) -> None:
        check_names(self.kind, table_name=table_name)
        if getattr(column, "computed", None) is None:
            raise ConfigurationError(
                f"{self.kind}({str(table_name)!r}, …) takes a sqlalchemy.Column with a "
                "sqlalchemy.Computed, which is its expression. Write op.add_column() for others."
            )
        if _computed(column).persisted is None:
            column = column._copy()  # it may be a column of the models
            _computed(column).persisted = True
        super().__init__(table_name, column, schema=schema)

    def __str__(self) -> str:
        return f"{self.kind}({str(self.table_name)!r}, {str(self.column.name)!r})"

    def explain(self, connection: Connection, state: str, reason: str) -> ZanithError | None:
        """Say which table or column there is not, or that the name is taken."""
        schema = translated_schema(connection, self.schema)
        name, nothing = relation(self.table_name, schema), f"{self} changed nothing"
        if state == "42701":
            return NameTakenError(
                f"{nothing}: {TableRef(self.table_name, schema)} has a column "
                f"{str(self.column.name)!r} already."
            )
        if state in ("42P01", "3F000") and not known_names.relation_exists(connection, name):
            hint = did_you_mean(self.table_name, known_names.tables(connection, schema))
            table = TableRef(self.table_name, schema)
            return UnknownObjectError(f"{nothing}: there is no table {table}.{hint}")
        if state == "42703":
            hint = did_you_mean(name_in(reason), known_names.columns(connection, name))
            return UnknownObjectError(f"{nothing}: {reason}.{hint}")
        return None

    @classmethod
    def add_generated_column(
        cls,
        operations: Operations,
        table_name: str,
        column: sa.Column[Any],
        *,
        schema: str | None = None,
    ) -> None:
        """Add a column whose values PostgreSQL works out from others of the row.

        e.g.::

            op.add_generated_column(
                "order_items",
                sa.Column("price", sa.Numeric(10, 2), sa.Computed("quantity * unit_price")),
            )

        It is what `op.add_column` does with the same column, but for two things. A `Computed` that
        says nothing of `persisted` is STORED on every PostgreSQL, where `op.add_column` leaves it
        to the server, which has made it VIRTUAL since 18. And what PostgreSQL refuses is an error
        that says what to do.

        To add a stored one writes every row anew, while nobody else reads or writes the table.

        https://www.postgresql.org/docs/current/ddl-generated-columns.html

        :param table_name: name of the table.
        :param column: a `sqlalchemy.Column` with a `sqlalchemy.Computed`. `persisted=False` makes
         it VIRTUAL, from PostgreSQL 18 and SQLAlchemy 2.1 on.
        :param schema: schema of the table; by default the search path finds it.
        :return: None.

        Raises `UnknownObjectError` for a table, or a column in the expression, that does not exist,
        `NameTakenError` where the table has such a column, `ConfigurationError` for a column
        without an expression, `ZanithError` for an expression that PostgreSQL does not take,
        `MissingPrivilegeError`, and `UnsupportedDatabaseError` on a database that is not
        PostgreSQL, or has no VIRTUAL columns.
        """
        operations.invoke(cls(table_name, column, schema=schema))

    @classmethod
    def batch_add_generated_column(
        cls, operations: BatchOperations, column: sa.Column[Any]
    ) -> None:
        """Add a generated column to the batch's table, in the order of the batch.

        .. seealso::

            `op.add_generated_column`
        """
        table = operations.impl
        operations.invoke(cls(table.table_name, column, schema=table.schema))


@Operations.implementation_for(AddGeneratedColumnOp)
def add_generated_column(operations: Operations, operation: AddGeneratedColumnOp) -> None:
    context = operations.migration_context
    refuse_other_databases(context, str(operation), "Write op.add_column() for it.")
    plain = AddColumnOp(operation.table_name, operation.column, schema=operation.schema)
    try:
        # A batch runs it later, with what else it has queued.
        if context.impl.as_sql or isinstance(operations.impl, BatchOperationsImpl):
            operations.invoke(plain)
            return
        connection = operations.get_bind()
        plain.schema = translated_schema(connection, operation.schema)
        with errors_explained(connection, str(operation), operation.explain):
            operations.invoke(plain)
    except CompileError as error:
        if _computed(operation.column).persisted is False:
            raise UnsupportedDatabaseError(
                f"{operation} changed nothing: VIRTUAL columns need PostgreSQL 18 and SQLAlchemy "
                "2.1. Write persisted=True for a stored one."
            ) from error
        raise


def _computed(column: sa.Column[Any]) -> Computed:
    assert column.computed is not None
    return column.computed


@renderers.dispatch_for(AddGeneratedColumnOp)
def render(context: AutogenContext, operation: AddGeneratedColumnOp) -> str:
    column = rendered_elements(context, [operation.column])
    if context._has_batch:
        return call(context, operation.kind, column, {})
    arguments = [name_literal(operation.table_name), *column]
    return call(context, operation.kind, arguments, given_options(operation, "schema"))
