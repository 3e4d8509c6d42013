"""What to say when an online restore is broken off: what stays, and how it goes on."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import BatchFailedError, NameTakenError, ZanithError
from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.movement.failing import failing_row, fails_when_done
from alembic_zanith.movement.ranges import Place
from alembic_zanith.movement.walk import BatchError, Walk
from alembic_zanith.recovery.conflicts import without_working_name
from alembic_zanith.sql import unheard

# Errors of the data: a row is to blame.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_OF_A_ROW = ("22", "23", "P0")

_INSTEAD = (
    "With another --fill it takes back what it has made and begins anew. Without --online it takes "
    "back what it has made first, and the column comes back in one transaction, where an ordinary "
    "restore is possible; a purge takes it back, too."
)
GOES_ON = f"Run it again to go on there. {_INSTEAD}"


@dataclass(frozen=True)
class Broken:
    """An online restore of an artifact that something has broken off."""

    artifact: Artifact

    def by(self, error: DBAPIError) -> ZanithError:
        """Return the error for a step that has failed."""
        return ZanithError(f"{self._stopped(error)}. What was done before stays. {GOES_ON}")

    def at(self, stopped: BatchError, walk: Walk) -> BatchFailedError:
        """Return the error for a batch that has failed, with the row that it fails on."""
        error, done = stopped.error, f"{stopped.rows_done:,} rows are back and stay so"
        if error.connection_invalidated:
            return BatchFailedError(f"{self._stopped(error)}. At least {done}. {GOES_ON}")
        place = _find_row(walk, stopped)
        row = "" if place is None else walk.key.shown(place)
        after = stopped.failed.after
        behind = "from the first row on" if after is None else f"behind {walk.key.shown(after)}"
        mend = f"Mend the row, or its value in {self.artifact.parked}. " if row else ""
        return BatchFailedError(
            f"{self._stopped(error)}, {f'at the row {row}' if row else behind} of "
            f"{walk.table.display}. {done}: each batch is committed. {mend}{GOES_ON}",
            row,
        )

    def by_interruption(self) -> str:
        """Return what to say where a person has stopped it."""
        return (
            f"The online restore of {self.artifact.source} was stopped. What was done before "
            f"stays. {GOES_ON}"
        )

    def by_taken_name(self, taken: NameTakenError, name: str) -> NameTakenError:
        """Return the error for a name that others have given to a column meanwhile."""
        there, _, _ = str(taken).partition(" Nothing has changed.")
        return NameTakenError(
            f"{there} What was made of {self.artifact.source} stays, under its working name. Run "
            "it again to go on there, when the other column has another name, or with --as "
            f"{name}_restored. {_INSTEAD}"
        )

    def _stopped(self, error: DBAPIError) -> str:
        reason = without_working_name(self.artifact, server_message(error))
        if error.connection_invalidated:
            reason = f"the connection to the database was lost ({reason})"
        return f"The online restore of {self.artifact.source} stopped: {reason}"


def _find_row(walk: Walk, stopped: BatchError) -> Place | None:
    connection: Connection = walk.connection
    state = sqlstate(stopped.error)
    if not state.startswith(_OF_A_ROW):
        return None

    def fails(conditions: str) -> bool:
        whole = " AND ".join(each for each in (conditions, walk.work.undone) if each)
        return fails_when_done(connection, walk.work.statement(whole), state)

    try:
        with unheard():
            return failing_row(connection, str(walk.table), walk.key, stopped.failed, fails)
    except DBAPIError:
        return None
