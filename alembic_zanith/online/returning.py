"""Archived values as the work of a walk: each goes back into its row, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from alembic_zanith.catalog.column_parts import SequenceFill
from alembic_zanith.identifiers import QualifiedName, quote
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.locking.retrying import RetryPolicy
from alembic_zanith.movement.steps import in_transaction
from alembic_zanith.recovery.definition import Definition
from alembic_zanith.recovery.plan import as_assigned
from alembic_zanith.sql import run, unheard

_ONCE = RetryPolicy(attempts=1)


@dataclass(frozen=True)
class Filler:
    """What rows without an archived value get: SQL, whether that can be NULL, and if it is always
    the same.
    """

    sql: str
    can_be_null: bool
    is_constant: bool = False

    @classmethod
    def of(cls, definition: Definition, fill: str | None) -> Filler | None:
        """Return that of a column: what is asked for, its constant default, or its sequence."""
        if fill is not None:
            return cls(as_assigned(fill, definition.column), True)
        if definition.constant_default is not None:
            return cls(as_assigned(definition.constant_default, definition.column), False, True)
        for holding, part in definition.parts():
            if holding is definition.root and isinstance(part, SequenceFill):
                return cls(part.next_value(holding.name), False)
        return None


@dataclass(frozen=True)
class ReturningValues:
    """See `alembic_zanith.movement.walk.Work`. A row that is done is told by its value.

    `table` is the live one, `archive` that of the values.
    """

    table: QualifiedName
    archive: QualifiedName
    definition: Definition
    filler: Filler | None

    @property
    def _column(self) -> str:
        return quote(str(self.definition.working_name))

    @property
    def _type(self) -> str:
        column = self.definition.column
        assert column is not None
        return column.base_type or column.type

    @property
    def _archived(self) -> str:
        """What follows FROM to find the archived row of a live one.

        All names have that of their table, and operators their schema: the condition is also read
        where the session has other settings.
        """
        pairs = " AND ".join(
            f"_zanith_a.key_{number} OPERATOR(pg_catalog.=) "
            f"{key.live(f'{self.table}.{quote(key.name)}')}"
            for number, key in enumerate(self.definition.lookup_key, 1)
        )
        return f"{self.archive} AS _zanith_a WHERE {pairs}"

    @property
    def undone(self) -> str:
        # Unlike IS NULL this tells a composite value whose fields are all NULL from none.
        empty = f"{self.table}.{self._column} IS NOT DISTINCT FROM NULL"
        has_value = f"EXISTS (SELECT FROM {self._archived} AND _zanith_a.value IS NOT NULL)"
        if self.filler is None:
            return f"{empty} AND {has_value}"
        unknown = f"NOT EXISTS (SELECT FROM {self._archived})"
        if self.filler.can_be_null:
            unknown += f" AND {self.filler.sql} IS DISTINCT FROM NULL"
        return f"{empty} AND ({has_value} OR {unknown})"

    def statement(self, conditions: str) -> str:
        value = f"(SELECT CAST(_zanith_a.value AS {self._type}) FROM {self._archived})"
        if self.filler is not None:
            known = f"EXISTS (SELECT FROM {self._archived})"
            value = f"CASE WHEN {known} THEN {value} ELSE {self.filler.sql} END"
        return f"UPDATE {self.table} SET {self._column} = {value} WHERE {conditions} RETURNING 1"


@dataclass(frozen=True)
class Sending:
    """How batches are sent; `fires_none` keeps the triggers of the table from firing.

    `require` is called in the transaction of each, and raises where it must not be done.
    An UPDATE of the user's rows is not what an ordinary restore does, whose rewrite fires none.
    https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SESSION-REPLICATION-ROLE
    """

    fires_none: bool
    require: Callable[[], None] | None = None

    def __call__(self, connection: Connection, statement: str) -> Row[Any]:
        """Send a statement in a transaction of its own; see `alembic_zanith.movement.walk.Send`."""

        def work() -> Row[Any]:
            with self.settings(connection):
                # What only counts rows writes nothing, and waits for no lock.
                if self.require is not None and not statement.startswith("SELECT"):
                    self.require()
                return run(connection, statement).one()

        # Whoever walks tries again.
        return in_transaction(connection, "A batch", _ONCE, work)

    @contextmanager
    def settings(self, connection: Connection) -> Iterator[None]:
        """Have what is sent in the block read and written as in a restore.

        That triggers are kept from firing lasts as long as the transaction, or savepoint.
        """
        with unheard(), pinned_settings(connection):
            if self.fires_none:
                set_replica(connection)
            yield


def set_replica(connection: Connection) -> None:
    """Keep triggers and rules from firing until the transaction ends."""
    run(connection, "SET LOCAL session_replication_role = replica")
