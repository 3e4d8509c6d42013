"""Make one statement of many fail, in one of the ways that a statement can fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sqlalchemy as sa

from alembic_zanith.errors import ZanithError
from tests.support.database import Database

Action = Callable[[sa.Connection], object]


class Fault(Enum):
    """How a statement fails."""

    ERROR = "error"
    """The server refuses it; the transaction can go on from a savepoint."""
    KILLED = "killed"
    """The server ends the session just before it, as a crash or an administrator would."""


@dataclass
class Statements:
    """Counts the statements of a connection and makes the one with number `at` fail."""

    database: Database
    fault: Fault
    at: int | None = None
    seen: int = 0

    @property
    def struck(self) -> bool:
        return self.at is not None and self.seen >= self.at

    @contextmanager
    def of(self, connection: sa.Connection) -> Iterator[None]:
        """Watch the statements of a connection while the block runs."""

        def before(
            conn: sa.Connection, cursor: Any, statement: str, parameters: Any, *rest: Any
        ) -> tuple[str, Any]:
            self.seen += 1
            if self.seen != self.at:
                return statement, parameters
            if self.fault is Fault.ERROR:
                return "SELECT 1 / 0", ()
            self.kill(connection)
            return statement, parameters

        sa.event.listen(connection, "before_cursor_execute", before, retval=True)
        try:
            yield
        finally:
            sa.event.remove(connection, "before_cursor_execute", before)

    def kill(self, connection: sa.Connection) -> None:
        """End the session of a connection, and wait until it is over."""
        driver_connection: Any = connection.connection.driver_connection
        pid = driver_connection.info.backend_pid
        assert self.database.scalar(f"SELECT pg_terminate_backend({pid}, 10000)") is True


def settings_of(connection: sa.Connection) -> dict[str, str]:
    """Return all settings of a session, but for those that PL/pgSQL brings once it is used."""
    found = connection.exec_driver_sql(
        "SELECT name, setting FROM pg_settings WHERE name NOT LIKE 'plpgsql.%%'"
    )
    return {row.name: row.setting for row in found}


@dataclass(frozen=True)
class Struck:
    """How an action ended: how many statements it sent, and whether it ended well all the same."""

    statements: int
    finished: bool


def strike(database: Database, action: Action, fault: Fault, at: int | None) -> Struck:
    """Run an action whose statement number `at` fails, and commit whatever it leaves.

    The action runs in a savepoint, as an operation in a migration does, so that after an error
    the transaction goes on and is committed.
    """
    statements = Statements(database, fault, at)
    with database.engine().connect() as connection:
        before = settings_of(connection)
        try:
            with connection.begin_nested(), statements.of(connection):
                action(connection)
        except (sa.exc.SQLAlchemyError, ZanithError):
            assert statements.struck
            if fault is Fault.ERROR:
                assert settings_of(connection) == before
                connection.commit()
            return Struck(statements.seen, finished=False)
        assert settings_of(connection) == before
        connection.commit()
    return Struck(statements.seen, finished=True)


def strike_at_commit(database: Database, action: Action) -> None:
    """Run an action and end the session when all that is left is to commit."""
    with database.engine().connect() as connection:
        action(connection)
        Statements(database, Fault.KILLED).kill(connection)
        try:
            connection.commit()
        except sa.exc.DBAPIError:
            return
    raise AssertionError("a session that was ended has committed")


def without_chance(dump: str) -> str:
    """Return a dump without artifact ids, moments and object ids, which differ with each run."""
    dump = re.sub(r"_[0-9a-f]{8}(?![0-9a-f])|(?m:^[0-9a-f]{8}\t)", "<id>", dump)
    dump = re.sub(r"\b[0-9a-f]{8}(?=['\"\t])", "<id>", dump)
    dump = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00", "<moment>", dump)
    return re.sub(r'oid": \d+', 'oid": <oid>', dump)
