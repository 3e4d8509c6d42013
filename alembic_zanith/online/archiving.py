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
from typing import Any, TypeVar

from sqlalchemy import Connection, Row
from sqlalchemy.exc import DBAPIError

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.relation import Relation
from alembic_zanith.errors import DataMissingError, ZanithError
from alembic_zanith.failures import server_message
from alembic_zanith.integrity import Content, pinned_settings
from alembic_zanith.models import ArtifactKind, ArtifactStatus
from alembic_zanith.movement.checkpoints import Checkpoint, Checkpoints, CheckpointStatus
from alembic_zanith.movement.keys import Key
from alembic_zanith.movement.progress import shown
from alembic_zanith.movement.steps import in_transaction
from alembic_zanith.movement.walk import BatchError, Pace, Position, Walk
from alembic_zanith.recovery.column_archive import ColumnArchive
from alembic_zanith.recovery.locate import require_parked
from alembic_zanith.recovery.session import all_or_nothing, lock_table
from alembic_zanith.sql import run, unheard

from .copying import Copying
from .dropping import drop_archived
from .parking import archiving_of, park_for_archive, walking_key

log = logging.getLogger("alembic.zanith")

OPERATION = "archive_column"

_MOST_ROUNDS = 20
"""How often what others have written meanwhile is copied, before it is a matter for a person."""

T = TypeVar("T")


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

    def run(self) -> Artifact:
        """Do all that is left to do, and return the artifact.

        Raises what `recovery.archive_column` does, `NoKeyError` for a table that cannot be walked,
        `NotDroppableError` for a generated column, `DataMissingError` where the parked column was
        purged meanwhile, and `ZanithError` where it was broken off, which says how to go on.
        """
        with unheard():
            self.checkpoints.ensure()
        found, artifact = self._in_transaction("The beginning", self._begun)
        if artifact.kind is ArtifactKind.ARCHIVE_COLUMN:
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

    # -- parking -------------------------------------------------------------------------

    def _begun(self) -> tuple[Checkpoint, Artifact]:
        """Return what an earlier run has begun, or begin."""
        found = self.checkpoints.find(self.checkpoint_id)
        if found is None or not found.is_open:
            return self._parked()
        artifact = self.store.lock(found.cursor["artifact"])
        if artifact is None:
            raise DataMissingError(
                f"{self.call} cannot go on: it has parked the column as artifact "
                f"{found.cursor['artifact']}, which was purged before its values were archived. "
                "They are gone, but for what was copied. To forget the operation, which then has "
                "to leave the script:\n"
                f"  {found.cursor['giving_up']};\n"
                f"  {self.checkpoints.forgetting(self.checkpoint_id)}"
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
        if any(found.cursor[name] != about[name] for name in ("key", "types")):
            # From the first row on, where the key is another one now.
            found = replace(found, cursor={**found.cursor, **Position().as_json()})
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
        with shown(what, self._estimate(relation), read) as progress:
            walk.run(progress)

    def _work(self, artifact: Artifact) -> tuple[Relation, Copying]:
        relation = require_parked(self.connection, artifact)
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

    def _estimate(self, relation: Relation) -> int | None:
        with unheard():
            found = run(
                self.connection,
                "SELECT CAST(reltuples AS bigint) FROM pg_catalog.pg_class"
                f" WHERE oid = {relation.oid}",
            ).scalar()
        return int(found) if found and found > 0 else None

    # -- dropping ------------------------------------------------------------------------

    def _dropped(self, artifact: Artifact) -> Artifact:
        """Make sure that every row's value is in the archive, and drop the column."""
        for _ in range(_MOST_ROUNDS):
            stamp, content = self._in_transaction("Comparing", lambda: self._compared(artifact))
            if content is None:
                continue
            done = self._in_transaction("The end", partial(self._drop, artifact, stamp, content))
            if done is not None:
                log.info("%s: %s rows in batches.", self.call, f"{content.row_count:,}")
                return done
        raise ZanithError(
            f"{self.call} did not come to its end: the keys of rows change faster than they are "
            f"copied. The column is parked (artifact {artifact.id}), and what is copied stays. Run "
            "the upgrade again when less is written; it goes on where it was."
        )

    def _compared(self, artifact: Artifact) -> tuple[str, Content | None]:
        """Compare rows with the archive; no content where anything had to be corrected."""
        stamp = self.checkpoints.stamp(self.checkpoint_id)
        _, work = self._work(artifact)
        with pinned_settings(self.connection):
            corrected = sum(
                run(
                    self.connection,
                    f"WITH done AS ({statement}) SELECT pg_catalog.count(*) FROM done",
                ).scalar_one()
                for statement in work.corrections()
            )
            return stamp, None if corrected else work.archive.content(self.connection)

    def _drop(self, artifact: Artifact, stamp: str, content: Content) -> Artifact | None:
        """Drop the column, unless a batch was committed since they were compared.

        That may be one of a client that was killed: the server goes on with it, and holds the lock
        that this has to wait for.
        """
        connection = self.connection
        locked = self.store.lock(artifact.id)
        if locked is None or (locked.kind, locked.status) != (artifact.kind, artifact.status):
            raise ZanithError(
                f"{self.call} cannot go on: artifact {artifact.id}, which has the column parked, "
                "was changed by another session. Run the upgrade again when that has ended."
            )
        relation = require_parked(connection, artifact)
        lock_table(connection, relation)
        if self.checkpoints.stamp(self.checkpoint_id) != stamp:
            return None
        done = drop_archived(self.store, artifact, relation, content)
        self.checkpoints.mark(self.checkpoint_id, CheckpointStatus.DONE)
        return done

    # -- around it -----------------------------------------------------------------------

    def _in_transaction(self, what: str, work: Callable[[], T]) -> T:
        def whole() -> T:
            with all_or_nothing(self.connection, self.call):
                return work()

        return in_transaction(self.connection, f"{what} of {self.call}", self.pace.policy, whole)

    def _broken_off(self, artifact: Artifact, error: DBAPIError) -> ZanithError:
        return ZanithError(
            f"{self.call} was broken off: {server_message(error)}. The column is parked (artifact "
            f"{artifact.id}) and can be brought back, and what is copied stays. Run the upgrade "
            "again: it goes on where it was. To give it up: alembic zanith-recover restore-column "
            f"{artifact.source}"
        )


def _about(artifact: Artifact, key: Key) -> dict[str, Any]:
    return {
        "table": str(artifact.source_name),
        "artifact": artifact.id,
        "giving_up": archiving_of(artifact).giving_up,
        "key": [column.name for column in key.columns],
        "types": [column.type for column in key.columns],
    }
