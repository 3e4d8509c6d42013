"""Drivers that connect to nothing while a script is looked at or rehearsed."""

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

Refusal = Callable[[], BaseException]
_REFUSAL: ContextVar[Refusal | None] = ContextVar("zanith_refusal", default=None)


@contextmanager
def drivers_refusing(refusal: Refusal) -> Iterator[None]:
    """Have the drivers that are loaded raise an error in the block, in place of connecting.

    Only in the context that the block is in: other threads connect as ever.
    """
    token = _REFUSAL.set(refusal)
    try:
        with ExitStack() as stack:
            for place, name in _CONNECTS:
                module, _, owner = place.partition(".")
                found: Any = sys.modules.get(module)
                if found is not None and owner:
                    found = getattr(found, owner)
                if found is not None:
                    connect = vars(found)[name]
                    stack.callback(setattr, found, name, connect)
                    setattr(found, name, _asking(connect))
            yield
    finally:
        _REFUSAL.reset(token)


def _asking(connect: Any) -> Any:
    function = connect.__func__ if isinstance(connect, classmethod) else connect

    @functools.wraps(function)
    def asking(*arguments: Any, **options: Any) -> Any:
        refusal = _REFUSAL.get()
        if refusal is not None:
            raise refusal()
        return function(*arguments, **options)

    return classmethod(asking) if isinstance(connect, classmethod) else asking
