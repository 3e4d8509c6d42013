"""A column is archived while others read and write its table: parked, copied, compared, dropped.

To park it takes a moment, and from then on nothing writes to it. Its values are copied in batches
to a table of its own, and it is dropped when each row's value is there. Each step is a transaction
that is committed with its checkpoint, so that a run that was broken off at any point goes on there,
and until the last one the column comes back as any that is soft-dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Row
from sqlalchemy.exc import DBAPIError

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.relation import Relation, tree
from alembic_zanith.errors import DataMissingError, ZanithError
from alembic_zanith.failures import server_message
from alembic_zanith.integrity import Content, pinned_settings
from alembic_zanith.locking.retrying import RetryPolicy
from alembic_zanith.models import ArtifactKind, ArtifactStatus
from alembic_zanith.movement.checkpoints import Checkpoint, Checkpoints, CheckpointStatus
from alembic_zanith.movement.estimate import row_estimate
from alembic_zanith.movement.keys import Key
from alembic_zanith.movement.progress import shown
from alembic_zanith.movement.steps import in_transaction, tried_again
from alembic_zanith.movement.walk import BatchError, Pace, Position, Walk, going_on
from alembic_zanith.recovery.column_archive import ColumnArchive
from alembic_zanith.recovery.locate import require_parked
from alembic_zanith.recovery.session import all_or_nothing, lock_table
from alembic_zanith.sql import run, unheard

from .copying import Copying
from .dropping import drop_archived
from .parking import archiving_of, park_for_archive, require_same_key, walking_key

log = logging.getLogger("alembic.zanith")

OPERATION = "archive_column"

_MOST_ROUNDS = 20
"""How often what others have written meanwhile is copied, before it is a matter for a person."""

_ONCE = RetryPolicy(attempts=1)
_TO_THE_END = RetryPolicy(attempts=20, first_wait=0.5, longest_wait=5.0)

# The lock of the end: what others change while it is waited for is not compared any more.
_SHORTLY = """
SELECT pg_catalog.set_config('lock_timeout', '1s', true)
  FROM pg_catalog.pg_settings
 WHERE name = 'lock_timeout' AND CAST(setting AS integer) NOT BETWEEN 1 AND 1000
