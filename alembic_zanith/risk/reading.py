"""Which changes an operation makes: the registry of readers, and what reads an unknown one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from alembic.operations import MigrateOperation

from .change import Change
from .changes.raw import RawSql

Reader = Callable[[Any], Iterable[Change]]
READERS: dict[type[MigrateOperation], Reader] = {}
"""The reader of each class of operations."""

READERS_BY_PATH: dict[str, Reader] = {}
"""The reader of each class of a package that need not be installed: `module.Class`."""

R = TypeVar("R", bound=Reader)


def reads(*operations: type[MigrateOperation]) -> Callable[[R], R]:
    """Register the reader of classes of operations, and of what is derived from them.

    A plugin with operations of its own gives them a risk entry in this way::

        @reads(CreateViewOp)
        def create_view(operation):
            yield CreateObject("view", operation.name)
    """

    def register(reader: R) -> R:
        for each in operations:
            READERS[each] = reader
        return reader

    return register


def reads_class(*paths: str) -> Callable[[R], R]:
    """Register the same for classes by `module.Class`, which imports nothing."""

    def register(reader: R) -> R:
        READERS_BY_PATH.update(dict.fromkeys(paths, reader))
        return reader

    return register


def changes_of(operation: MigrateOperation) -> tuple[Change, ...]:
    """Return what an operation changes. One that nobody registered is like raw SQL.

    So is one that its entry cannot read: a migration must not fail for that.
    """
    reader = _reader(operation)
    name = type(operation).__name__
    if reader is None:
        return (RawSql(name, f"no risk entry is registered for {name}"),)
    try:
        return tuple(reader(operation))
    except Exception as error:
        return (RawSql(name, f"its risk entry fails: {type(error).__name__}: {error}"),)


def is_registered(operation: MigrateOperation) -> bool:
    """Whether there is an entry for an operation of this class, or of one that it derives from."""
    return _reader(operation) is not None


@cache
def _load_readers() -> None:
    # Not before one is needed: with them comes the parser, which takes its time to load.
    import_module("alembic_zanith.risk.operations")


def _reader(operation: MigrateOperation) -> Reader | None:
    _load_readers()
    for cls in type(operation).__mro__:
        if (reader := READERS.get(cls)) is not None:
            return reader
        if (reader := READERS_BY_PATH.get(f"{cls.__module__}.{cls.__qualname__}")) is not None:
            return reader
    return None
