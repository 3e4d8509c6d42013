"""What the operators of Python mean for values that are known from the text."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, ItemsView, KeysView, ValuesView
from typing import Any

from alembic_zanith.failures import raised

from .pure import NotKnown

LARGEST = 10_000
"""How many times something is repeated at most."""
_LAZY = (range, enumerate, zip, reversed, KeysView, ValuesView, ItemsView)
_FINITE = (str, list, tuple, dict, set, frozenset, *_LAZY)
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: operator.mod,
    ast.FloorDiv: operator.floordiv,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda one, other: one in items_of(other),
    ast.NotIn: lambda one, other: one not in items_of(other),
}


def apply(op: ast.AST, *operands: Any) -> Any:
    """Return what an operator makes of its operands, or raise `NotKnown`."""
    function = _OPERATORS.get(type(op))
    if function is None:
        raise NotKnown(f"{type(op).__name__} is not worked out")
    if isinstance(op, ast.Mult) and any(_is_large(each) for each in operands):
        raise NotKnown("it is too large to be worked out")
    return tried(lambda: function(*operands))


def tried(call: Callable[[], Any]) -> Any:
    """Return what a call returns; whatever it raises is a `NotKnown`."""
    try:
        return call()
    except NotKnown:
        raise
    except Exception as error:  # of whatever the script's values do: anything
        raise NotKnown(raised(error)) from error


def items_of(value: Any) -> list[Any] | str:
    """Return what a loop over a value goes through, or raise `NotKnown`.

    A column of SQLAlchemy is never asked: it has an item at every index, without end.
    """
    if not isinstance(value, _FINITE):
        raise NotKnown(f"what a {type(value).__name__} holds is known only when it runs")
    if isinstance(value, range) and len(value) > LARGEST:
        raise NotKnown("it is too long to be worked out")
    return value if isinstance(value, str) else list(value)


def truth(value: Any) -> bool:
    """Return whether a value counts as true, or raise `NotKnown`."""
    return bool(tried(lambda: bool(value)))


def _is_large(value: Any) -> bool:
    return isinstance(value, int) and abs(value) > LARGEST
