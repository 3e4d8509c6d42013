"""Whether a script in memory is what its file says."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any


def is_loaded_from(module: ModuleType, source: bytes) -> bool:
    """Whether the functions of a loaded module are those of this source.

    They are not where a process that goes on has loaded the file before an edit, nor where Python
    took stale bytecode: it knows a file by its size and the second of its last change.
    https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation

    Compared is the compiled code of functions, not what else the module has: values at its top,
    defaults of arguments.
    """
    try:
        with warnings.catch_warnings():
            # Said when it was loaded; as an error it would keep the source from being compiled.
            warnings.simplefilter("ignore")
            compiled = compile(source, str(module.__file__), "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    written = set(map(_essence, _codes_in(compiled)))
    return all(_essence(each.__code__) in written for each in _functions_of(module))


def _functions_of(module: ModuleType) -> Iterator[FunctionType]:
    """Yield the functions that a module has from its file, those behind decorators as well."""
    for value in vars(module).values():
        seen = set()
        # By its type, as a proxy of another package's may not like to be asked for anything.
        while type(value) is FunctionType and value not in seen:
            seen.add(value)
            if value.__code__.co_filename == module.__file__:
                yield value
            value = vars(value).get("__wrapped__")


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes_in(constant)


def _essence(code: CodeType) -> tuple[Any, ...]:
    """Return what makes code what it is. Running it leaves its traces in the rest."""
    return (
        code.co_name,
        code.co_firstlineno,
        code.co_argcount,
        code.co_kwonlyargcount,
        code.co_flags,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_code,
        tuple(map(_constant, code.co_consts)),
    )


def _constant(value: object) -> object:
    if isinstance(value, CodeType):
        return _essence(value)
    if isinstance(value, tuple | frozenset):
        return type(value)(map(_constant, value))
    # 1, 1.0 and True are equal, and not the same in SQL.
    return type(value), value
