"""What a script could call, from its syntax tree, where it cannot be recorded to its end."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .model import PossibleCall

_EXECUTES = {"execute", "exec_driver_sql", "scalar", "scalars", "drop", "drop_all"}


def possible_calls(source: str, function: str, after: int) -> tuple[PossibleCall, ...]:
    """Return the calls of operations and connections in a script behind a line.

    Functions that `function` calls are looked into as well, wherever in the script they are.

    >>> script = '''
    ... def upgrade():
    ...     for row in op.get_bind().execute(text("SELECT 1")):
    ...         op.drop_table(row.name)
    ... '''
    >>> [(each.line, each.source) for each in possible_calls(script, "upgrade", 3)]
    [(4, 'op.drop_table(row.name)')]
    """
    tree = ast.parse(source)
    functions = {
        each.name: each
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    wanted, seen = [function], set[str]()
    found = set[PossibleCall]()
    while wanted:
        name = wanted.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for call in _calls(functions[name]):
            if isinstance(call.func, ast.Name):
                wanted.append(call.func.id)
            # A loop may come back to lines in front of the one where the recording ended.
            elif _matters(call) and (call.lineno > after or name != function):
                found.add(PossibleCall(call.lineno, ast.unparse(call)))
    return tuple(sorted(found, key=lambda each: (each.line, each.source)))


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    return (each for each in ast.walk(function) if isinstance(each, ast.Call))


def _matters(call: ast.Call) -> bool:
    func = call.func
    if not isinstance(func, ast.Attribute):
        return False
    of_op = isinstance(func.value, ast.Name) and func.value.id in ("op", "batch_op")
    harmless = func.attr in ("get_bind", "get_context", "f", "inline_literal", "batch_alter_table")
    return (of_op and not harmless) or func.attr in _EXECUTES
