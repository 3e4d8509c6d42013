"""PL/pgSQL: what DO blocks and the bodies of functions change, every branch of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, NamedTuple

from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.raw import Harmless, RawSql

from .parser import UnreadableSqlError, constant, parse_plpgsql
from .registry import changes_in

_TRIGGERS = ("trigger", "event_trigger")

# What PL/pgSQL declares for a trigger function by itself:
# https://www.postgresql.org/docs/current/plpgsql-trigger.html
_DECLARED = (
    "new record; old record; tg_name name; tg_when text; tg_level text; tg_op text; tg_relid oid; "
    "tg_relname name; tg_table_name name; tg_table_schema name; tg_nargs int; tg_argv text[]; "
    "tg_event text; tg_tag text;"
)

# The types of tables, and arrays of types that a script has made: unknown here, and no matter.
_ROW_TYPE = re.compile(r'(?:"[^"]+"|[\w.])+\s*%\s*rowtype\b', re.IGNORECASE)
_ARRAY_TYPE = re.compile(r'\b(?!array\b)(?:"[^"]+"|[\w.])+\s*\[\s*\]', re.IGNORECASE)
_COLUMN_TYPE = re.compile(r'(?:"[^"]+"|[\w.])+\s*%\s*type\b', re.IGNORECASE)

_STATEMENT = 0
_EXPRESSION = 2
"""Modes in which PL/pgSQL reads an expression; all above it are assignments."""


class Embedded(NamedTuple):
    """SQL that PL/pgSQL runs, as a statement; `is_computed` where it is what gives the SQL."""

    sql: str
    is_computed: bool = False


def changes_in_block(text: str) -> Iterator[Change]:
    """Yield what a DO statement changes."""
    yield from _changes(*_block(text))


def changes_in_body(text: str, body: str, result: str) -> Iterator[Change]:
    """Yield what a function changes when it is called, from its CREATE statement and its body."""
    yield from _changes(*_body(text, body, result))


def embedded_in_block(text: str) -> list[Embedded]:
    """Return all SQL in a DO statement, every branch of it. Raises `UnreadableSqlError`."""
    return [each for tree in _trees(*_block(text)) for each in _embedded(tree)]


def embedded_in_body(text: str, body: str, result: str) -> list[Embedded]:
    """Return all SQL in a function, from its CREATE statement and its body.

    Raises `UnreadableSqlError`.
    """
    return [each for tree in _trees(*_body(text, body, result)) for each in _embedded(tree)]


def _block(text: str) -> tuple[str, ...]:
    return (text, _without_made_types(text))


def _body(text: str, body: str, result: str) -> tuple[str, ...]:
    """Return the texts to try, of which the parser reads one."""
    if result not in _TRIGGERS:
        return (text, _without_made_types(text))
    # The parser's answer for functions that return a trigger is no valid JSON, so the body becomes
    # the inner block of a function that declares the variables of triggers itself.
    inner = re.sub(r"^\s*#.*$", "", body, flags=re.MULTILINE).strip()
    return (_wrapped(inner, result), _wrapped(_without_made_types(inner), result))


def _wrapped(body: str, result: str) -> str:
    # A comment may stand behind the last END, with or without a semicolon before it.
    inner = re.sub(r";\s*((?:--[^\n]*\s*)*)\Z", r" \1", body)
    tag = "$zanith$"
    while tag in inner:
        tag = f"{tag[:-1]}_$"
    returns = "record" if result == "trigger" else "void"  # RETURN new, or RETURN alone
    return (
        f"CREATE FUNCTION f() RETURNS {returns} LANGUAGE plpgsql AS {tag} DECLARE {_DECLARED} "
        f"BEGIN\n{inner}\n; END {tag}"
    )


def _without_made_types(text: str) -> str:
    text = _COLUMN_TYPE.sub("text", _ROW_TYPE.sub("record", text))
    return _ARRAY_TYPE.sub("text[]", text)


def _changes(*texts: str) -> Iterator[Change]:
    """Yield the changes in the first of the texts that can be read."""
    try:
        trees = _trees(*texts)
    except UnreadableSqlError as error:
        short = " ".join(texts[0].split())[:80]
        yield RawSql(short, f"its body cannot be read: {error}")
        return
    yield from [each for tree in trees for each in _of_block(tree)] or [Harmless(texts[0])]


def _trees(*texts: str) -> list[Any]:
    """Return what the first of the texts that can be read is made of."""
    *others, last = texts
    for text in others:
        with suppress(UnreadableSqlError):
            return parse_plpgsql(text)
    return parse_plpgsql(last)


_BRANCHES = frozenset(
    f"PLpgSQL_stmt_{name}"
    for name in ("if", "case", "loop", "while", "fori", "fors", "forc", "foreach_a", "dynfors")
)


def _of_block(tree: Any) -> Iterator[Change]:
    """Yield the changes of a block: every branch, for who knows which of them runs."""
    found = list(_walk(tree))
    sure = not any(name in _BRANCHES or name == "exceptions" for name in _names(tree))
    yield from found if sure else map(_perhaps, found)


def _perhaps(change: Change) -> Change:
    """Return a change that makes something as one that makes it if it is not there."""
    if "if_not_exists" in (each.name for each in fields(change)):
        return replace(change, if_not_exists=True)  # type: ignore[call-arg]  # it has the field
    return change


def _names(tree: Any) -> Iterator[str]:
    for item in tree if isinstance(tree, list) else ():
        yield from _names(item)
    for name, content in tree.items() if isinstance(tree, dict) else ():
        yield name
        yield from _names(content)


def _walk(tree: Any) -> Iterator[Change]:
    """Yield the changes of every statement in a tree of parse_plpgsql."""
    if isinstance(tree, list):
        for item in tree:
            yield from _walk(item)
    elif isinstance(tree, dict):
        for name, content in tree.items():
            if name in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"):
                yield from _computed(content["query"]["PLpgSQL_expr"]["query"])
                yield from _walk({k: v for k, v in content.items() if k != "query"})
            elif name == "dynquery":  # OPEN … FOR EXECUTE and RETURN QUERY EXECUTE
                yield from _computed(content["PLpgSQL_expr"]["query"])
            elif name == "PLpgSQL_expr":
                yield from _expression(content)
            else:
                yield from _walk(content)


def _expression(content: dict[str, Any]) -> Iterator[Change]:
    query = _statement_of(content)
    yield from (each for each in changes_in(query) if not isinstance(each, Harmless))


def _statement_of(content: dict[str, Any]) -> str:
    query, mode = str(content["query"]), content.get("parseMode", _STATEMENT)
    if mode > _EXPRESSION:
        query = _assigned(query)
    return query if mode == _STATEMENT else f"SELECT {query}"


def _embedded(tree: Any) -> Iterator[Embedded]:
    """Yield the SQL in a tree of parse_plpgsql: what is run, and what gives what is run."""
    for item in tree if isinstance(tree, list) else ():
        yield from _embedded(item)
    for name, content in tree.items() if isinstance(tree, dict) else ():
        runs_a_string = name in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors")
        if name == "dynquery" or runs_a_string:
            given = content["query"] if runs_a_string else content
            expression = given["PLpgSQL_expr"]["query"]
            text = constant(expression)
            yield Embedded(expression, True) if text is None else Embedded(text)
            if runs_a_string:
                yield from _embedded({k: v for k, v in content.items() if k != "query"})
        elif name == "PLpgSQL_expr":
            yield Embedded(_statement_of(content))
        else:
            yield from _embedded(content)


def _assigned(assignment: str) -> str:
    """Return what stands right of the sign, which is `:=` or `=`.

    >>> _assigned("a[2:3] := b"), _assigned('"x=" = f(a := 1)')
    (' b', ' f(a := 1)')
    """
    depth, is_quoted = 0, False
    for place, char in enumerate(assignment):
        if char == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            depth += (char in "([") - (char in ")]")
            if char == "=" and depth == 0:
                return assignment[place + 1 :]
    return assignment


def _computed(expression: str) -> Iterator[Change]:
    """Yield what EXECUTE runs, where that is written out."""
    text = constant(expression)
    if text is not None:
        yield from (each for each in changes_in(text) if not isinstance(each, Harmless))
        return
    short = " ".join(expression.split())[:80]
    yield RawSql(f"EXECUTE {short}", "the string is computed when it runs")
    yield from (
        each for each in changes_in(f"SELECT {expression}") if not isinstance(each, Harmless)
    )
