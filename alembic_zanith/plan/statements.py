"""What each kind of statement does to the reading of a script."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations

from alembic_zanith.failures import raised

from .evaluate import ScriptFunction
from .operators import items_of
from .perform import is_block
from .pure import NotKnown, imported

if TYPE_CHECKING:
    from .reader import ScriptReader

_MUTATE = {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove"}
_MUTATE |= {"reverse", "setdefault", "sort", "update"}


class Left(Exception):
    """A block is left before its end: `return`, `raise`, `break` or `continue`."""

    def __init__(self, statement: ast.stmt, value: Any = None) -> None:
        super().__init__(f"line {statement.lineno}, {ast.unparse(statement)}: it ends there")
        self.how = type(statement)
        self.value = value


class TooLong(Exception):
    """The script has more to go through than can be worth it."""


@singledispatch
def run_statement(node: ast.stmt, reader: ScriptReader) -> None:
    """Go through one statement. One that nobody registered is only looked into."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            reader.value(child)
    reader.forget([node])


@run_statement.register(ast.Global)
@run_statement.register(ast.Nonlocal)
def _(node: ast.Global | ast.Nonlocal, reader: ScriptReader) -> None:
    for name in node.names:
        is_global = isinstance(node, ast.Global)
        reader.scope.elsewhere[name] = reader.globals if is_global else reader.scope.owner(name)


@run_statement.register(ast.Pass)
@run_statement.register(ast.ClassDef)
def _(node: ast.stmt, reader: ScriptReader) -> None:
    reader.forget([node])


@run_statement.register(ast.Expr)
def _(node: ast.Expr, reader: ScriptReader) -> None:
    reader.value(node.value)
    reader.forget([node])


@run_statement.register(ast.Assign)
def _(node: ast.Assign, reader: ScriptReader) -> None:
    value = reader.value(node.value)
    for target in node.targets:
        reader.bind(target, value)


@run_statement.register(ast.AnnAssign)
def _(node: ast.AnnAssign, reader: ScriptReader) -> None:
    if node.value is not None:
        reader.bind(node.target, reader.value(node.value))


@run_statement.register(ast.Return)
def _(node: ast.Return, reader: ScriptReader) -> None:
    value = None if node.value is None else reader.value(node.value)
    raise Left(node, value)


@run_statement.register(ast.Break)
@run_statement.register(ast.Continue)
def _(node: ast.stmt, reader: ScriptReader) -> None:
    raise Left(node)


@run_statement.register(ast.Raise)
def _(node: ast.Raise, reader: ScriptReader) -> None:
    for each in (node.exc, node.cause):
        if each is not None:
            reader.value(each)
    raise Left(node)


@run_statement.register(ast.FunctionDef)
@run_statement.register(ast.AsyncFunctionDef)
def _(node: ast.FunctionDef | ast.AsyncFunctionDef, reader: ScriptReader) -> None:
    reader.scope.assign(node.name, ScriptFunction(node, reader.scope))


@run_statement.register(ast.Import)
def _(node: ast.Import, reader: ScriptReader) -> None:
    for each in node.names:
        name = each.name if each.asname else each.name.partition(".")[0]
        reader.scope.assign(each.asname or name, _import(name, reader))


@run_statement.register(ast.ImportFrom)
def _(node: ast.ImportFrom, reader: ScriptReader) -> None:
    package = "." * node.level + (node.module or "")
    for each in node.names:
        if each.name == "*":
            continue  # a name that is used and bound by nothing else stays unknown
        found = _import(f"{package}.{each.name}", reader)
        reader.scope.assign(each.asname or each.name, found)


def _import(name: str, reader: ScriptReader) -> Any:
    operations: Operations = reader.performer.operations
    try:
        if name == "alembic.op":
            return operations
        if name.startswith("alembic.op."):
            return reader.attribute(operations, name.removeprefix("alembic.op."))
        return imported(name)
    except NotKnown as reason:
        return reason


@run_statement.register(ast.If)
def _(node: ast.If, reader: ScriptReader) -> None:
    test = reader.value(node.test)
    if isinstance(test, NotKnown):
        reader.branch("if", node, node.body)
        reader.branch("if", node, node.orelse)
    else:
        reader.run(node.body if test else node.orelse)


@run_statement.register(ast.For)
@run_statement.register(ast.AsyncFor)
def _(node: ast.For | ast.AsyncFor, reader: ScriptReader) -> None:
    items = reader.value(node.iter)
    try:
        rounds = items_of(reader.known(items))
    except NotKnown:
        reader.forget([node])
        reader.branch("for", node, node.body)
        reader.branch("for", node, node.orelse)
        return
    for item in rounds:
        reader.bind(node.target, item)
        try:
            reader.run(node.body)
        except Left as left:
            if left.how is ast.Continue:
                continue
            if left.how is ast.Break:
                return
            raise
    reader.run(node.orelse)


@run_statement.register(ast.While)
def _(node: ast.While, reader: ScriptReader) -> None:
    reader.forget([node])
    reader.value(node.test)
    reader.branch("while", node, node.body)
    reader.branch("while", node, node.orelse)


@run_statement.register(ast.Match)
def _(node: ast.Match, reader: ScriptReader) -> None:
    reader.value(node.subject)
    for case in node.cases:
        reader.branch("match", node, case.body)


@run_statement.register(ast.Try)
@run_statement.register(ast.TryStar)
def _(node: ast.Try | ast.TryStar, reader: ScriptReader) -> None:
    try:
        reader.run(node.body)
        reader.run(node.orelse)
    except Left as left:
        if left.how is not ast.Raise:
            raise
    finally:
        for handler in node.handlers:
            reader.branch("except", handler, handler.body)
        reader.run(node.finalbody)


@run_statement.register(ast.With)
@run_statement.register(ast.AsyncWith)
def _(node: ast.With | ast.AsyncWith, reader: ScriptReader) -> None:
    with contextlib.ExitStack() as blocks:
        for item in node.items:
            value = reader.value(item.context_expr)
            if is_block(value):
                value = blocks.enter_context(_batch(value, node, reader))
            elif not isinstance(value, NotKnown):
                value = NotKnown("it is what a `with` makes of it")
            if item.optional_vars is not None:
                reader.bind(item.optional_vars, value)
        reader.run(node.body)


@contextlib.contextmanager
def _batch(
    block: contextlib.AbstractContextManager[Any], node: ast.stmt, reader: ScriptReader
) -> Iterator[Any]:
    """Enter a block of Alembic's; what it raises is a reason, and stops nothing."""
    where = f"line {node.lineno}:"
    try:
        value = block.__enter__()
    except Exception as error:  # of arguments that it does not know
        reason = f"{where} {raised(error)}"
        reader.missed(reason)
        yield NotKnown(reason)
        return
    yield value
    try:
        block.__exit__(None, None, None)
    except Exception as error:  # of an implementation that wants a database
        reader.missed(f"{where} {raised(error)}")


def stored_in(node: ast.AST) -> Iterator[str]:
    """Yield the names that something binds, or parts of whose values it does."""
    for each in ast.walk(node):
        match each:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.Attribute(ctx=ctx) | ast.Subscript(ctx=ctx) if not isinstance(ctx, ast.Load):
                yield from _base(each)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name, asname=alias):
                yield alias or name.partition(".")[0]
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield name


def mutated_in(node: ast.AST) -> Iterator[str]:
    """Yield the names whose values methods are called on that change lists and the like."""
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Attribute(attr=attribute) as method) if attribute in _MUTATE:
                yield from _base(method)


def _base(node: ast.AST) -> Iterator[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
