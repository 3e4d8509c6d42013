"""Two databases that were alike until one dropped something for real and the other parked it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import Connection
from sqlalchemy import Connection as SQLAlchemyConnection

from alembic_zanith import recovery
from alembic_zanith.artifacts import Artifact
from alembic_zanith.identifiers import QualifiedName, quote, split_target
from alembic_zanith.recovery.report import RestoreReport
from tests.support.database import Database
from tests.support.visible import visible_content, visible_objects

_ROLE = re.compile(r"<([a-z]+)>")

STRATEGIES = ("soft_drop", "archive")
"""Every way in which something can be parked."""


@dataclass(frozen=True)
class Dropped:
    """A table or column to drop: `table`, `table.column` or `schema.table.column`."""

    schema: str | None
    table: str
    column: str | None

    @classmethod
    def parse(cls, target: str, *, is_table: bool = False) -> Dropped:
        parts = split_target(target)
        column = None if is_table or len(parts) == 1 else parts[-1]
        *schema, table = parts if column is None else parts[:-1]
        return cls(schema[0] if schema else None, table, column)

    @property
    def sql(self) -> str:
        """The statement that drops it for real."""
        name = quote(self.table) if self.schema is None else str(self._qualified)
        if self.column is None:
            return f"DROP TABLE {name}"
        return f"ALTER TABLE {name} DROP COLUMN {quote(self.column)}"

    @property
    def _qualified(self) -> QualifiedName:
        return QualifiedName(self.schema or "public", self.table)

    def park(self, connection: SQLAlchemyConnection, strategy: str, **options: Any) -> Artifact:
        """Take it out of use by one of STRATEGIES."""
        if self.column is None:
            table: Callable[..., Artifact] = getattr(recovery, f"{strategy}_table")
            return table(connection, self.table, schema=self.schema, **options)
        column: Callable[..., Artifact] = getattr(recovery, f"{strategy}_column")
        return column(connection, self.table, self.column, schema=self.schema, **options)

    def restore(self, connection: SQLAlchemyConnection, **options: Any) -> RestoreReport:
        """Bring it back."""
        parts = [self.schema or "public", self.table, *([self.column] if self.column else [])]
        restore = recovery.restore_column if self.column else recovery.restore_table
        return restore(connection, ".".join(map(quote, parts)), **options)


@dataclass(frozen=True)
class Outcome:
    """What a statement did: its command tag and rows, or why it was refused."""

    said: str | None
    rows: tuple[str, ...] = ()
    refusal: str | None = None


@dataclass
class Twins:
    """`dropped` and `parked`, and one session on each that all statements run in."""

    dropped: Database
    parked: Database
    strategy: str
    schema: str | None = None
    artifacts: list[Artifact] = field(default_factory=list)
    _sessions: list[Connection[Any]] = field(default_factory=list, repr=False)
    _roles: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)

    @classmethod
    def build(
        cls,
        databases: tuple[Database, Database],
        setup: str,
        targets: Iterable[str | Dropped],
        strategy: str,
        schema: str | None = None,
    ) -> Twins:
        """Make two databases alike, drop the targets in one and park them in the other.

        `<name>` in the setup and in later statements is a role that each database has of its own,
        since roles belong to the whole server. With `schema`, everything happens in that one,
        which is created.
        """
        twins = cls(*databases, strategy, schema)
        path = (
            "" if schema is None else f"CREATE SCHEMA {schema}; SET search_path = {schema}, public;"
        )
        for database in databases:
            twins._roles[database.name] = {
                label: database.role(label) for label in dict.fromkeys(_ROLE.findall(setup))
            }
            database.execute(path + twins._with_roles(database, setup))
        twins.drop(*targets)
        return twins

    def drop(self, *targets: str | Dropped) -> None:
        """Drop something for real in one twin, and park it in the other."""
        for target in targets:
            wanted = Dropped.parse(target) if isinstance(target, str) else target
            placed = replace(wanted, schema=wanted.schema or self.schema)
            self.dropped.execute(placed.sql)
            with self.parked.begin() as connection:
                self.artifacts.append(placed.park(connection, self.strategy))

    def _with_roles(self, database: Database, text: str) -> str:
        roles = self._roles[database.name]
        return _ROLE.sub(lambda found: quote(roles[found[1]]), text)

    def agree_on(self, *statements: str) -> None:
        """Run statements on both: what succeeds after a real DROP must do the same here.

        A statement that a real DROP leaves impossible proves nothing, so it is an error in the
        test. What follows `COPY … FROM STDIN` on further lines is its data.
        """
        for statement in statements:
            expected, found = self.try_both(statement)
            assert expected.refusal is None, (
                f"{statement}\nis impossible after a real DROP too: {expected.refusal}"
            )
            assert found == expected, f"{statement}\nafter a real DROP: {expected}\nhere: {found}"
        self.look_alike()

    def differ_on(self, statement: str, refusal: str) -> None:
        """A known limit: the statement works after a real DROP, and is refused here like that."""
        expected, found = self.try_both(statement)
        assert expected.refusal is None, f"{statement}\nfails after a real DROP too: {expected}"
        assert found.refusal is not None, f"{statement}\nis no limit any more: {found}"
        assert refusal in found.refusal

    def try_both(self, statement: str) -> tuple[Outcome, Outcome]:
        """Run a statement on both; one that fails after the real DROP is not run on the other."""
        first, second = self._open()
        expected = run_statement(first, self._with_roles(self.dropped, statement))
        if expected.refusal is not None:
            return expected, expected
        return expected, run_statement(second, self._with_roles(self.parked, statement))

    def look_alike(self) -> None:
        """What is not parked has the same names, shape and rows in both."""
        for look in (visible_objects, visible_content):
            assert look(self.parked, self.schema) == look(self.dropped, self.schema)

    def close(self) -> None:
        while self._sessions:
            self._sessions.pop().close()

    def _open(self) -> list[Connection[Any]]:
        if not self._sessions:
            for database in (self.dropped, self.parked):
                url = database.server.url(database.name).set(drivername="postgresql")
                conninfo = url.render_as_string(hide_password=False)
                options = f"-csearch_path={self.schema or 'public'},public"
                session = psycopg.connect(conninfo, autocommit=True, options=options)
                self._sessions.append(session)
        return self._sessions


def run_statement(session: Connection[Any], statement: str) -> Outcome:
    """Run one statement in a transaction of its own, or none where it allows none."""
    command, _, data = statement.partition("\n")
    try:
        if "FROM STDIN" in command:
            cursor = session.cursor()
            with cursor.copy(command.encode()) as copy:
                copy.write(data)
            return Outcome(cursor.statusmessage)
        cursor = session.execute(statement.encode())
        rows = cursor.fetchall() if cursor.description else []
        return Outcome(cursor.statusmessage, tuple(sorted(repr(row) for row in rows)))
    except psycopg.Error as error:
        return Outcome(None, refusal=str(error).strip())
