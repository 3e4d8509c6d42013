"""Goes through the statements of a script in the order in which they would run."""

from __future__ import annotations

import ast
import contextlib
import textwrap
from collections.abc import Callable
from functools import cached_property
from typing import Any

from sqlalchemy.engine import Dialect

from .evaluate import Evaluator, Scope, ScriptFunction, unpack
from .handles import Handles
from .model import PossibleCall
from .names import BATCH, OP, Module
from .perform import Performer
from .pure import BUILTINS, NotKnown, attribute_of
from .source import calls_in
from .statements import Left, TooLong, mutated_in, run_statement, stored_in

_SEND = {"exec_driver_sql", "execute", "executemany", "scalar", "scalars", "stream"}
_LONGEST = 80
_DEEPEST = 40
_MOST = 100_000
# What gives names at module level their values; the rest leaves them unknown.
_BINDING = ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom
_BINDING |= ast.FunctionDef | ast.AsyncFunctionDef


class ScriptReader(Evaluator):
    """Reads one script. What it finds is in `performer.noted`, `possible` and `reasons`."""

    def __init__(self, module: Module, dialect: Dialect) -> None:
        super().__init__()
        self.performer = Performer(dialect)
        self.possible = set[PossibleCall]()
        self.reasons: list[str] = []
        self._module = module
        self._done = set[ast.AST]()
        self._depth = 0
        self._steps = 0
        self._has_perhaps_returned = False
        self.globals = self.scope = Scope(Scope(names=dict(BUILTINS)))

    @cached_property
    def _handles(self) -> Handles:
        return Handles(self._module)  # needed only where something is not known

    def read_module(self) -> None:
        """Give the names at module level their values, as far as the text tells."""
        for statement in self._module.tree.body:
            if isinstance(statement, _BINDING):
                self.run([statement])
            else:
                self.forget([statement])
        # What the module does when it is imported is no part of what a function does.
        self.possible.clear()
        self.reasons.clear()
        self.performer.noted.clear()

    def call(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Go through a function that is called without arguments."""
        if function.decorator_list:
            self.missed("a decorator may change what the function does")
        call = ast.Call(ast.Name(function.name, ast.Load()), [], [])
        made = ScriptFunction(function, self.globals)
        with contextlib.suppress(NotKnown):  # what it returns
            self._go_through(made, self._arguments(made, call))

    def calls_of(self, name: str) -> tuple[PossibleCall, ...]:
        """Return what a name could call that is bound by something else than a `def`."""
        found = set(calls_in(ast.Name(name, ast.Load()), self._module, self._handles))
        return tuple(sorted(found, key=lambda each: (each.line, each.source)))

    def missed(self, reason: str) -> None:
        """Note why this is not all."""
        self.reasons.append(reason)

    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression, or a `NotKnown`; its calls are accounted for."""
        outer, self._done = self._done, set()
        try:
            return self.evaluate(node)
        except NotKnown as reason:
            left = set(calls_in(node, self._module, self._handles, self._done))
            for each in sorted(left - self.possible, key=lambda each: each.line):
                source = textwrap.shorten(each.source, _LONGEST, placeholder=" …")
                self.missed(f"line {each.line}, {source}: {reason}")
            self.possible |= left
            return reason
        finally:
            self._done = outer

    def evaluate(self, node: ast.AST) -> Any:
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=name), args=[first, *_]) if (
                name in _SEND and not self._is_operation(owner)
            ):
                self.performer.send(super().evaluate(first), node)
                self._done.add(node)
                raise NotKnown("it is the result of a statement")
        return super().evaluate(node)

    def _is_operation(self, owner: ast.expr) -> bool:
        """Whether `owner.execute` is an operation, or something that another module has made."""
        origins = self._module.origins_of(owner)
        foreign = {each.partition(".")[0] for each in origins} - {"alembic", "sqlalchemy"}
        return bool(foreign) or bool(origins & {OP, BATCH})

    def attribute(self, owner: Any, name: str) -> Any:
        found = self.performer.attribute(owner, name)
        return attribute_of(owner, name) if found is None else found

    def perform(self, function: Callable[..., Any], call: ast.Call, args: Any, kwargs: Any) -> Any:
        result = self.performer.perform(function, call, args, kwargs)
        self._done.add(call)
        if isinstance(result, NotKnown):
            raise result
        return result

    def enter(self, function: ScriptFunction, call: ast.Call) -> Any:
        node = function.node
        if self._depth > _DEEPEST or _is_generator(node):
            raise NotKnown(f"`{ast.unparse(call.func)}` is not followed")
        if getattr(node, "decorator_list", None):
            raise NotKnown(f"`{ast.unparse(call.func)}` is decorated")
        names = self._arguments(function, call)
        self._done.add(call)
        return self._go_through(function, names)

    def _go_through(self, function: ScriptFunction, names: dict[str, Any]) -> Any:
        node = function.node
        outer, self.scope = self.scope, Scope(function.scope, names)
        perhaps, self._has_perhaps_returned = self._has_perhaps_returned, False
        self._depth += 1
        result = None
        try:
            if isinstance(node, ast.Lambda):
                result = self.value(node.body)
            else:
                self.run(node.body)
        except Left as left:
            if left.how is ast.Raise:
                raise
            result = left.value
        finally:
            unsure = self._has_perhaps_returned
            self._has_perhaps_returned = perhaps
            self._depth -= 1
            self.scope = outer
        if unsure:
            raise NotKnown("what the function returns is known only when it runs")
        return self.known(result)

    def known(self, value: Any) -> Any:
        """Return a value, or raise it where it is a `NotKnown`."""
        if isinstance(value, NotKnown):
            raise value
        return value

    def _arguments(self, function: ScriptFunction, call: ast.Call) -> dict[str, Any]:
        values, named, unclear = self._given(call)
        arguments = function.node.args
        plain = [*arguments.posonlyargs, *arguments.args]
        defaults = [None] * (len(plain) - len(arguments.defaults)) + arguments.defaults
        pairs = [*zip(plain, defaults, strict=True)]
        pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        names: dict[str, Any] = {}
        for position, (parameter, default) in enumerate(pairs):
            name = parameter.arg
            if unclear:
                names[name] = NotKnown(f"`{name}` is known only when it runs")
            elif position < min(len(values), len(plain)):
                names[name] = values[position]
            elif name in named:
                names[name] = named[name]
            elif default is not None:
                names[name] = self.value(default)
        if arguments.vararg is not None:
            names[arguments.vararg.arg] = _all_known(tuple(values[len(plain) :]), unclear)
        if arguments.kwarg is not None:
            taken = {parameter.arg for parameter, _ in pairs}
            others = {name: value for name, value in named.items() if name not in taken}
            names[arguments.kwarg.arg] = _all_known(others, unclear)
        return names

    def _given(self, call: ast.Call) -> tuple[list[Any], dict[str, Any], bool]:
        """Return the arguments of a call, and whether it is unclear which and how many."""
        values: list[Any] = []
        named: dict[str, Any] = {}
        unclear = False
        for each in call.args:
            is_starred = isinstance(each, ast.Starred)
            value = self.value(each.value if isinstance(each, ast.Starred) else each)
            if is_starred and not isinstance(value, list | tuple):
                unclear = True
            values += value if is_starred and not unclear else [value]
        for keyword in call.keywords:
            value = self.value(keyword.value)
            if keyword.arg is None and not isinstance(value, dict):
                unclear = True
                continue
            named.update(value if keyword.arg is None else {keyword.arg: value})
        return values, named, unclear

    def run(self, block: list[ast.stmt]) -> None:
        """Go through statements; raises `Left` where the block is left."""
        for statement in block:
            self._steps += 1
            if self._steps > _MOST:
                raise TooLong("it is too long to be worked out")
            run_statement(statement, self)

    def bind(self, target: ast.expr, value: Any) -> None:
        """Give the names of a target what they are assigned."""
        try:
            found = dict(unpack(target, self.known(value)))
        except NotKnown as reason:
            found = dict.fromkeys(stored_in(target), reason)
            for each in ast.walk(target):
                if isinstance(each, ast.Subscript | ast.Attribute) and isinstance(
                    each.value, ast.Name
                ):
                    self.scope.forget(each.value.id)
        for name, each in found.items():
            self.scope.assign(name, each)

    def forget(self, block: list[ast.stmt]) -> None:
        """Have everything that a block binds or changes stand for something unknown."""
        for statement in block:
            for name in stored_in(statement):
                self.scope.forget(name)
            for name in mutated_in(statement):
                with contextlib.suppress(NotKnown):
                    if isinstance(self.scope.lookup(name), list | dict | set):
                        self.scope.forget(name)

    def branch(self, word: str, node: ast.stmt | ast.excepthandler, block: list[ast.stmt]) -> None:
        """Go through a block that may run or not, or more than once."""
        before = len(self.performer.noted)
        outer = self.scope
        self.scope = Scope(outer)
        self.performer.under.append(word)
        try:
            self.run(block)
        except Left as left:
            if left.how is ast.Return:
                self._has_perhaps_returned = True
        finally:
            self.performer.under.pop()
            self.scope = outer
        if len(self.performer.noted) > before:
            self.missed(
                f"only when it runs it is known whether `{word}` in line {node.lineno} applies"
            )
        self.forget(block)


def _all_known(values: Any, unclear: bool) -> Any:
    parts = values.values() if isinstance(values, dict) else values
    if unclear or any(isinstance(each, NotKnown) for each in parts):
        return NotKnown("an argument is known only when it runs")
    return values


def _is_generator(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Yield | ast.YieldFrom) for each in ast.walk(node))
