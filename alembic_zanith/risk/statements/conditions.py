"""Whether a condition leaves any row out, as far as its text says."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from .parser import Node, UnreadableSqlError, enum_name, expression, unwrap

Truth = bool | None
"""What a condition is for every row; None where that differs by row, or nobody can tell."""

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WITH_ITSELF = {"=", "<=", ">="}
_TRUE = {"t", "true", "y", "yes", "on", "1"}


def is_always(condition: Node) -> bool:
    """Whether a WHERE leaves no row out: TRUE, 1 = 1, NOT false, id = id and the like.

    >>> from .parser import expression
    >>> [is_always(expression(text)) for text in ("1 = 1 OR id = 5", "id = 5", "a.id = a.id")]
    [True, False, True]
    """
    try:
        return truth(condition) is True
    except RecursionError:  # a thousand NOTs are there to hide something
        return True


def column_with_value(condition: Node) -> str:
    """Return the column of a condition that is `column IS NOT NULL` and no more, or nothing.

    >>> from .parser import expression
    >>> [column_with_value(expression(text)) for text in ("c IS NOT NULL", "c IS NULL", "c > 0")]
    ['c', '', '']
    """
    name, content = unwrap(condition)
    if name != "null_test" or enum_name(content, "nulltesttype") != "IS_NOT_NULL":
        return ""
    column = _column(content.arg)
    return column[-1] if column is not None else ""


def column_with_value_text(condition: str) -> str:
    """Return the same of a condition that is written as SQL."""
    if "null" not in condition.lower():
        return ""
    try:
        return column_with_value(expression(condition))
    except UnreadableSqlError:
        return ""


def columns_without_value(condition: Node, table: str) -> Iterator[str]:
    """Yield the columns of a table that are NULL in every row that a condition leaves.

    >>> from .parser import expression
    >>> [*columns_without_value(expression("a IS NULL AND (t.b IS NULL AND c > 0)"), "t")]
    ['a', 'b']
    """
    waiting = [condition]
    for each in waiting:
        name, content = unwrap(each)
        if name == "bool_expr" and enum_name(content, "boolop") == "AND_EXPR":
            waiting.extend(content.args)
        elif name == "null_test" and enum_name(content, "nulltesttype") == "IS_NULL":
            *of, column = _column(content.arg) or ("",)
            if column and (not of or of[-1] == table):
                yield column


def truth(condition: Node) -> Truth:
    """Return what a condition is for every row."""
    name, content = unwrap(condition)
    reader = _READERS.get(name)
    return None if reader is None else reader(content)


def _constant(content: Node) -> Truth:
    if content.HasField("boolval"):
        return bool(content.boolval.boolval)
    if content.HasField("sval"):
        return str(content.sval.sval).lower() in _TRUE
    return None


def _cast(content: Node) -> Truth:
    return truth(content.arg)


def _combined(content: Node) -> Truth:
    parts = [truth(each) for each in content.args]
    match enum_name(content, "boolop"):
        case "NOT_EXPR":
            return None if parts[0] is None else not parts[0]
        case "AND_EXPR":
            return False if False in parts else None if None in parts else True
        case _:
            return True if True in parts else None if None in parts else False


def _compared(content: Node) -> Truth:
    if enum_name(content, "kind") != "AEXPR_OP":
        return None
    sign = "".join(str(unwrap(each)[1].sval) for each in content.name)
    left, right = _value(content.lexpr), _value(content.rexpr)
    if left is not None and right is not None:
        if type(left) is not type(right) or sign not in _COMPARISONS:
            return None
        return _COMPARISONS[sign](left, right)
    # A column that is equal to itself leaves out no row but those without a value.
    itself = _column(content.lexpr)
    same = itself is not None and itself == _column(content.rexpr)
    return True if same and sign in _WITH_ITSELF else None


def _value(node: Node) -> int | str | None:
    name, content = unwrap(node)
    if name != "a_const":
        return None
    if content.HasField("ival"):
        return int(content.ival.ival)
    return str(content.sval.sval) if content.HasField("sval") else None


def _column(node: Node) -> tuple[str, ...] | None:
    name, content = unwrap(node)
    if name != "column_ref":
        return None
    return tuple(str(getattr(unwrap(each)[1], "sval", "*")) for each in content.fields)


def _null_test(content: Node) -> Truth:
    is_not = enum_name(content, "nulltesttype") == "IS_NOT_NULL"
    column = _column(content.arg)
    if column is not None:
        return is_not if column[-1] in ("ctid", "tableoid", "xmin") else None
    name, constant = unwrap(content.arg)
    return None if name != "a_const" else is_not is not constant.isnull


def _exists(content: Node) -> Truth:
    if enum_name(content, "sub_link_type") != "EXISTS_SUBLINK":
        return None
    _, query = unwrap(content.subselect)
    bare = not query.from_clause and not query.HasField("where_clause") and query.target_list
    return True if bare else None


_READERS: dict[str, Callable[[Node], Truth]] = {
    "a_const": _constant,
    "a_expr": _compared,
    "bool_expr": _combined,
    "null_test": _null_test,
    "sub_link": _exists,
    "type_cast": _cast,
}
