"""Which expressions of a script are connections, sessions or a driver's own connection."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from enum import Enum

from .names import FunctionNode, Module, bindings

DRIVERS = {"psycopg", "psycopg2", "psycopg_pool", "asyncpg", "pg8000", "aiopg", "psycopg2cffi"}


class Handle(Enum):
    """What leads to a database."""

    CONTEXT = "a MigrationContext"
    ENGINE = "an engine"
    CONNECTION = "a connection of SQLAlchemy"
    SESSION = "a session"
    RAW = "a connection or cursor of the driver, whose statements SQLAlchemy does not see"


# What an attribute of a handle is, and what calling a method of that name returns.
_ATTRIBUTES = {
    (Handle.CONTEXT, "connection"): Handle.CONNECTION,
    (Handle.CONTEXT, "bind"): Handle.CONNECTION,
    (Handle.CONTEXT, "impl"): Handle.CONTEXT,
    (Handle.CONNECTION, "connection"): Handle.RAW,
    (Handle.CONNECTION, "engine"): Handle.ENGINE,
    (Handle.CONNECTION, "sync_connection"): Handle.CONNECTION,
    (Handle.CONNECTION, "execution_options"): Handle.CONNECTION,
    (Handle.CONNECTION, "connect"): Handle.CONNECTION,
    (Handle.ENGINE, "connect"): Handle.CONNECTION,
    (Handle.ENGINE, "begin"): Handle.CONNECTION,
    (Handle.ENGINE, "execution_options"): Handle.ENGINE,
    (Handle.ENGINE, "sync_engine"): Handle.ENGINE,
    (Handle.SESSION, "connection"): Handle.CONNECTION,
    (Handle.SESSION, "bind"): Handle.CONNECTION,
    (Handle.SESSION, "get_bind"): Handle.CONNECTION,
}
# These mean one thing on whatever they are called.
_ANYWHERE = {
    "driver_connection": Handle.RAW,
    "dbapi_connection": Handle.RAW,
    "raw_connection": Handle.RAW,
    "get_raw_connection": Handle.RAW,
    "_dbapi_connection": Handle.RAW,
    "cursor": Handle.RAW,
    "dbapi": Handle.RAW,
    "loaded_dbapi": Handle.RAW,
    "get_bind": Handle.CONNECTION,
    "get_context": Handle.CONTEXT,
}
_MADE_BY = {
    "alembic.op.get_bind()": Handle.CONNECTION,
    "alembic.op.get_context()": Handle.CONTEXT,
    "alembic.context.get_bind()": Handle.CONNECTION,
    "alembic.context.get_context()": Handle.CONTEXT,
    "sqlalchemy.create_engine()": Handle.ENGINE,
    "sqlalchemy.engine.create_engine()": Handle.ENGINE,
    "sqlalchemy.engine_from_config()": Handle.ENGINE,
    "sqlalchemy.ext.asyncio.create_async_engine()": Handle.ENGINE,
}
_SESSIONS = re.compile(r"sqlalchemy\.(orm|ext\.asyncio)\.\w*([Ss]ession|sessionmaker\(\))\w*\(\)")
# For names that nothing in the script binds, such as parameters.
_BY_NAME = (
    (re.compile(r"(raw_|dbapi_|driver_)\w*conn\w*|cur|curs|cursor|\w+_cur(sor)?"), Handle.RAW),
    (re.compile(r"conn|connection|bind|\w+_conn(ection)?"), Handle.CONNECTION),
    (re.compile(r"sess(ion)?|\w+_session|db"), Handle.SESSION),
    (re.compile(r"engine|\w+_engine"), Handle.ENGINE),
)
_PASSING = {"closing", "aclosing", "enter_context", "enter_async_context", "cast"}

_Scope = FunctionNode | ast.Module


class Handles:
    """Follows handles through the names of one script, each function by itself."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._outer: dict[ast.AST, _Scope] = {}
        self._bound: defaultdict[_Scope, dict[str, list[ast.expr]]] = defaultdict(dict)
        self._found: dict[tuple[_Scope, str], set[Handle]] = {}
        self._returns: dict[str, set[Handle]] = {}
        self._calls: list[ast.Call] = []
        self._returned: defaultdict[_Scope, list[ast.expr]] = defaultdict(list)
        self._visit(module.tree)
        known = -1
        while known < self._size():
            known = self._size()
            self._round()

    def of(self, node: ast.AST) -> frozenset[Handle]:
        """Return what an expression may be; nothing where it is no handle or unknown."""
        return frozenset(self._of(node))

    def _size(self) -> int:
        known = (*self._found.values(), *self._returns.values())
        return sum(map(len, known))

    def _visit(self, tree: ast.Module) -> None:
        wanted: list[tuple[ast.AST, _Scope]] = [(tree, tree)]  # no recursion: sums may be long
        while wanted:
            node, scope = wanted.pop()
            self._outer[node] = scope
            for name, value in bindings(node):
                self._bound[scope].setdefault(name, []).append(value)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                self._calls.append(node)
            if isinstance(node, ast.Return) and node.value is not None:
                self._returned[scope].append(node.value)
            inner = node if isinstance(node, FunctionNode) else scope
            wanted += ((child, inner) for child in ast.iter_child_nodes(node))

    def _round(self) -> None:
        for scope, names in list(self._bound.items()):
            for name, values in names.items():
                found = self._found.setdefault((scope, name), set())
                for value in values:
                    found |= self._of(value)
        for name, definitions in self._module.definitions.items():
            returns = self._returns.setdefault(name, set())
            for definition in definitions:
                if isinstance(definition, ast.Lambda):
                    returns |= self._of(definition.body)
                elif isinstance(definition, FunctionNode):
                    for value in self._returned[definition]:
                        returns |= self._of(value)
        for call in self._calls:
            self._parameters(call)

    def _parameters(self, call: ast.Call) -> None:
        if not isinstance(call.func, ast.Name):
            return
        for definition in self._module.definitions.get(call.func.id, ()):
            if isinstance(definition, ast.ClassDef):
                continue
            arguments = definition.args
            names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
            given = [*zip(names, call.args, strict=False)]
            given += [(each.arg, each.value) for each in call.keywords if each.arg]
            for name, value in given:
                self._found.setdefault((definition, name), set()).update(self._of(value))

    def _of(self, node: ast.AST) -> set[Handle]:
        made = {_MADE_BY[each] for each in self._module.origins_of(node) if each in _MADE_BY}
        if made:
            return made
        match node:
            case ast.Name(id=name):
                return self._named(node, name)
            case ast.Await(value=value) | ast.NamedExpr(value=value):
                return self._of(value)
            case ast.IfExp(body=one, orelse=other):
                return self._of(one) | self._of(other)
            case ast.BoolOp(values=values):
                return {handle for each in values for handle in self._of(each)}
            case ast.Attribute(value=value, attr=attribute):
                return self._attribute(self._of(value), attribute)
            case ast.Call():
                return set(self._called(node))
        return set()

    def _attribute(self, owners: set[Handle], attribute: str) -> set[Handle]:
        if Handle.RAW in owners:
            return {Handle.RAW}
        if attribute in _ANYWHERE:
            return {_ANYWHERE[attribute]}
        keys = ((owner, attribute) for owner in owners)
        return {_ATTRIBUTES[key] for key in keys if key in _ATTRIBUTES}

    def _called(self, call: ast.Call) -> Iterator[Handle]:
        for origin in self._module.origins_of(call):
            if _SESSIONS.fullmatch(origin):
                yield Handle.SESSION
            if origin.partition(".")[0] in DRIVERS and "connect" in origin.lower():
                yield Handle.RAW
        match call.func:
            case ast.Name(id="getattr") if len(call.args) > 1:
                yield from self._looked_up(call.args[0], call.args[1])
            case ast.Name(id=name) if name in self._module.definitions:
                yield from self._returns.get(name, ())
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in _PASSING:
                for argument in call.args:
                    yield from self._of(argument)
            case _:
                yield from self._of(call.func)

    def _looked_up(self, owner: ast.expr, name: ast.expr) -> set[Handle]:
        owners = self._of(owner)
        if isinstance(name, ast.Constant):
            return self._attribute(owners, str(name.value))
        # A name that is worked out may be that of the driver's connection as well.
        return {Handle.RAW} if owners & {Handle.CONNECTION, Handle.RAW} else set()

    def _named(self, node: ast.AST, name: str) -> set[Handle]:
        scope = self._outer.get(node, self._module.tree)
        while True:
            if (scope, name) in self._found:
                found = self._found[scope, name]
                if found or name in self._bound[scope]:
                    return set(found)
            if name in self._bound[scope] or isinstance(scope, ast.Module):
                break
            scope = self._outer[scope]
        if name in self._bound[scope] or name in self._module.origins:
            return set()
        return next(({handle} for form, handle in _BY_NAME if form.fullmatch(name)), set())
