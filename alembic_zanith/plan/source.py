"""What a script could call, from its syntax tree, where it cannot be recorded to its end."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Container, Iterator

from .calls import goes_around, goes_elsewhere, matters
from .handles import Handles
from .model import PossibleCall
from .names import Definition, Module

_Test = Callable[[ast.AST, Module, Handles], bool]
# No way around goes without one of these; most scripts have none, and need not be parsed.
_HINTS = re.compile(
    r"conn|bind|cur|engine|copy_|executemany|psycopg|asyncpg|pg8000|aiopg"
    r"|dbapi|__import__|import_module|subprocess|asyncio|\b(os|pty)\b"
)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def possible_calls(source: str, function: str, after: int) -> tuple[PossibleCall, ...]:
    """Return the calls of operations and connections in a script behind a line.

    Functions and classes of the script that `function` names are looked into as well, wherever in
    the script they are; what is imported from elsewhere is named itself. `after` is a line of
    `function`; any other stands for its beginning.

    >>> script = '''
    ... def upgrade():
    ...     for row in op.get_bind().execute(text("SELECT 1")):
    ...         op.drop_table(row.name)
    ... '''
    >>> [(each.line, each.source) for each in possible_calls(script, "upgrade", 3)]
    [(4, 'op.drop_table(row.name)')]
    """
    return _calls(source, function, after, matters)


def reaches_around(source: str, function: str) -> tuple[PossibleCall, ...]:
    """Return the calls that can reach the database where SQLAlchemy does not see the statement.

    These are the driver's own connections and cursors, COPY through them, and other programs. An
    engine that the script makes is not among them: SQLAlchemy sees its statements.

    >>> script = '''
    ... def upgrade():
    ...     cursor = op.get_bind().connection.cursor()
    ...     cursor.execute("DROP TABLE users")
    ... '''
    >>> [(each.line, each.source) for each in reaches_around(script, "upgrade")]
    [(4, "cursor.execute('DROP TABLE users')")]
    """
    if not _HINTS.search(source):
        return ()
    return _calls(source, function, 0, goes_around)


def opens_connections(source: str, function: str) -> tuple[PossibleCall, ...]:
    """Return the calls that can reach another database than the one of `op.get_bind()`, unseen.

    >>> script = '''
    ... import psycopg
    ... def upgrade():
    ...     psycopg.connect("dbname=shop").execute("DROP TABLE users")
    ... '''
    >>> [(each.line, each.source) for each in opens_connections(script, "upgrade")]
    [(4, "psycopg.connect('dbname=shop')")]
    """
    if not _HINTS.search(source):
        return ()
    return _calls(source, function, 0, goes_elsewhere)


def calls_in(
    node: ast.AST, module: Module, handles: Handles, done: Container[ast.AST] = ()
) -> Iterator[PossibleCall]:
    """Yield what an expression could call, in the functions that it names too.

    `done` are the calls that are accounted for.
    """
    for each in _reachable([node], module, done):
        if matters(each, module, handles):
            yield _call(each)


def _calls(source: str, function: str, after: int, wanted: _Test) -> tuple[PossibleCall, ...]:
    try:
        module = Module.parse(source)
    except (SyntaxError, ValueError):
        return ()  # it cannot run either
    except (RecursionError, MemoryError):  # Python itself may run what `ast` cannot show
        return (PossibleCall(1, "(anything: the script is nested too deeply to be read)"),)
    handles = Handles(module)
    roots = [
        part
        for definition in module.definitions.get(function, ())
        for part in _behind(definition, after)
    ]
    found = {_call(each) for each in _reachable(roots, module) if wanted(each, module, handles)}
    return tuple(sorted(found, key=lambda each: (each.line, each.source)))


def _call(node: ast.AST) -> PossibleCall:
    try:
        source = ast.unparse(node)
    except RecursionError:  # a sum of a thousand strings
        source = "a call with a very long argument"
    return PossibleCall(getattr(node, "lineno", 0), source)


def _behind(definition: Definition, after: int) -> Iterator[ast.AST]:
    """Yield the parts of a function that may run once the line `after` has run."""
    body = definition.body if isinstance(definition.body, list) else [definition.body]
    last = definition.end_lineno or definition.lineno
    if not definition.lineno <= after <= last:
        yield from body
        return
    for part in body:
        for node in _outside_definitions(part):
            if getattr(node, "lineno", 0) > after:
                yield node
            elif isinstance(node, ast.For | ast.AsyncFor | ast.While) and _around(node, after):
                yield node  # it may come back to lines in front


def _around(node: ast.For | ast.AsyncFor | ast.While, line: int) -> bool:
    return node.body[0].lineno <= line <= (node.end_lineno or 0)


def _outside_definitions(node: ast.AST, done: Container[ast.AST] = ()) -> Iterator[ast.AST]:
    """Yield a node and all that is in it, but for functions: naming one leads there."""
    wanted = [node]
    while wanted:
        each = wanted.pop()
        if not isinstance(each, _DEFINITIONS) and each not in done:
            yield each
            wanted += ast.iter_child_nodes(each)


def _reachable(
    roots: list[ast.AST], module: Module, done: Container[ast.AST] = ()
) -> Iterator[ast.AST]:
    """Yield all nodes in some, and in the definitions that any of them names."""
    seen = set[ast.AST]()
    wanted = list(roots)
    while wanted:
        root = wanted.pop()
        for node in _outside_definitions(root, done):
            if node in seen:
                continue
            seen.add(node)
            yield node
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                wanted += module.values.get(node.id, ())
                for definition in module.definitions.get(node.id, ()):
                    wanted += _inside(definition)


def _inside(definition: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in a function, or in a class and all its methods."""
    for child in ast.iter_child_nodes(definition):
        if isinstance(definition, ast.ClassDef) and isinstance(child, _DEFINITIONS):
            yield from _inside(child)
        else:
            yield child
