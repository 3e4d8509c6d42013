"""Drivers that reach nothing while a script is looked at or rehearsed."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

_CONNECTS = (
    ("psycopg", "connect"),
    ("psycopg.Connection", "connect"),
    ("psycopg.AsyncConnection", "connect"),
    ("psycopg2", "connect"),
    ("asyncpg", "connect"),
    ("asyncpg", "create_pool"),
)

# A connection may be older than the block. psycopg 3 is the driver whose cursors are Python.
_SENDS = tuple(
    (f"psycopg.{cursor}", name)
    for cursor in ("Cursor", "AsyncCursor", "ServerCursor", "AsyncServerCursor")
    for name in ("execute", "executemany", "copy", "stream")
)

Refusal = Callable[[], BaseException]
IsOurs = Callable[[Any], bool]
_REFUSAL: ContextVar[tuple[Refusal, IsOurs] | None] = ContextVar("zanith_refusal", default=None)


@contextmanager
def drivers_refusing(
    refusal: Refusal, is_ours: IsOurs = lambda connection: False
) -> Iterator[None]:
    """Have the drivers that are loaded raise an error in the block, in place of connecting.

    psycopg's cursors raise it too, unless `is_ours` says that theirs is a connection that may be
    used. Only in the context that the block is in: other threads connect as ever.
    """
    token = _REFUSAL.set((refusal, is_ours))
    try:
        with ExitStack() as stack:
            for places, asking in ((_CONNECTS, _connecting), (_SENDS, _sending)):
                for place, name in places:
                    _replace(stack, place, name, asking)
            yield
    finally:
        _REFUSAL.reset(token)


def _replace(stack: ExitStack, place: str, name: str, asking: Callable[[Any], Any]) -> None:
    module, _, owner = place.partition(".")
    found: Any = sys.modules.get(module)
    if found is not None and owner:
        found = getattr(found, owner, None)
    function = None if found is None else vars(found).get(name)
    if function is not None:
        stack.callback(setattr, found, name, function)
        setattr(found, name, asking(function))


def _connecting(connect: Any) -> Any:
    function = connect.__func__ if isinstance(connect, classmethod) else connect

    @functools.wraps(function)
    def asking(*arguments: Any, **options: Any) -> Any:
        found = _REFUSAL.get()
        if found is not None:
            raise found[0]()
        return function(*arguments, **options)

    return classmethod(asking) if isinstance(connect, classmethod) else asking


def _sending(function: Any) -> Any:
    @functools.wraps(function)
    def asking(cursor: Any, *arguments: Any, **options: Any) -> Any:
        found = _REFUSAL.get()
        if found is not None and not found[1](cursor.connection):
            raise found[0]()
        return function(cursor, *arguments, **options)

    return asking
