"""Expressions and options in operations: whatever SQLAlchemy takes for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError
from sqlalchemy.sql.elements import ClauseElement

from alembic_zanith.risk.change import Change
from alembic_zanith.risk.statements.functions import calls_in_expression

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
_WRITTEN = {"literal_binds": True, "include_table": False}


def text_of(expression: Any) -> str:
    """Return an expression as SQL; nothing where there is none, or none that can be written."""
    if not isinstance(expression, ClauseElement):
        return expression if isinstance(expression, str) else ""
    try:
        return str(expression.compile(dialect=_DIALECT, compile_kwargs=_WRITTEN))
    except CompileError:
        return ""


def calls_of(*expressions: Any) -> Iterator[Change]:
    """Yield what the functions change that are called for the rows that are there."""
    for each in expressions:
        if isinstance(each, ClauseElement):
            yield from calls_in_expression(text_of(each))


def given(options: Mapping[str, Any]) -> set[str]:
    """Return the names of the options that say something. Some values are no plain true or false.

    >>> sorted(given({"postgresql_include": [], "postgresql_using": "gin", "unique": False}))
    ['postgresql_using']
    """
    return {
        name
        for name, value in options.items()
        if isinstance(value, ClauseElement) or (value is not None and bool(value))
    }
