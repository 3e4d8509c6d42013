"""Functions that statements call, and the bodies of functions and DO blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import postgast
from postgast import PgQueryError

from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes import objects
from alembic_zanith.risk.changes.raw import Harmless, RawSql

from .parser import Statement, descendants, string, strings, unwrap
from .registry import changes_in, statement
from .values import option

# Of pg_catalog, and doing more than reading. Functions that a script or an extension made are not
# in pg_catalog, and none of them can be seen through here.
_DOES_MORE = {
    "dblink",
    "dblink_exec",
    "lo_export",
    "lo_import",
    "lo_unlink",
    "pg_cancel_backend",
    "pg_read_file",
    "pg_reload_conf",
    "pg_terminate_backend",
    "query_to_xml",
    "database_to_xml",
    "cursor_to_xml",
    "set_config",
    "setval",
}


def calls(each: Statement) -> Iterator[Change]:
    """Yield what the functions that a statement calls may change."""
    for name, node in descendants(each.node):
        if name != "func_call":
            continue
        parts = strings(node.funcname)
        if parts[-1] in _DOES_MORE or (len(parts) > 1 and parts[0] != "pg_catalog"):
            yield RawSql(".".join(parts), f"the function {'.'.join(parts)} is not seen through")


@statement("call_stmt")
def call(each: Statement) -> Iterator[Change]:
    name = ".".join(strings(each.node.funccall.funcname))
    yield RawSql(name, f"the procedure {name} is not seen through")


@statement("create_function_stmt")
def create_function(each: Statement) -> Iterator[Change]:
    # To define it deletes nothing; what it does counts where it is called.
    made = objects.ReplaceObject if each.node.replace else objects.CreateObject
    what = "procedure" if each.node.is_procedure else "function"
    yield made(what, ".".join(strings(each.node.funcname)))


@statement("do_stmt")
def do(each: Statement) -> Iterator[Change]:
    language = option(each.node.args, "language")
    if language is not None and string(language) != "plpgsql":
        yield RawSql(each.text[:80], f"{string(language)} is not read")
        return
    yield from changes_in_plpgsql(each.text)


def changes_in_plpgsql(text: str) -> Iterator[Change]:
    """Yield what a DO block or a PL/pgSQL function changes when it runs."""
    try:
        trees = postgast.parse_plpgsql(text)
    except (PgQueryError, ValueError) as error:
        yield RawSql(" ".join(text.split())[:80], f"its body cannot be read: {error}")
        return
    found = [change for tree in trees for change in _walk(tree)]
    yield from found or [Harmless(text)]


def _walk(tree: Any) -> Iterator[Change]:
    """Yield the changes of every statement in a tree of parse_plpgsql."""
    if isinstance(tree, list):
        for item in tree:
            yield from _walk(item)
        return
    if not isinstance(tree, dict):
        return
    for name, content in tree.items():
        if name == "PLpgSQL_stmt_dynexecute" or name == "PLpgSQL_stmt_dynfors":
            yield from _computed(content["query"]["PLpgSQL_expr"]["query"])
            yield from _walk({k: v for k, v in content.items() if k != "query"})
        elif name == "PLpgSQL_expr":
            yield from _expression(content)
        else:
            yield from _walk(content)


def _expression(content: dict[str, Any]) -> Iterator[Change]:
    query = content["query"]
    if content.get("parseMode", 0) == 0:
        yield from (each for each in changes_in(query) if not isinstance(each, Harmless))
        return
    # An expression, or the two sides of an assignment.
    right = query.split(":=", 1)[-1] if content["parseMode"] > 2 else query
    yield from (each for each in changes_in(f"SELECT {right}") if not isinstance(each, Harmless))


def _computed(expression: str) -> Iterator[Change]:
    """Yield what EXECUTE runs, where that is written out."""
    node = _constant(expression)
    if node is None:
        yield RawSql(f"EXECUTE {expression}", "the string is computed when it runs")
    else:
        yield from changes_in(node)


def _constant(expression: str) -> str | None:
    try:
        tree = postgast.parse(f"SELECT {expression}")
    except PgQueryError:
        return None
    name, content = unwrap(tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val)
    if name == "a_const" and content.HasField("sval"):
        return str(content.sval.sval)
    return None