"""

T = TypeVar("T")


class Compared(NamedTuple):
    """What was compared: after which batch, which tables, and the archive if it has all of it."""

    stamp: str
    members: tuple[int, ...]
    content: Content | None


@dataclass
class OnlineArchive:
    """The archiving of one column, on a connection on which each statement commits by itself.

    `call` is the operation as messages name it.
    """

    connection: Connection
    store: ArtifactStore
    table: str
    column: str
    schema: str | None
    retention_days: int | None
    checkpoints: Checkpoints
    checkpoint_id: str
    revision: str | None
    pace: Pace
    call: str

    def run(self) -> Artifact | None:
        """Do all that is left to do, and return the artifact; None where an earlier run has done it
        and the artifact was purged since.

        Raises what `recovery.archive_column` does, `NoKeyError` for a table that cannot be walked,
        `NotDroppableError` for a generated column, `KeyChangedError` where its key is another one
        meanwhile, `DataMissingError` where the parked column was purged, and `ZanithError` where it
        was broken off, which says how to go on.
        """
        with unheard():
            self.checkpoints.ensure()
        found, artifact = self._in_transaction("The beginning", self._begun)
        if artifact is None or artifact.kind is ArtifactKind.ARCHIVE_COLUMN:
            log.info("%s was done by an earlier run, which failed later.", self.call)
            return artifact
        try:
            if found.status is CheckpointStatus.RUNNING:
                self._copy(found, artifact)
            return self._dropped(artifact)
        except BatchError as stopped:
            raise self._broken_off(artifact, stopped.error) from stopped.error
        except DBAPIError as error:
            raise self._broken_off(artifact, error) from error
        except KeyboardInterrupt:
            log.warning("%s was broken off. %s", self.call, self._outlook(artifact))
            raise

    # -- parking -------------------------------------------------------------------------

    def _begun(self) -> tuple[Checkpoint, Artifact | None]:
        """Return what an earlier run has begun, or begin."""
        found = self.checkpoints.find(self.checkpoint_id)
        if found is None or not found.is_open:
            return self._parked()
        artifact = self.store.lock(found.cursor["artifact"])
        if artifact is None and found.cursor.get("dropped"):
            return found, None
        if artifact is None:
            raise DataMissingError(
                f"{self.call} cannot go on: it has parked the column as artifact "
                f"{found.cursor['artifact']}, which was purged before its values were archived. "
                "They are gone, and what was copied of them. To forget the operation, which then "
                f"has to leave the script:\n  {self.checkpoints.forgetting(self.checkpoint_id)}"
            )
        if artifact.status is ArtifactStatus.LIVE:
            if artifact.kind is ArtifactKind.SOFT_DROP_COLUMN:
                log.info("%s goes on: %s rows are copied.", self.call, f"{found.rows_done:,}")
            return found, artifact
        # Somebody has brought it back meanwhile.
        return self._parked()

    def _parked(self) -> tuple[Checkpoint, Artifact]:
        artifact, key = park_for_archive(
            self.store, self.table, self.column, self.schema, self.retention_days, self.call
        )
        checkpoint = Checkpoint(
            self.checkpoint_id,
            self.revision,
            OPERATION,
            CheckpointStatus.RUNNING,
            {**_about(artifact, key), **Position().as_json()},
        )
        self.checkpoints.begin(checkpoint)
        return checkpoint, artifact

    # -- copying -------------------------------------------------------------------------

    def _copy(self, found: Checkpoint, artifact: Artifact) -> None:
        """Copy all values that are not copied yet."""
        relation, work = self._in_transaction("Going on", lambda: self._work(artifact))
        column = str(artifact.parked_column)
        key = walking_key(self.connection, relation, column, self.call)
        about = _about(artifact, key)
        found = going_on(found, about)
        walk = Walk(
            self.connection,
            relation.name,
            key,
            work,
            self.checkpoints,
            found,
            about,
            self.pace,
            self._send,
        )
        what = f"archive of {relation.name.display}.{artifact.source_column}"
        read = Position.of(found.cursor).read
        with shown(what, row_estimate(self.connection, relation), read) as progress:
            walk.run(progress)

    def _work(self, artifact: Artifact) -> tuple[Relation, Copying]:
        relation = require_parked(self.connection, artifact)
        require_same_key(self.connection, relation, artifact, self.call)
        archiving = archiving_of(artifact)
        definition = archiving.definition
        assert definition.column is not None
        archive = ColumnArchive(
            relation,
            definition.column,
            str(artifact.parked_column),
            archiving.table,
            definition.key,
        )
        selected = archive.selected(self.connection, str(relation.name))
        return relation, Copying(archive, tuple(selected), definition.is_never_null)

    def _send(self, connection: Connection, statement: str) -> Row[Any]:
        """Send one statement of the walk under pinned settings: values print the same everywhere,
        and none is hidden.
        """

        def work() -> Row[Any]:
            with unheard(), pinned_settings(connection):
                return run(connection, statement).one()

        return in_transaction(connection, f"A batch of {self.call}", self.pace.policy, work)

    # -- dropping ------------------------------------------------------------------------

    def _dropped(self, artifact: Artifact) -> Artifact:
        """Make sure that every row's value is in the archive, and drop the column."""
        what = f"The end of {self.call}"
        policy = replace(_TO_THE_END, attempts=max(_TO_THE_END.attempts, self.pace.policy.attempts))
        for _ in range(_MOST_ROUNDS):
            # Compared once more for each time that it waits for the lock.
            done = tried_again(self.connection, what, policy, partial(self._end, artifact))
            if done is not None:
                log.info("%s: %s rows in batches.", self.call, f"{done.row_count:,}")
                return done
        raise ZanithError(
            f"{self.call} did not come to its end: rows change faster than they are compared. "
            f"{self._outlook(artifact)}"
        )

    def _end(self, artifact: Artifact) -> Artifact | None:
        compared = self._in_transaction("Comparing", partial(self._compared, artifact))
        if compared.content is None:
            return None
        return self._in_transaction("The end", partial(self._drop, artifact, compared), _ONCE)

    def _compared(self, artifact: Artifact) -> Compared:
        """Compare rows with the archive; no content where anything had to be corrected."""
        stamp = self.checkpoints.stamp(self.checkpoint_id)
        relation, work = self._work(artifact)
        members = tuple(member.oid for member in tree(self.connection, relation))
        with pinned_settings(self.connection):
            corrected = sum(
                run(
                    self.connection,
                    f"WITH done AS ({statement}) SELECT pg_catalog.count(*) FROM done",
                ).scalar_one()
                for statement in work.corrections()
            )
            content = None if corrected else work.archive.content(self.connection)
            return Compared(stamp, members, content)

    def _drop(self, artifact: Artifact, compared: Compared) -> Artifact | None:
        """Drop the column, unless something else is there than what was compared.

        A batch may have been committed since: that of a client that was killed, whose server goes
        on with it and holds the lock that this has to wait for. Or a partition was attached.
        """
        connection = self.connection
        assert compared.content is not None
        locked = self.store.lock(artifact.id)
        if locked is None or (locked.kind, locked.status) != (artifact.kind, artifact.status):
            raise ZanithError(
                f"{self.call} cannot go on: artifact {artifact.id}, which has the column parked, "
                "was changed by another session. Run the upgrade again when that has ended."
            )
        relation = require_parked(connection, artifact)
        run(connection, _SHORTLY)
        lock_table(connection, relation)
        members = tuple(member.oid for member in tree(connection, relation))
        stamp = self.checkpoints.stamp(self.checkpoint_id)
        if (stamp, members) != (compared.stamp, compared.members):
            return None
        require_same_key(connection, relation, artifact, self.call)
        done = drop_archived(self.store, artifact, relation, compared.content)
        found = self.checkpoints.find(self.checkpoint_id)
        assert found is not None
        cursor = {**found.cursor, "dropped": True}
        self.checkpoints.mark(self.checkpoint_id, CheckpointStatus.DONE, cursor)
        return done

    # -- around it -----------------------------------------------------------------------

    def _in_transaction(
        self, what: str, work: Callable[[], T], policy: RetryPolicy | None = None
    ) -> T:
        def whole() -> T:
            with all_or_nothing(self.connection, self.call):
                return work()

        what = f"{what} of {self.call}"
        return in_transaction(self.connection, what, policy or self.pace.policy, whole)

    def _broken_off(self, artifact: Artifact, error: DBAPIError) -> ZanithError:
        return ZanithError(
            f"{self.call} was broken off: {server_message(error)}. {self._outlook(artifact)}"
        )

    def _outlook(self, artifact: Artifact) -> str:
        return (
            f"The column is parked (artifact {artifact.id}), all of its values are there, and what "
            "is copied stays. Run the upgrade again: it goes on where it was. To give it up: "
            f"alembic zanith-recover restore-column {artifact.source}"
        )


def _about(artifact: Artifact, key: Key) -> dict[str, Any]:
    return {
        "table": str(artifact.source_name),
        "artifact": artifact.id,
        "giving_up": archiving_of(artifact).giving_up,
        "key": [column.name for column in key.columns],
        "types": [column.type for column in key.columns],
    }
