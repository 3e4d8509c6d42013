"""What the names in a script stand for, from its syntax tree: imports, aliases, functions."""

from __future__ import annotations

import ast
import builtins
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Definition = FunctionNode | ast.ClassDef
BYTE_ORDER_MARK = "\ufeff"
"""What some editors write in front of a file; Python takes it in a file, not in a string."""
OP = "alembic.op"
BATCH = "alembic.op.batch_alter_table()"
_FOLLOWED = {"__import__", "batch_alter_table", "getattr", "import_module"}
_USUAL = {"op": OP, "batch_op": BATCH}


@dataclass(frozen=True)
class Module:
    """A script, as its text alone shows it.

    Names are looked up without regard to scopes: a name that two functions use for different
    things stands for both, so that nothing is missed.
    """

    tree: ast.Module
    origins: dict[str, frozenset[str]]
    """What each imported name or alias stands for: `{"sa": {"sqlalchemy"}}`."""
    definitions: dict[str, tuple[Definition, ...]]
    """Functions, lambdas with a name, and classes."""
    values: dict[str, tuple[ast.expr, ...]]
    """What names at module level get: calls and functions may hide in a list of them."""
    star_imports: tuple[str, ...]

    @classmethod
    def parse(cls, source: str) -> Module:
        """Read a script; raises SyntaxError or ValueError where it is no Python."""
        tree = ast.parse(source.removeprefix(BYTE_ORDER_MARK))
        names = _Names(tree)
        return cls(
            tree,
            {name: frozenset(found) for name, found in names.origins.items()},
            {name: tuple(found) for name, found in names.definitions.items()},
            {name: tuple(found) for name, found in names.values.items()},
            tuple(names.star_imports),
        )

    def origins_of(self, node: ast.AST) -> frozenset[str]:
        """Return what an expression may stand for, as dotted names; nothing where unknown.

        >>> module = Module.parse("from alembic import op as o")
        >>> sorted(module.origins_of(ast.parse("o.drop_table", mode="eval").body))
        ['alembic.op.drop_table']
        """
        return _origins(node, self.origins, self.star_imports, self.definitions)


def _origins(
    node: ast.AST,
    known: Mapping[str, Set[str]],
    stars: Collection[str],
    own: Collection[str],
) -> frozenset[str]:
    match node:
        case ast.Name(id=name) if name in known:
            return frozenset(known[name])
        case ast.Name(id=name) if name not in own and not hasattr(builtins, name):
            return frozenset(f"{module}.{name}" for module in stars)
        case ast.Attribute(value=value, attr=attribute):
            return frozenset(f"{each}.{attribute}" for each in _origins(value, known, stars, own))
        case ast.Call(
            func=ast.Name(id="getattr"), args=[value, ast.Constant(value=str(attribute)), *_]
        ):
            return frozenset(f"{each}.{attribute}" for each in _origins(value, known, stars, own))
        case ast.Call(
            func=ast.Name(id="__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(module)), *_],
        ):
            return frozenset({module})
        case ast.Call(func=function):
            return frozenset(f"{each}()" for each in _origins(function, known, stars, own))
        case ast.Await(value=value) | ast.NamedExpr(value=value):
            return _origins(value, known, stars, own)
    return frozenset()


class _Names:
    """Collects what `Module` holds."""

    def __init__(self, tree: ast.Module) -> None:
        self.origins: defaultdict[str, set[str]] = defaultdict(set)
        self.definitions: defaultdict[str, list[Definition]] = defaultdict(list)
        self.values: defaultdict[str, list[ast.expr]] = defaultdict(list)
        self.star_imports: list[str] = []
        for statement in tree.body:
            for name, value in bindings(statement):
                self.values[name].append(value)
        nodes = list(ast.walk(tree))
        for node in nodes:
            self._imports(node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self.definitions[node.name].append(node)
        for name, origin in _USUAL.items():
            if name not in self.origins and name not in self.definitions:
                self.origins[name].add(origin)
        bound = [each for node in nodes for each in bindings(node)]
        for _ in range(2):  # an alias of an alias needs a second look
            for target, value in bound:
                self._alias(target, value)

    def _imports(self, node: ast.AST) -> None:
        match node:
            case ast.Import(names=names):
                for each in names:
                    whole = each.name if each.asname else each.name.partition(".")[0]
                    self.origins[each.asname or whole].add(whole)
            case ast.ImportFrom(module=module, names=names, level=level):
                package = "." * level + (module or "")
                for each in names:
                    if each.name == "*":
                        self.star_imports.append(package)
                    else:
                        origin = f"{package}.{each.name}" if module else package + each.name
                        self.origins[each.asname or each.name].add(origin)

    def _alias(self, target: str, value: ast.expr) -> None:
        if isinstance(value, ast.Lambda) and value not in self.definitions[target]:
            self.definitions[target].append(value)
        if isinstance(value, ast.Call) and not _is_lasting(value):
            return
        found = _origins(value, self.origins, self.star_imports, self.definitions)
        if found:
            self.origins[target] |= found


def _is_lasting(call: ast.Call) -> bool:
    """Whether what a call returns is followed by name: `getattr(op, …)`, batches and instances."""
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name in _FOLLOWED or name[:1].isupper()
    return False


def bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield each plain name that a node binds, and the expression that it gets.

    `with a as b` counts: what is followed here are connections and batches, which return
    themselves.
    """
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _unpacked(target, value)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            yield name, value
        case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
            yield name, value


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target, value:
        case ast.Name(id=name), _:
            yield name, value
        case ast.Tuple(elts=names) | ast.List(elts=names), ast.Tuple(elts=values) | ast.List(
            elts=values
        ) if len(names) == len(values):
            for one, other in zip(names, values, strict=True):
                yield from _unpacked(one, other)
