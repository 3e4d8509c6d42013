"""A backfill in batches: begun, gone on with where an earlier run ended, and brought to its end."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.catalog.relation import Relation
from alembic_zanith.errors import BatchFailedError, DataMissingError, OtherDefinitionError
from alembic_zanith.failures import database_errors_explained, server_message, sqlstate
from alembic_zanith.identifiers import marker_name
from alembic_zanith.sql import rows, run, unheard

from .checkpoints import Checkpoint, Checkpoints, CheckpointStatus
from .estimate import row_estimate
from .failing import failing_row, fails_when_done
from .filling import Filling, FillingWork, Origin
from .keys import Key
from .marker import add_marker, drop_marker, dropping, has_marker
from .progress import shown
from .ranges import Place, Range
from .walk import BatchError, KeptRowsError, Pace, Position, Walk, going_on

log = logging.getLogger("alembic.zanith")

OPERATION = "backfill"

# Errors of the data, of an expression or a constraint: a row is to blame.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_OF_A_ROW = ("22", "23", "P0", "42")


# Triggers BEFORE (2) UPDATE (16) for each ROW (1), and rules for UPDATE ('2').
_IN_THE_WAY = """
SELECT 'trigger ' || min(t.tgname::text) AS name FROM pg_catalog.pg_trigger t
 WHERE (t.tgrelid = CAST(:oid AS oid)
        OR t.tgrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(CAST(:oid AS regclass))))
   AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 19 = 19
 GROUP BY t.tgname
 UNION ALL
SELECT 'rule ' || r.rulename::text FROM pg_catalog.pg_rewrite r
 WHERE r.ev_class = CAST(:oid AS oid) AND r.ev_type = '2' AND r.ev_enabled <> 'D'
 ORDER BY name
