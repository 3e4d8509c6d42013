"""What may be imported, read and called while a script is only read: constructors of SQLAlchemy.

None of it reaches a database, a file or a process. Everything that is not listed is refused.
"""

from __future__ import annotations

import datetime
import decimal
import importlib
import inspect
import json
import re
import textwrap
import types
import uuid
from collections.abc import Callable
from typing import Any

from alembic.operations import MigrateOperation
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.sql.visitors import Visitable
from sqlalchemy.types import UserDefinedType

_MODULES = re.compile(r"sqlalchemy(\.(types|schema|(sql|dialects)(\.\w+)*))?")
_OPERATION_MODULES = {"alembic.operations", "alembic.operations.ops"}
_HOMES = ("sqlalchemy.sql.", "sqlalchemy.dialects.", "sqlalchemy.types")
# Methods of constructs that use a connection, or that change something shared.
_EFFECTS = {"create", "create_all", "drop", "drop_all", "reflect", "execute", "dispatch", "compile"}
_READABLE: dict[type, set[str]] = {
    MigrationContext: {"dialect", "bind", "connection"},
    MockConnection: {"dialect", "engine", "name"},
    Dialect: {"name"},
}
_PLAIN_METHODS: dict[type, set[str]] = {
    str: {name for name in dir(str) if not name.startswith("_")} - {"format_map"},
    list: {"copy", "count", "index"},
    tuple: {"count", "index"},
    dict: {"copy", "get", "items", "keys", "values"},
    set: {"copy", "difference", "intersection", "issubset", "issuperset", "union"},
}
_BUILTINS = (bool, dict, enumerate, float, frozenset, int, len, list, max, min, range, reversed)
_MORE_BUILTINS = (set, sorted, str, sum, tuple, zip)
BUILTINS: dict[str, Any] = {each.__name__: each for each in (*_BUILTINS, *_MORE_BUILTINS)}
_STANDARD: dict[str, Any] = {
    "textwrap.dedent": textwrap.dedent,
    "inspect.cleandoc": inspect.cleandoc,
    "json.dumps": json.dumps,
    "uuid.UUID": uuid.UUID,
    "decimal.Decimal": decimal.Decimal,
    "datetime.date": datetime.date,
    "datetime.datetime": datetime.datetime,
    "datetime.time": datetime.time,
    "datetime.timedelta": datetime.timedelta,
}
_STANDARD_MODULES = {name.partition(".")[0] for name in _STANDARD}
_PLAIN_CALLABLES = (*BUILTINS.values(), *_STANDARD.values())
PLAIN_VALUES = (str, int, float, bool, type(None), decimal.Decimal, uuid.UUID)


class NotKnown(Exception):
    """The text alone does not say; the message says why."""


class OwnType(UserDefinedType[Any]):
    """A column type of the project's own, of which nothing but the text is known."""

    cache_ok = True

    def __init__(self, text: str) -> None:
        self.text = text

    def get_col_spec(self, **_: Any) -> str:
        """Return what stands in its place in SQL."""
        return self.text


class StandardModule(str):
    """A module of the standard library, of which only few functions may be called."""


def imported(name: str) -> Any:
    """Return what `import name` or `from … import …` makes available, or raise `NotKnown`."""
    if name in _STANDARD_MODULES:
        return StandardModule(name)
    if name in _STANDARD:
        return _STANDARD[name]
    if _MODULES.fullmatch(name) or name in _OPERATION_MODULES:
        try:
            return importlib.import_module(name)
        except ImportError:
            pass  # not a module but something in one
    package, _, attribute = name.rpartition(".")
    if not _MODULES.fullmatch(package) and package not in _OPERATION_MODULES:
        raise NotKnown(f"`{attribute or name}` is imported from {package or name}")
    return attribute_of(imported(package), attribute)


def attribute_of(owner: Any, name: str) -> Any:
    """Return `owner.name`, or raise `NotKnown`."""
    if name.startswith("_") or not _is_readable(owner, name):
        raise NotKnown(f"`{name}` of a {type(owner).__name__} is known only when it runs")
    if isinstance(owner, StandardModule):
        return _STANDARD[f"{owner}.{name}"]
    try:
        found = getattr(owner, name)
    except Exception as error:  # of a lookup in SQLAlchemy: anything
        raise NotKnown(f"reading `{name}` raises {type(error).__name__}") from error
    if isinstance(found, types.ModuleType) and not _MODULES.fullmatch(found.__name__):
        raise NotKnown(f"{found.__name__} is more than constructors")
    return found


def _is_readable(owner: Any, name: str) -> bool:
    if isinstance(owner, StandardModule):
        return f"{owner}.{name}" in _STANDARD
    if isinstance(owner, types.ModuleType):
        return True
    for cls, names in (_READABLE | _PLAIN_METHODS).items():
        if isinstance(owner, cls):
            return name in names
    return is_construct(owner) and (name not in _EFFECTS or isinstance(owner, Visitable))


def is_construct(value: Any) -> bool:
    """Whether it is a construct of SQLAlchemy, such as a column, or a class of them."""
    cls = value if isinstance(value, type) else type(value)
    return cls.__module__.startswith(_HOMES) and not issubclass(cls, Dialect)


def is_plain(function: Any) -> bool:
    """Whether it is a function of Python itself, or a method of a string, list and the like."""
    owner = getattr(function, "__self__", None)
    # Never by ==, which makes an expression of SQL of a column.
    listed = any(function is each for each in _PLAIN_CALLABLES)
    return listed or isinstance(owner, tuple(_PLAIN_METHODS))


def is_pure(function: Callable[..., Any]) -> bool:
    """Whether calling it does nothing but return a value."""
    if isinstance(function, type):
        is_operation = issubclass(function, MigrateOperation)
        is_ours = issubclass(function, Visitable) and is_construct(function)
        return is_operation or is_ours or is_plain(function)
    if is_plain(function):
        return True
    owner = getattr(function, "__self__", None)
    if getattr(function, "__name__", "").startswith("register"):
        return False  # it would change SQLAlchemy itself
    if owner is None or isinstance(owner, types.ModuleType):
        home = getattr(function, "__module__", None) or type(function).__module__
        return home.startswith(_HOMES) or type(function).__module__.startswith(_HOMES)
    if function.__name__ in _EFFECTS:
        return False
    return is_construct(owner)
