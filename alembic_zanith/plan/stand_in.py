"""The connection that a script sees while it is recorded: statements are noted, none is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn, Self

from alembic.runtime.migration import MigrationContext
from sqlalchemy import event
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.pool import Pool

from alembic_zanith.drivers import drivers_refusing

Ended = Callable[[bool], None]
"""Told that a transaction would end here, and if by a rollback."""


def _nobody(rolled_back: bool) -> None:
    pass


class RecordingContext(MigrationContext):
    """Writes SQL as `--sql` does, and does not tell scripts so.

    Many ask `op.get_context().as_sql` to leave out with `--sql` what reads the database. Recorded
    is what they do in the run that is planned.
    """

    def looks_online(self) -> Self:
        """Have scripts see a run on a database. What writes the SQL goes by its own flag."""
        self.as_sql = False
        return self

    ended: Ended = staticmethod(_nobody)

    @contextmanager
    def autocommit_block(self) -> Iterator[None]:
        """Only tell that what comes before it is committed: there is no transaction to leave."""
        self.ended(False)
        yield
        self.ended(False)


class NeedsDatabase(BaseException):
    """Raised where a script wants something that only a database can tell.

    Not an `Exception`, so that no `except Exception` of a script swallows it.
    """


class Unread:
    """The result of a statement that was not run. Whoever reads it ends the recording."""

    def __init__(self, statement: str) -> None:
        self._statement = statement

    def __getattr__(self, name: str) -> NoReturn:
        raise NeedsDatabase(f"it reads the result ({name}) of: {self._statement}")

    def __iter__(self) -> NoReturn:
        raise NeedsDatabase(f"it reads the rows of: {self._statement}")

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


class StandIn(MockConnection):
    """SQLAlchemy's documented mock of a connection, with what scripts call besides `execute`.

    https://docs.sqlalchemy.org/en/20/core/engines.html#sqlalchemy.create_mock_engine
    """

    def __init__(
        self, dialect: Dialect, note: Callable[[Any], str], ended: Ended = _nobody
    ) -> None:
        super().__init__(dialect, lambda statement, *_: Unread(note(statement)))
        self._note = note
        self._ended = ended

    def exec_driver_sql(self, statement: str, *_: Any, **__: Any) -> Unread:
        return Unread(self._note(statement))

    def scalar(self, statement: Any, *_: Any, **__: Any) -> NoReturn:
        raise NeedsDatabase(f"it reads the result of: {self._note(statement)}")

    scalars = scalar

    def commit(self) -> None:
        """Only tell: nothing was begun."""
        self._ended(False)

    def rollback(self) -> None:
        """Only tell: nothing was begun."""
        self._ended(True)

    def close(self) -> None:
        """Do nothing: nothing was opened."""

    def in_transaction(self) -> bool:
        return False

    in_nested_transaction = in_transaction

    @contextmanager
    def begin(self) -> Iterator[Self]:
        yield self

    begin_nested = begin

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "_sa_instance_state":  # what sqlalchemy.inspect() looks for
            raise NeedsDatabase("it inspects the database")
        raise NeedsDatabase(f"it uses {name} of a connection")


_NO_DATABASE: ContextVar[bool] = ContextVar("zanith_no_database", default=False)


@contextmanager
def no_database() -> Iterator[None]:
    """Let nothing in the block reach a database, not even through a connection of its own."""
    token = _NO_DATABASE.set(True)
    event.listen(Engine, "do_connect", _refuse_connect)
    event.listen(Engine, "before_cursor_execute", _refuse_statement)
    event.listen(Pool, "checkout", _refuse_pooled)
    try:
        with drivers_refusing(lambda: NeedsDatabase("it uses a driver's connection by itself")):
            yield
    finally:
        event.remove(Pool, "checkout", _refuse_pooled)
        event.remove(Engine, "do_connect", _refuse_connect)
        event.remove(Engine, "before_cursor_execute", _refuse_statement)
        _NO_DATABASE.reset(token)


# SQLAlchemy looks at the names of the arguments.
def _refuse_connect(dialect: Any, conn_rec: Any, cargs: Any, cparams: Any) -> None:
    if _NO_DATABASE.get():
        raise NeedsDatabase("it connects to a database by itself")


def _refuse_pooled(dbapi_connection: Any, connection_record: Any, connection_proxy: Any) -> None:
    if _NO_DATABASE.get():
        raise NeedsDatabase("it takes a connection of an engine by itself")


def _refuse_statement(
    conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    if _NO_DATABASE.get():
        raise NeedsDatabase(f"it uses a connection of its own for: {statement}")