"""


@dataclass(frozen=True)
class BatchedFilling:
    """One backfill in batches, on a connection on which each statement commits by itself.

    `call` is the operation as messages name it.
    """

    connection: Connection
    relation: Relation
    key: Key
    filling: Filling
    origin: Origin
    checkpoints: Checkpoints
    call: str

    @functools.cached_property
    def checkpoint_id(self) -> str:
        return self.origin.checkpoint_id(self.filling, self._table)

    @property
    def _table(self) -> str:
        return str(self.relation.name)

    @functools.cached_property
    def _marker(self) -> str | None:
        if self.filling.cleared_column(self.relation.name.name) is not None:
            return None
        return marker_name(self.checkpoint_id)

    def run(self, pace: Pace) -> int:
        """Do all that is left to do; return how many rows are done, by earlier runs too.

        Raises `OtherDefinitionError` where the revision has begun another backfill of the table,
        `BatchFailedError` where a batch fails, `DataMissingError` where the marker of an earlier
        run is gone, and `ZanithError` for other errors of the database.
        """
        with unheard(), database_errors_explained(self.call):
            self.checkpoints.ensure()
            found = self.checkpoints.find(self.checkpoint_id)
            is_new = found is None or not found.is_open
            if found is None or is_new:
                self._refuse_another()
                self._check_definition()
                found = self._begun()
            elif found.status is CheckpointStatus.RUNNING:
                log.info("%s goes on: %s rows are done.", self.call, f"{found.rows_done:,}")
                found = going_on(found, self._about)
        if found.status is CheckpointStatus.DONE:
            log.info("%s was done by an earlier run, which failed later.", self.call)
            done = found.rows_done
        else:
            self._mark_rows(found, is_new)
            done = self._walk(found, pace)
            log.info("%s: %s rows in batches.", self.call, f"{done:,}")
        if self._marker is not None:
            with database_errors_explained(f"The end of {self.call}"):
                with unheard():
                    is_there = has_marker(self.connection, self.relation, self._marker)
                if is_there:
                    drop_marker(self.connection, self.relation, self._marker)
        return done

    # -- before --------------------------------------------------------------------------

    def _refuse_another(self) -> None:
        if self.origin.revision is None:
            return
        of_this = (self._table, self.origin.direction)
        for other in self.checkpoints.running(OPERATION, self.origin.revision):
            if (other.cursor.get("table"), other.cursor.get("direction")) != of_this:
                continue
            if other.rows_done == 0:
                self._forget(other)
            else:
                raise OtherDefinitionError(
                    f"{self.call} has not run: revision {self.origin.revision} has begun another "
                    f"backfill of {self.relation.name.display}, which has done "
                    f"{other.rows_done:,} rows and has rows left; the script was edited since. "
                    "Nothing has changed. Either put the script back as it was and run it to its "
                    "end, or have the other one forgotten, whose rows stay as they are:\n"
                    f"{self._forgetting(other.id, other.cursor.get('marker'))}"
                )

    def _forget(self, other: Checkpoint) -> None:
        """Remove what another definition has begun and done nothing of."""
        marker = other.cursor.get("marker")
        if marker is not None and has_marker(self.connection, self.relation, marker):
            drop_marker(self.connection, self.relation, marker)
        run(self.connection, self.checkpoints.forgetting(other.id))

    def _check_definition(self) -> None:
        """Have PostgreSQL look at the very statement of a batch, before anything is written.

        https://www.postgresql.org/docs/current/sql-explain.html
        """
        statement = f"{self.filling.update(self._table)} RETURNING 1"
        run(
            self.connection,
            f"EXPLAIN {self.checkpoints.committing(self.checkpoint_id, statement, {})}",
        )

    def _begun(self) -> Checkpoint:
        checkpoint = Checkpoint(
            self.checkpoint_id,
            self.origin.revision,
            OPERATION,
            CheckpointStatus.RUNNING,
            {**self._about, **Position().as_json()},
        )
        self.checkpoints.begin(checkpoint)
        return checkpoint

    @functools.cached_property
    def _about(self) -> Mapping[str, Any]:
        return {
            "table": self._table,
            "direction": self.origin.direction,
            "key": [column.name for column in self.key.columns],
            "types": [column.type for column in self.key.columns],
            "marker": self._marker,
        }

    def _mark_rows(self, found: Checkpoint, is_new: bool) -> None:
        """See to it that there is a marker, where one is needed."""
        if self._marker is None:
            return
        with database_errors_explained(self.call):
            with unheard():
                is_there = has_marker(self.connection, self.relation, self._marker)
            if is_new or (found.rows_done == 0 and not is_there):
                # What is there may be of a walk that somebody had forgotten.
                add_marker(self.connection, self.relation, self._marker, anew=is_new)
            elif not is_there:
                raise DataMissingError(
                    f"{self.call} cannot go on: the column {self._marker} of "
                    f"{self.relation.name.display}, which tells the {found.rows_done:,} rows that "
                    "are done from the others, is gone. Nothing has changed. To begin anew, with "
                    f"all rows:\n{self._forgetting(found.id, None)}"
                )

    # -- the walk ------------------------------------------------------------------------

    def _walk(self, found: Checkpoint, pace: Pace) -> int:
        work = FillingWork(self.filling, self._table, self._marker)
        walk = Walk(
            self.connection,
            self.relation.name,
            self.key,
            work,
            self.checkpoints,
            found,
            self._about,
            pace,
        )
        read = Position.of(found.cursor).read
        what = f"backfill of {self.relation.name.display}"
        try:
            with shown(what, row_estimate(self.connection, self.relation), read) as progress:
                return walk.run(progress)
        except BatchError as stopped:
            raise self._failed(work, stopped) from stopped.error
        except KeptRowsError as kept:
            raise self._kept(work, kept) from kept
        except DBAPIError as error:
            everything = Range(None, None)
            raise self._failed(work, BatchError(everything, error, walk.rows_done)) from error

    def _failed(self, work: FillingWork, stopped: BatchError) -> BatchFailedError:
        error, done = stopped.error, f"{stopped.rows_done:,} rows are done and stay so"
        reason = server_message(error)
        if error.connection_invalidated:
            return BatchFailedError(
                f"{self.call} was broken off: the connection to the database was lost ({reason}). "
                f"At least {done}. Run the upgrade again when the server can be reached: it goes "
                "on where it was."
            )
        place = self._find_row(work, stopped)
        row = "" if place is None else self.key.shown(place)
        after = stopped.failed.after
        behind = "from the first row on" if after is None else f"behind {self.key.shown(after)}"
        return BatchFailedError(
            f"{self.call} stopped: {reason}, {f'at the row {row}' if row else f'{behind},'} of "
            f"{self.relation.name.display}. {done}: each batch is committed. Nothing is left of "
            f"the batch that failed ({behind}). Mend the row, or what the expression needs, and "
            "run the upgrade again: it goes on where it was. If the script itself has to change, "
            "have this walk forgotten, and leave out by a condition what is done already:\n"
            f"{self._forgetting(self.checkpoint_id, self._marker)}",
            row,
        )

    def _kept(self, work: FillingWork, kept: KeptRowsError) -> BatchFailedError:
        with unheard():
            count = f"SELECT pg_catalog.count(*) FROM {self._table} WHERE {work.undone}"
            left = run(self.connection, count).scalar_one()
            found = [row.name for row in rows(self.connection, _IN_THE_WAY, oid=self.relation.oid)]
        cause = ", ".join(found) if found else "a policy of row security, perhaps"
        return BatchFailedError(
            f"{self.call} stopped: {left:,} rows of {self.relation.name.display} stay as they are, "
            f"such as the row {kept.row}. An UPDATE does nothing to them, and PostgreSQL reports "
            f"no error. What can keep them so: {cause}. {kept.rows_done:,} rows are done and stay "
            "so. Have them let through (a trigger that returns NULL keeps a row), and run the "
            "upgrade again: it goes on where it was. If they are to stay as they are, have this "
            "walk forgotten, and leave them and what is done already out by a condition:\n"
            f"{self._forgetting(self.checkpoint_id, self._marker)}",
            kept.row,
        )

    def _find_row(self, work: FillingWork, stopped: BatchError) -> Place | None:
        state = sqlstate(stopped.error)
        if not state.startswith(_OF_A_ROW):
            return None

        def fails(conditions: str) -> bool:
            whole = " AND ".join(each for each in (conditions, work.undone) if each)
            return fails_when_done(self.connection, work.statement(whole), state)

        try:
            with unheard():
                return failing_row(self.connection, self._table, self.key, stopped.failed, fails)
        except DBAPIError:
            return None

    def _forgetting(self, checkpoint_id: str, marker: str | None) -> str:
        statements = [f"  {self.checkpoints.forgetting(checkpoint_id)}"]
        if marker is not None:
            statements.append(f"  {dropping(self.relation, marker)};")
        return "\n".join(statements)
