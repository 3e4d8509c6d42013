"""The rows of a rebuild in steps: copied in batches by the key, each with its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError

from alembic_zanith.errors import RebuildError, ZanithError
from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.identifiers import literal
from alembic_zanith.locking.connections import pause
from alembic_zanith.movement.estimate import row_estimate
from alembic_zanith.movement.failing import failing_row, fails_when_done
from alembic_zanith.movement.keys import Key
from alembic_zanith.movement.progress import shown
from alembic_zanith.movement.ranges import Range, next_range
from alembic_zanith.movement.steps import in_transaction
from alembic_zanith.movement.walk import Pace
from alembic_zanith.sql import count_rows, run, unheard

from .building import OF_WHAT_IS_ASKED, Building, copying
from .journal import Journal, Phase, json_sql
from .rows import text_of


@dataclass(frozen=True)
class Batches:
    """The copy of one table's rows. Nothing but this writes to the new table meanwhile."""

    journal: Journal
    building: Building
    key: Key
    pace: Pace

    def run(self) -> None:
        """Copy all rows that are not copied yet.

        Raises `RebuildError` with the row that an expression fails on.
        """
        old, cursor = self.building.survey.relation, self.journal.cursor
        what = f"rebuild of {old.name.display}"
        is_first = True
        with shown(what, row_estimate(self.journal.connection, old), cursor["read"]) as progress:
            while (batch := self._next()) is not None:
                with nullcontext() if is_first else unheard():
                    self._copy(batch)
                is_first = False
                progress.moved(self.journal.cursor["read"])
                if self.pace.pause_seconds:
                    pause(self.journal.connection, self.pace.pause_seconds)
                with unheard():
                    self.pace.throttle.wait(self.journal.connection)

    def _next(self) -> Range | None:
        at = self.journal.cursor["at"]
        behind = Range(None if at is None else tuple(at), None)
        table = str(self.building.survey.relation.name)
        with unheard():
            size = self.pace.batch_size
            return next_range(self.journal.connection, table, self.key, behind, size)

    def _copy(self, batch: Range) -> None:
        journal = self.journal
        read = journal.cursor["read"] + batch.size
        cursor = {**journal.cursor, "at": list(batch.upto or ()), "read": read}
        statement = self._committing(batch, cursor)

        def work() -> int | None:
            with unheard():
                run(journal.connection, "SET LOCAL row_security = off")
            found = run(journal.connection, statement).first()
            return None if found is None else int(found[0])

        what = f"A batch of {journal.call}"
        try:
            copied = in_transaction(journal.connection, what, journal.policy, work)
        except DBAPIError as error:
            raise self.failed(error, batch) from error
        if copied is not None:
            count_rows(copied)
            journal.cursor = cursor
            return
        # The server had gone on with it for a client that is gone.
        found = journal.checkpoints.find(journal.id)
        if found is None or found.cursor["phase"] != Phase.COPY:
            raise journal.taken_over()
        journal.cursor = dict(found.cursor)

    def _committing(self, batch: Range, cursor: Mapping[str, Any]) -> str:
        """Return the statement that copies a batch, if it is the next one, with its checkpoint."""
        table, journal = self.journal.checkpoints.table, self.journal
        conditions = [*batch.conditions(self.key), "EXISTS (SELECT FROM _zanith_here)"]
        work = copying(self.building, " AND ".join(conditions))
        done = "(SELECT pg_catalog.count(*) FROM _zanith_work)"
        return (
            f"WITH _zanith_here AS MATERIALIZED (SELECT c.id FROM {table} AS c"
            f" WHERE c.id = {literal(journal.id)}"
            f" AND c.cursor -> 'phase' = {json_sql(Phase.COPY)}"
            f" AND c.cursor -> 'at' = {json_sql(journal.cursor['at'])} FOR UPDATE),"
            f" _zanith_work AS ({work} RETURNING 1)"
            f" UPDATE {table} AS c SET rows_done = c.rows_done + {done},"
            f" cursor = {json_sql(cursor)}, updated_at = pg_catalog.clock_timestamp()"
            f" FROM _zanith_here WHERE c.id = _zanith_here.id RETURNING {done}"
        )

    # -- where it fails ------------------------------------------------------------------

    def failed(self, error: DBAPIError, batch: Range) -> ZanithError:
        """Return the error to raise: with the row, if it is one, after all is taken away again."""
        state = sqlstate(error)
        if error.connection_invalidated or not state.startswith(OF_WHAT_IS_ASKED):
            return self.journal.broken_off(error)
        row = self._row_of(batch, state)
        self.journal.give_up()
        at = f", at the row {row} of {self.building.target.display}" if row else ""
        return RebuildError(
            f"{self.journal.call} changed nothing: {server_message(error)}{at}. What was copied is "
            "taken away again. Mend the row, or its select=.",
            row,
        )

    def _row_of(self, batch: Range, state: str) -> str:
        """Return the row of a batch that the expressions fail on."""
        connection, old = self.journal.connection, self.building.survey.relation.name

        def fails(conditions: str) -> bool:
            # Rows that are copied already are worked out, and not written again.
            statement = f"{copying(self.building, conditions)} ON CONFLICT DO NOTHING"
            return fails_when_done(connection, statement, state)

        try:
            with unheard():
                place = failing_row(connection, str(old), self.key, batch, fails)
                if place is None:
                    return ""
                which = " AND ".join(
                    f"{column.sql} OPERATOR({self.key.operators}.=) {column.value(value)}"
                    for column, value in zip(self.key.columns, place, strict=True)
                )
                return text_of(connection, old, which)
        except DBAPIError:
            return ""
