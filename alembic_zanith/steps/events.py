"""What SQLAlchemy says of all engines, told to who watches the migration that is running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import event
from sqlalchemy.engine import Engine

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine import ExceptionContext


class Hears(Protocol):
    """Who watches."""

    def statement(self, connection: Connection, statement: str) -> str:
        """Return the statement to run in place of one, or refuse it."""

    def executed(self, statement: str, rows: int) -> None:
        """Hear that a statement is done; `rows` is what the driver says of it, -1 for unknown."""

    def failed(self, error: BaseException) -> None:
        """Hear that a statement has failed, or a COMMIT. It was undone."""

    def ended(self, *, rolled_back: bool) -> None:
        """Hear that a transaction has ended, or that something in it was undone."""


_HEARS: ContextVar[Hears | None] = ContextVar("zanith_hears", default=None)


@contextmanager
def heard_by(who: Hears | None) -> Iterator[None]:
    """Tell somebody what happens in the block; nobody, if None."""
    token = _HEARS.set(who)
    try:
        yield
    finally:
        _HEARS.reset(token)


@contextmanager
def listening() -> Iterator[None]:
    """Listen to every engine in the block, those that scripts make too."""
    event.listen(Engine, "before_cursor_execute", _statement, retval=True)
    for name, hear in _LATER.items():
        event.listen(Engine, name, hear)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", _statement)
        for name, hear in _LATER.items():
            event.remove(Engine, name, hear)


# SQLAlchemy looks at the names of the arguments.
def _statement(
    conn: Connection,
    cursor: Any,
    statement: str,
    parameters: Any,
    context: Any,
    executemany: bool,
) -> tuple[str, Any]:
    who = _HEARS.get()
    if who is None:
        return statement, parameters
    checked = who.statement(conn, statement)
    return checked, parameters if checked == statement else ()


def _executed(
    conn: Connection,
    cursor: Any,
    statement: str,
    parameters: Any,
    context: Any,
    executemany: bool,
) -> None:
    if (who := _HEARS.get()) is not None:
        who.executed(statement, cursor.rowcount)


def _failed(exception_context: ExceptionContext) -> None:
    if (who := _HEARS.get()) is not None:
        who.failed(exception_context.sqlalchemy_exception or exception_context.original_exception)


def _committed(conn: Connection) -> None:
    _ended(rolled_back=False)


def _rolled_back(conn: Connection) -> None:
    _ended(rolled_back=True)


def _rolled_back_in_part(conn: Connection, name: str, context: None) -> None:
    _ended(rolled_back=True)


def _ended(*, rolled_back: bool) -> None:
    if (who := _HEARS.get()) is not None:
        who.ended(rolled_back=rolled_back)


_LATER: dict[str, Callable[..., None]] = {
    "after_cursor_execute": _executed,
    "handle_error": _failed,
    "commit": _committed,
    "rollback": _rolled_back,
    "rollback_savepoint": _rolled_back_in_part,
}
