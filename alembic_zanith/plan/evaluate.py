"""A small evaluator of expressions: literals, names that were given values, pure constructors.

What an expression means is the same as in Python; what is not known from the text alone raises
`NotKnown`. Nothing of the script is compiled, imported or called.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

from sqlalchemy import Column

from .names import FunctionNode
from .operators import apply, items_of, tried, truth
from .pure import PLAIN_VALUES, NotKnown, OwnType, attribute_of, is_plain, is_pure

# Arguments of operations and columns that are types.
_TYPES = {"type_", "existing_type"}
_CONVERSIONS: dict[int, Callable[[Any], str]] = {ord("s"): str, ord("r"): repr, ord("a"): ascii}


@dataclass
class Scope:
    """The names of a function or of the module. A name may be bound to a `NotKnown`."""

    outer: Scope | None = None
    names: dict[str, Any] = field(default_factory=dict)
    elsewhere: dict[str, Scope] = field(default_factory=dict)
    """Where names are bound that the function declares to be global or nonlocal."""

    def assign(self, name: str, value: Any) -> None:
        """Bind a name."""
        self.elsewhere.get(name, self).names[name] = value

    def owner(self, name: str) -> Scope:
        """Return the scope that binds a name: this one where none does."""
        scope: Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.outer
        return scope or self

    def lookup(self, name: str) -> Any:
        """Return the value of a name, or raise `NotKnown`."""
        value = self.owner(name).names.get(name, NotKnown(f"`{name}` has no value in the text"))
        if isinstance(value, NotKnown):
            raise value
        return value

    def forget(self, name: str) -> None:
        """Have a name stand for something unknown, wherever it is bound."""
        reason = NotKnown(f"`{name}` gets its value only when the script runs")
        self.owner(name).names[name] = reason


@dataclass(frozen=True)
class ScriptFunction:
    """A function of the script: read, never called."""

    node: FunctionNode
    scope: Scope


class Evaluator(ABC):
    """Evaluates; what a call of an operation or of a function of the script does, others say."""

    def __init__(self) -> None:
        self.scope = Scope()

    def evaluate(self, node: ast.AST) -> Any:
        """Return the value of an expression, or raise `NotKnown`."""
        try:
            return _evaluate(node, self)
        except RecursionError:
            raise NotKnown("it is nested too deeply") from None

    def attribute(self, owner: Any, name: str) -> Any:
        """Return an attribute of a value, or raise `NotKnown`."""
        return attribute_of(owner, name)

    @abstractmethod
    def enter(self, function: ScriptFunction, call: ast.Call) -> Any:
        """Return what a call of a function of the script returns."""

    @abstractmethod
    def perform(self, function: Callable[..., Any], call: ast.Call, args: Any, kwargs: Any) -> Any:
        """Return what a call that is not pure returns, or raise `NotKnown`."""


@singledispatch
def _evaluate(node: ast.AST, self: Evaluator) -> Any:
    raise NotKnown(f"`{ast.unparse(node)}` is known only when it runs")


@_evaluate.register
def _(node: ast.Constant, self: Evaluator) -> Any:
    return node.value


@_evaluate.register
def _(node: ast.Name, self: Evaluator) -> Any:
    return self.scope.lookup(node.id)


@_evaluate.register
def _(node: ast.Attribute, self: Evaluator) -> Any:
    return self.attribute(self.evaluate(node.value), node.attr)


@_evaluate.register(ast.List)
def _(node: ast.List, self: Evaluator) -> Any:
    return list(_elements(node.elts, self))


@_evaluate.register(ast.Tuple)
def _(node: ast.Tuple, self: Evaluator) -> Any:
    return tuple(_elements(node.elts, self))


@_evaluate.register(ast.Set)
def _(node: ast.Set, self: Evaluator) -> Any:
    return tried(lambda: set(_elements(node.elts, self)))


@_evaluate.register
def _(node: ast.Dict, self: Evaluator) -> Any:
    made: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            more = self.evaluate(value)
            if not isinstance(more, dict):
                raise NotKnown(f"`{ast.unparse(value)}` is more than a dictionary")
            made.update(more)
        else:
            made[self.evaluate(key)] = self.evaluate(value)
    return made


@_evaluate.register
def _(node: ast.JoinedStr, self: Evaluator) -> Any:
    return "".join(str(self.evaluate(each)) for each in node.values)


@_evaluate.register
def _(node: ast.FormattedValue, self: Evaluator) -> Any:
    value = self.evaluate(node.value)
    if not isinstance(value, PLAIN_VALUES):
        raise NotKnown(f"`{ast.unparse(node.value)}` is more than plain text")
    convert = _CONVERSIONS.get(node.conversion)
    shown = value if convert is None else convert(value)
    form = self.evaluate(node.format_spec) if node.format_spec else ""
    return tried(lambda: format(shown, form))


@_evaluate.register
def _(node: ast.BinOp, self: Evaluator) -> Any:
    one, other = self.evaluate(node.left), self.evaluate(node.right)
    return apply(node.op, one, other)


@_evaluate.register
def _(node: ast.UnaryOp, self: Evaluator) -> Any:
    return apply(node.op, self.evaluate(node.operand))


@_evaluate.register
def _(node: ast.BoolOp, self: Evaluator) -> Any:
    value: Any = None
    for each in node.values:
        value = self.evaluate(each)
        if truth(value) is isinstance(node.op, ast.Or):
            break
    return value


@_evaluate.register
def _(node: ast.Compare, self: Evaluator) -> Any:
    left, result = self.evaluate(node.left), True
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        right = self.evaluate(right_node)
        result = apply(op, left, right)
        if len(node.ops) > 1 and not truth(result):
            break
        left = right
    return result


@_evaluate.register
def _(node: ast.IfExp, self: Evaluator) -> Any:
    return self.evaluate(node.body if truth(self.evaluate(node.test)) else node.orelse)


@_evaluate.register
def _(node: ast.Subscript, self: Evaluator) -> Any:
    owner, key = self.evaluate(node.value), self.evaluate(node.slice)
    return tried(lambda: owner[key])


@_evaluate.register
def _(node: ast.Slice, self: Evaluator) -> Any:
    parts = (node.lower, node.upper, node.step)
    return slice(*(None if each is None else self.evaluate(each) for each in parts))


@_evaluate.register
def _(node: ast.NamedExpr, self: Evaluator) -> Any:
    value = self.evaluate(node.value)
    self.scope.assign(node.target.id, value)
    return value


@_evaluate.register
def _(node: ast.Await, self: Evaluator) -> Any:
    return self.evaluate(node.value)


@_evaluate.register
def _(node: ast.Lambda, self: Evaluator) -> Any:
    return ScriptFunction(node, self.scope)


@_evaluate.register(ast.ListComp)
@_evaluate.register(ast.GeneratorExp)
def _(node: ast.ListComp | ast.GeneratorExp, self: Evaluator) -> Any:
    return [self.evaluate(node.elt) for _ in _rounds(node.generators, self)]


@_evaluate.register
def _(node: ast.SetComp, self: Evaluator) -> Any:
    return {self.evaluate(node.elt) for _ in _rounds(node.generators, self)}


@_evaluate.register
def _(node: ast.DictComp, self: Evaluator) -> Any:
    rounds = _rounds(node.generators, self)
    return {self.evaluate(node.key): self.evaluate(node.value) for _ in rounds}


@_evaluate.register
def _(node: ast.Call, self: Evaluator) -> Any:
    function = self.evaluate(node.func)
    if isinstance(function, ScriptFunction):
        return self.enter(function, node)
    args = tuple(_arguments(function, node.args, self))
    kwargs: dict[str, Any] = {}
    for each in node.keywords:
        value = _type(each.value, self) if each.arg in _TYPES else self.evaluate(each.value)
        kwargs.update({each.arg: value} if each.arg else dict(value))
    if is_plain(function):
        for each in args:
            if not isinstance(each, PLAIN_VALUES):
                items_of(each)
    if callable(function) and is_pure(function):
        return tried(lambda: function(*args, **kwargs))
    return self.perform(function, node, args, kwargs)


def unpack(target: ast.expr, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names in the target of an assignment, each with what it gets."""
    match target:
        case ast.Name(id=name):
            yield name, value
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            parts = items_of(value)
            if len(parts) != len(targets):
                raise NotKnown(f"`{ast.unparse(target)}` takes what is known only when it runs")
            for one, part in zip(targets, parts, strict=True):
                yield from unpack(one, part)
        case _:
            raise NotKnown(f"`{ast.unparse(target)}` is known only when it runs")


