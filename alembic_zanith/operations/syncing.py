"""What the operations on two columns that are kept the same have in common."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

from alembic.operations.ops import MigrateOperation
from sqlalchemy.exc import DBAPIError

from alembic_zanith.catalog.relation import get_column, get_relation
from alembic_zanith.errors import (
    ConfigurationError,
    NotInStepError,
    NotSyncableError,
    UnknownObjectError,
    UnsupportedDatabaseError,
    ZanithError,
)
from alembic_zanith.failures import explained, server_message, sqlstate
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.sql import is_autocommit, run, translated_schema
from alembic_zanith.sync.checks import REFUSED, UNKNOWN
from alembic_zanith.sync.in_step import NEWLINE, OUT_OF_STEP
from alembic_zanith.sync.pair import Pair

from .naming import check_names
from .rendering import call, given_options, name_literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import Operations
    from sqlalchemy import Connection


class SyncOperation(MigrateOperation):
    """Begins or ends to keep two columns the same; `force` is for the end only."""

    kind: str

    def __init__(
        self,
        table_name: str,
        old: str,
        new: str,
        *,
        forward: str | None = None,
        backward: str | None = None,
        schema: str | None = None,
        force: bool = False,
    ) -> None:
        check_names(self.kind, table_name=table_name, old=old, new=new)
        self.table_name = table_name
        self.schema = schema
        self.old = old
        self.new = new
        self.forward = forward
        self.backward = backward
        self.force = force
        for what, text in (("forward", forward), ("backward", backward)):
            if text is not None and not str(text).strip():
                raise ConfigurationError(f"{self}: {what}={text!r} is not an SQL expression.")
        if str(old) == str(new):
            raise ConfigurationError(f"{self}: these are one column, which is the same as itself.")

    def __str__(self) -> str:
        names = ", ".join(repr(str(name)) for name in (self.table_name, self.old, self.new))
        return f"{self.kind}({names})"

    def pair(self, schema: str | None) -> Pair:
        """Return the two columns, in the schema where the table is looked for."""
        names = (str(self.table_name), str(self.old), str(self.new))
        return Pair(*names, self.forward or "", self.backward or "", schema)

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, str]:
        """Return a description in the form that Alembic's own operations have."""
        return (self.kind, self.schema, self.table_name, self.old, self.new)


def run_block(
    operations: Operations, operation: SyncOperation, block: Callable[[Pair], str]
) -> None:
    """Run the statement of an operation, or write it where SQL is wanted.

    Raises `UnsupportedDatabaseError`, `UnknownObjectError`, `NotSyncableError` and
    `NotInStepError`.
    """
    context = operations.migration_context
    if context.dialect.name != "postgresql":
        raise UnsupportedDatabaseError(
            f"{operation} works on PostgreSQL only, and this database is {context.dialect.name}."
        )
    if context.as_sql:
        statement = block(operation.pair(operation.schema))
        context.impl.static_output(f"{statement}{context.impl.command_terminator}")
        return
    connection = operations.get_bind()
    pair = operation.pair(translated_schema(connection, operation.schema))
    try:
        if is_autocommit(connection):
            run(connection, block(pair))
        else:
            with connection.begin_nested():
                run(connection, block(pair))
    except DBAPIError as error:
        raise _typed(connection, operation, pair, error) from error


def _typed(
    connection: Connection, operation: SyncOperation, pair: Pair, error: DBAPIError
) -> ZanithError:
    state = sqlstate(error)
    if state == UNKNOWN:
        found = _with_close_ones(connection, pair)
        return UnknownObjectError(f"{operation} changed nothing: {found or server_message(error)}")
    if state == REFUSED:
        return NotSyncableError(f"{operation} changed nothing: {server_message(error)}.")
    if state == OUT_OF_STEP:
        # What is to be pasted has a line of its own.
        text = server_message(error).replace(" count: UPDATE ", " count:\n  UPDATE ")
        text = text.replace("; to have ", ";\nto have ").replace("; then run", ";\nthen run")
        return NotInStepError(f"{operation} changed nothing: {text}.".replace(NEWLINE, "\n"))
    return explained(str(operation), error)


def _with_close_ones(connection: Connection, pair: Pair) -> str:
    """Return what is to be said of a name that is not there, with those that are close to it."""
    with suppress(DBAPIError):
        pinned = nullcontext() if is_autocommit(connection) else pinned_settings(connection)
        try:
            with pinned:
                relation = get_relation(connection, pair.table, pair.schema)
                for name in (pair.old, pair.new):
                    get_column(connection, relation, name)
        except UnknownObjectError as unknown:
            return str(unknown)
    return ""


def sync_call(context: AutogenContext, operation: SyncOperation) -> str:
    """Render `op.sync_columns('users', 'full_name', 'name', forward='full_name', …)`."""
    names = [name_literal(name) for name in (operation.table_name, operation.old, operation.new)]
    keywords: dict[str, Any] = given_options(operation, "forward", "backward", "schema", "force")
    return call(context, operation.kind, names, keywords)
