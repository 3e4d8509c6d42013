"""A cursor of the driver that hands each statement to who watches, before it sends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_SENDING = frozenset(
    {"execute", "executemany", "copy", "copy_expert", "copy_from", "copy_to", "callproc", "stream"}
)

Around = Callable[[str, Any, Callable[[], Any]], Any]


class WatchedCursor:
    """Stands in front of a cursor that a script has made for itself.

    `around` is called with each statement, the cursor, and the function that sends it.
    """

    def __init__(self, around: Around, cursor: Any) -> None:
        self._around = around
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cursor, name)
        if name not in _SENDING:
            return found

        def watched(statement: Any, *args: Any, **kw: Any) -> Any:
            text = _text(name, statement, self._cursor)
            return self._around(text, self._cursor, lambda: found(statement, *args, **kw))

        return watched

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_around", "_cursor"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._cursor, name, value)

    def __enter__(self) -> WatchedCursor:
        self._cursor.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        return self._cursor.__exit__(*error)

    def __iter__(self) -> Any:
        return iter(self._cursor)


def _text(method: str, statement: Any, cursor: Any) -> str:
    if method == "callproc":
        return f"SELECT {statement}()"
    if method in ("copy_from", "copy_to"):  # psycopg2: a file, then a table
        return f"COPY {statement}"
    if isinstance(statement, bytes):
        return statement.decode()
    if hasattr(statement, "as_string"):  # psycopg's composed SQL
        return str(statement.as_string(cursor))
    return str(statement)
