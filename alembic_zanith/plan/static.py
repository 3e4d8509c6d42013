"""The static plan: what a script would do, from its text alone. Nothing of it is run or imported.

Operations whose arguments are literals, or are built from literals with SQLAlchemy's constructors,
are made as `op` would make them. What depends on anything else is named as a possible call.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from alembic.operations import MigrateOperation
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

from .model import PossibleCall
from .names import Module
from .reader import ScriptReader
from .stand_in import NeedsDatabase
from .statements import Left, TooLong


@dataclass(frozen=True)
class StaticOperation:
    """One call of an operation, or one statement that the script gives to a connection."""

    operation: MigrateOperation
    """For a statement it is an `ExecuteSQLOp`."""
    sql: str
    """What Alembic writes for it; empty where that depends on the database."""
    line: int
    is_statement: bool = False
    """Whether it is a statement that goes to a connection, not a call of an operation."""
    under: str | None = None
    """What decides whether and how often it runs: `if`, `for`, `while`, `except` or `match`."""


@dataclass(frozen=True)
class StaticScript:
    """What the text of one script says. `ended` says why it is not all; None where it is."""

    operations: tuple[StaticOperation, ...]
    possible: tuple[PossibleCall, ...] = ()
    ended: str | None = None


def operations_in(
    source: str, function: str, path: str, dialect: Dialect | None = None
) -> StaticScript:
    """Return what `upgrade()` or `downgrade()` of a script would do.

    >>> script = '''
    ... from alembic import op
    ... def upgrade():
    ...     op.drop_table("users")
    ... '''
    >>> [(each.sql, each.line) for each in operations_in(script, "upgrade", "1_x.py").operations]
    [('DROP TABLE users;', 4)]
    """
    try:
        module = Module.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return StaticScript((), ended=f"{path} is no Python that can be read: {error}")
    made = postgresql.dialect() if dialect is None else dialect  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    reader = ScriptReader(module, made)
    reader.read_module()
    definitions = [
        each
        for each in module.tree.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == function
    ]
    if not definitions:
        calls = reader.calls_of(function)
        return StaticScript((), calls, f"{path} has no `def {function}()` at its top level")
    try:
        reader.call(definitions[-1])
    except (Left, TooLong, NeedsDatabase) as error:
        reader.missed(str(error))
    noted = (
        StaticOperation(each.operation, each.sql, each.line, each.is_statement, each.under)
        for each in reader.performer.noted
    )
    possible = sorted(reader.possible, key=lambda each: (each.line, each.source))
    return StaticScript(tuple(noted), tuple(possible), _summary(reader.reasons))


def _summary(reasons: list[str]) -> str | None:
    distinct = list(dict.fromkeys(reasons))
    if not distinct:
        return None
    more = f" (and {len(distinct) - 1} more)" if len(distinct) > 1 else ""
    return f"the text alone does not tell: {distinct[0]}{more}"
