"""Operations that are one statement of SQL, which `--sql` writes as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from alembic.operations import MigrateOperation, Operations
from sqlalchemy.exc import DBAPIError

from alembic_zanith.errors import ZanithError
from alembic_zanith.failures import explained, server_message, sqlstate
from alembic_zanith.sql import is_autocommit, run, translated_schema

from .running import refuse_other_databases

if TYPE_CHECKING:
    from sqlalchemy import Connection

Explain = Callable[["Connection", str, str], ZanithError | None]
"""Given the SQLSTATE and what the server said, returns the error for it, or None for the usual."""


class PlainSqlOperation(MigrateOperation):
    """One statement. It works on any state of the database, so that it can be written ahead."""

    kind: ClassVar[str]
    writes_sql: ClassVar[bool] = True
    schema: str | None = None

    def statement(self, schema: str | None) -> str:
        """Return the SQL, with this schema in place of the operation's own."""
        raise NotImplementedError

    def check(self, connection: Connection) -> None:
        """Raise where the statement would do harm that PostgreSQL does not refuse."""

    def explain(self, connection: Connection, state: str, reason: str) -> ZanithError | None:
        """Return the error for what PostgreSQL refused, where more can be said than it did."""
        return None


# Alembic finds this for the classes that are derived from it, too.
@Operations.implementation_for(PlainSqlOperation)
def run_plain_sql(operations: Operations, operation: PlainSqlOperation) -> None:
    context = operations.migration_context
    refuse_other_databases(
        context, str(operation), "Only PostgreSQL has what it makes; leave it out there."
    )
    if context.impl.as_sql:
        # Not by execute(), where `:name` would be a parameter and a tab four spaces.
        written = operation.statement(operation.schema)
        context.impl.static_output(written + context.impl.command_terminator)
        return
    connection = operations.get_bind()
    statement = operation.statement(translated_schema(connection, operation.schema))
    with errors_explained(connection, str(operation), operation.explain):
        operation.check(connection)
        run(connection, statement)


@contextmanager
def errors_explained(connection: Connection, call: str, explain: Explain) -> Iterator[None]:
    """Undo what fails in the block, and raise an error that says why and what to do.

    Where each statement is committed by itself, one that fails leaves nothing behind either.
    """
    try:
        if is_autocommit(connection):
            yield
        else:
            with connection.begin_nested():
                yield
    except DBAPIError as error:
        found = None
        if not error.connection_invalidated:
            found = explain(connection, sqlstate(error), server_message(error))
        raise found or explained(call, error) from error