def _rounds(generators: list[ast.comprehension], self: Evaluator) -> Iterator[None]:
    if not generators:
        yield
        return
    first, *rest = generators
    items = items_of(self.evaluate(first.iter))
    outer = self.scope
    self.scope = Scope(outer)
    try:
        for item in items:
            self.scope.names.update(unpack(first.target, item))
            if all(truth(self.evaluate(each)) for each in first.ifs):
                yield from _rounds(rest, self)
    finally:
        self.scope = outer


def _arguments(function: Any, nodes: list[ast.expr], self: Evaluator) -> Iterator[Any]:
    if function is not Column:
        yield from _elements(nodes, self)
        return
    for each in nodes:
        yield from [_type(each, self)] if each in nodes[:2] else _elements([each], self)


def _type(node: ast.expr, self: Evaluator) -> Any:
    """Return what stands where a type may: of the project's own, its text is enough."""
    try:
        return self.evaluate(node)
    except NotKnown:
        called = node.func if isinstance(node, ast.Call) else node
        match called:
            case ast.Name(id=name) | ast.Attribute(attr=name) if name[:1].isupper():
                return OwnType(ast.unparse(node))
        raise


def _elements(nodes: list[ast.expr], self: Evaluator) -> Iterator[Any]:
    for each in nodes:
        if isinstance(each, ast.Starred):
            yield from items_of(self.evaluate(each.value))
        else:
            yield self.evaluate(each)
