"""What the operators of Python mean for values that are known from the text."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from .pure import NotKnown

LARGEST = 10_000
"""How many times something is repeated at most."""
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
    ast.In: lambda one, other: one in other,
    ast.NotIn: lambda one, other: one not in other,
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
        raise NotKnown(f"it raises {type(error).__name__}: {error}") from error


def truth(value: Any) -> bool:
    """Return whether a value counts as true, or raise `NotKnown`."""
    return bool(tried(lambda: bool(value)))


def _is_large(value: Any) -> bool:
    return isinstance(value, int) and abs(value) > LARGEST
