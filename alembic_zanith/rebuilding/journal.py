"""How far a rebuild in steps has come, written in the transaction of each step."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.errors import RebuildError, ZanithError
from alembic_zanith.failures import server_message
from alembic_zanith.identifiers import QualifiedName, fit, literal
from alembic_zanith.integrity import under_settings
from alembic_zanith.locking.retrying import RetryPolicy
from alembic_zanith.movement.checkpoints import Checkpoint, Checkpoints, CheckpointStatus
from alembic_zanith.movement.steps import in_transaction
from alembic_zanith.sql import run, run_all, unheard

OPERATION = "rebuild_table"


class Phase(StrEnum):
    """What is to be done next."""

    COPY = "copy"
    KEY = "key"
    CATCH_UP = "catch up"
    INDEXES = "indexes"
    SWAP = "swap"
    CHECK = "check"


@dataclass
class Journal:
    """The checkpoint of one rebuild. `cursor` is what it says, `archive` the schema of the new
    table.
    """

    connection: Connection
    checkpoints: Checkpoints
    id: str
    call: str
    archive: str
    policy: RetryPolicy
    cursor: dict[str, Any] = field(default_factory=dict)

    @property
    def phase(self) -> Phase:
        return Phase(self.cursor["phase"])

    def begin(self, revision: str | None, cursor: Mapping[str, Any]) -> None:
        """Write the first entry."""
        self.cursor = dict(cursor)
        self.checkpoints.begin(
            Checkpoint(self.id, revision, OPERATION, CheckpointStatus.RUNNING, cursor)
        )

    def lock(self) -> None:
        """Wait for what the server may still do for a client that is gone, and see where it is.

        Raises `ZanithError` where another session has gone on with it.
        """
        found = run(
            self.connection,
            f"SELECT cursor ->> 'phase' FROM {self.checkpoints.table}"
            f" WHERE id = {literal(self.id)} FOR UPDATE",
        ).scalar()
        if found != self.phase:
            raise self.taken_over()

    def taken_over(self) -> ZanithError:
        """Return the error for a rebuild that another session goes on with."""
        return ZanithError(
            f"{self.call} is done by another session by now. What that one does stays. Run the "
            "upgrade again when it has ended."
        )

    def write(self, phase: Phase, **more: object) -> dict[str, Any]:
        """Write an entry, and return what the cursor is once the transaction is committed."""
        cursor = {**self.cursor, **more, "phase": phase}
        with unheard():
            self.checkpoints.mark(self.id, CheckpointStatus.RUNNING, cursor)
        return cursor

    def step(
        self, what: str, work: Callable[[], None], then: Phase, level: str = "READ COMMITTED"
    ) -> None:
        """Do one step in a transaction, and write down what comes next."""

        def whole() -> dict[str, Any]:
            self.lock()
            with under_settings(self.connection, {"row_security": "off"}):
                work()
            return self.write(then)

        what = f"{what} of {self.call}"
        self.cursor = in_transaction(self.connection, what, self.policy, whole, level)

    # -- giving it up --------------------------------------------------------------------

    def orderly(self, work: Callable[[], None]) -> None:
        """Do work, and take away all that was begun if it fails for what was asked."""
        try:
            work()
        except RebuildError:
            self.give_up()
            raise

    def give_up(self) -> None:
        """Take away all that was begun."""
        in_transaction(
            self.connection,
            f"Taking {self.call} away",
            self.policy,
            lambda: run_all(self.connection, self.giving_up(self.cursor)),
        )

    def giving_up(self, cursor: Mapping[str, Any]) -> list[str]:
        """Return the statements that take away what was begun; a person may give them too."""
        notes = QualifiedName(self.archive, fit("_zanith_changes_", "", cursor["artifact"]))
        return [
            f"DROP FUNCTION IF EXISTS {notes}() CASCADE",
            f"DROP TABLE IF EXISTS {notes}",
            f"DROP TABLE IF EXISTS {QualifiedName(self.archive, cursor['name'])}",
            self.checkpoints.forgetting(self.id).rstrip(";"),
        ]

    def broken_off(self, error: DBAPIError) -> ZanithError:
        """Return the error for what is to go on when the upgrade is run again."""
        statements = "\n".join(f"  {each};" for each in self.giving_up(self.cursor))
        return ZanithError(
            f"{self.call} was broken off: {server_message(error)}. What is copied stays, and what "
            "others write is noted for it. Run the upgrade again: it goes on where it was. To give "
            f"it up:\n{statements}"
        )


def json_sql(value: object) -> str:
    """Return the SQL of a JSON value."""
    return f"CAST({literal(json.dumps(value, sort_keys=True))} AS pg_catalog.jsonb)"
