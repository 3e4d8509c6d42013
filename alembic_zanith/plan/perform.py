"""Makes operations as `op` makes them, on a context that writes SQL and has no database."""

from __future__ import annotations

import ast
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from alembic.operations import BatchOperations, MigrateOperation, Operations
from alembic.operations.base import AbstractOperations
from alembic.operations.ops import ExecuteSQLOp
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.elements import ClauseElement

from alembic_zanith import hooks
from alembic_zanith.failures import raised

from .pure import NotKnown
from .scripts import is_plain_sql
from .stand_in import NeedsDatabase, StandIn, Unread

# They register functions, or run some that are handed to them.
_NOT_CALLED = {"context", "implementation_for", "register_operation", "run_async"}
_OF_CONNECTION = {
    "begin",
    "begin_nested",
    "close",
    "commit",
    "connect",
    "execution_options",
    "in_nested_transaction",
    "in_transaction",
    "rollback",
}
_OF_CONSTRUCT = {"create", "create_all", "drop", "drop_all"}


@dataclass(frozen=True)
class Noted:
    """What a call would do."""

    operation: MigrateOperation
    sql: str
    line: int
    is_statement: bool
    under: str | None


class Performer:
    """Calls methods of `op`, of batches and of a stand-in for the connection, and notes them."""

    def __init__(self, dialect: Dialect) -> None:
        self.noted: list[Noted] = []
        self.under: list[str] = []
        self._line = 0
        self._is_invoking = False
        self._written = io.StringIO()
        context = MigrationContext(dialect, None, {"as_sql": True, "output_buffer": self._written})
        self.connection = StandIn(dialect, self._statement)
        context.connection = self.connection  # type: ignore[assignment]
        self.operations = Operations(context)

    def attribute(self, owner: Any, name: str) -> Any:
        """Return a method that may be called, or None where `owner` is none of ours."""
        if isinstance(owner, Unread):
            raise NotKnown("it reads the result of a statement")
        if isinstance(owner, AbstractOperations):
            known = not name.startswith("_") and name not in _NOT_CALLED
        elif isinstance(owner, StandIn):
            known = name in _OF_CONNECTION
            if not known and name in ("dialect", "engine", "name"):
                return getattr(owner, name)
        else:
            return None
        found = getattr(owner, name, None) if known else None
        if found is None:
            raise NotKnown(f"`{name}` is not among what can be worked out from the text")
        return found

    def perform(self, function: Callable[..., Any], call: ast.Call, args: Any, kwargs: Any) -> Any:
        """Call a method that `attribute` returned, or a DDL method of a construct.

        Raises `NotKnown` for anything else, and where it does not get as far as an operation.
        """
        if not self._is_ours(function, args, kwargs):
            raise NotKnown(f"what `{ast.unparse(call.func)}()` does is known only when it runs")
        if getattr(function, "__name__", "") == "get_bind":
            # Alembic's own returns what operations write to, where nothing is noted.
            return self.connection
        before, self._line = len(self.noted), line_of(call)
        try:
            with hooks.watching(self._operation):
                return function(*args, **kwargs)
        except NeedsDatabase as reason:
            return NotKnown(str(reason))
        except Exception as error:  # of arguments that do not fit, or of an implementation
            unknown = NotKnown(raised(error))
            if len(self.noted) == before:
                raise unknown from error
            return unknown

    def send(self, statement: Any, call: ast.Call) -> None:
        """Note a statement that a connection, session or cursor is given."""
        if not isinstance(statement, str | ClauseElement):
            raise NotKnown("the statement is known only when it runs")
        self._line = line_of(call)
        self._statement(statement)

    def _is_ours(self, function: Any, args: Any, kwargs: Any) -> bool:
        owner = getattr(function, "__self__", None)
        if isinstance(owner, AbstractOperations | StandIn):
            return True
        given = any(each is self.connection for each in (*args, *kwargs.values()))
        return given and getattr(function, "__name__", "") in _OF_CONSTRUCT

    def _operation(self, operation: MigrateOperation, invoke: hooks.Invoke) -> Any:
        if self._is_invoking:  # what the implementation of another operation calls
            return invoke(operation)
        start = self._written.tell()
        self._is_invoking = True
        result: Any = NotKnown("it is a result that only a database has")
        try:
            # Others refuse to be written as SQL.
            if is_plain_sql(operation):
                result = invoke(operation)
                if self._written.tell() == start:  # a batch writes when its block ends
                    self.operations.invoke(operation)
        finally:
            self._is_invoking = False
            sql = self._written.getvalue()[start:].strip()
            self._note(operation, sql, is_statement=False)
        return result

    def _statement(self, statement: Any) -> str:
        sql = self._text(statement)
        if self._is_invoking:  # a type that an operation creates along with its table
            self._written.write(f"{sql.strip()};\n\n")
        else:
            self._note(ExecuteSQLOp(statement), sql, is_statement=True)
        return sql

    def _text(self, statement: Any) -> str:
        if isinstance(statement, ExecutableDDLElement):
            # Types of PostgreSQL have no words in SQLAlchemy's default dialect.
            return str(statement.compile(dialect=self.connection.dialect)).strip()
        return str(statement)

    def _note(self, operation: MigrateOperation, sql: str, *, is_statement: bool) -> None:
        under = self.under[-1] if self.under else None
        self.noted.append(Noted(operation, sql, self._line, is_statement, under))


def is_block(value: Any) -> bool:
    """Whether a value is a batch or a connection, which a `with` may enter."""
    return isinstance(value, AbstractContextManager) and not isinstance(value, BatchOperations)


def line_of(call: ast.Call) -> int:
    """Return the line that Python gives a call in a traceback.

    A method in a chain of several lines has that of its name; what is called on an imported
    module, or with `*` or `**`, has that of the beginning.
    """
    unpacks = any(isinstance(each, ast.Starred) for each in call.args)
    unpacks = unpacks or any(each.arg is None for each in call.keywords)
    match call.func:
        case ast.Attribute(value=owner, end_lineno=int(line)) if not (
            unpacks or isinstance(owner, ast.Name)
        ):
            return line
    return call.lineno
