"""A rebuild while others read and write: rows are copied in batches, what others do is noted.

Each step is a transaction of its own that writes the checkpoint along, so that a run that was
broken off at any point goes on there. A step locks the checkpoint and looks where it stands: the
server may still be at work on a step of a client that is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.errors import NoKeyError, RebuildError, ZanithError
from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.identifiers import QualifiedName, fit, literal, quote
from alembic_zanith.integrity import given_settings, roomy_memory, under_settings
from alembic_zanith.movement.checkpoints import Checkpoint, Checkpoints, CheckpointStatus
from alembic_zanith.movement.keys import Key, choose_key
from alembic_zanith.movement.ranges import Range
from alembic_zanith.movement.steps import in_transaction
from alembic_zanith.movement.walk import Pace
from alembic_zanith.recovery.record import Ticket
from alembic_zanith.recovery.session import all_or_nothing, expiry, lock_table, now
from alembic_zanith.sql import run, run_all, unheard

from .batches import Batches
from .building import OF_WHAT_IS_ASKED, Building, analyze, build_indexes, create
from .changes import Changes
from .journal import Journal, Phase
from .survey import refuse_dependents, survey
from .swap import Checks, swap, to_validate
from .whole import (
    Rebuild,
    lock_against_writes,
    planned,
    prepared,
    rehearse,
    say_what_went,
    table_of,
)

log = logging.getLogger("alembic.zanith")

_FEW = 1000
"""So many notes are caught up with while the table is locked."""
_MOST_ROUNDS = 20


@dataclass
class OnlineRebuild:
    """One rebuild, on a connection on which each statement commits by itself.

    `key` names the columns to walk by, where they are not to be chosen.
    """

    connection: Connection
    store: ArtifactStore
    rebuild: Rebuild
    checkpoints: Checkpoints
    checkpoint_id: str
    revision: str | None
    pace: Pace
    key: tuple[str, ...] | None = None

    def run(self) -> Artifact | None:
        """Do all that is left to do, and return the artifact; None where it is purged already.

        Raises what `rebuild_table` does, and `NoKeyError` for a table that cannot be walked.
        """
        with unheard():
            self.checkpoints.ensure()
            self._given = given_settings(self.connection)
            found = self.checkpoints.find(self.checkpoint_id)
        self._journal = Journal(
            self.connection,
            self.checkpoints,
            self.checkpoint_id,
            self.rebuild.call,
            self.store.workspace.archive_schema,
            self.pace.policy,
        )
        if found is not None and found.status is CheckpointStatus.DONE:
            log.info("%s was done by an earlier run, which failed later.", self.rebuild.call)
            self._journal.cursor = dict(found.cursor)
            return self._artifact()
        if found is None or not found.is_open or not self._goes_on(found):
            self._begin()
        try:
            if self._journal.phase is not Phase.CHECK:
                self._copy_and_build()
                self._swap()
            return self._check()
        except DBAPIError as error:
            raise self._journal.broken_off(error) from error

    # -- beginning -----------------------------------------------------------------------

    def _begin(self) -> None:
        what = f"The beginning of {self.rebuild.call}"
        in_transaction(self.connection, what, self.pace.policy, self._begin_in_transaction)

    def _begin_in_transaction(self) -> None:
        connection, store = self.connection, self.store
        with all_or_nothing(connection, self.rebuild.call):
            relation = table_of(connection, self.rebuild)
            lock_against_writes(connection, relation)
            ticket = Ticket.draw(store, self.rebuild.retention_days)
            building = prepared(store, self.rebuild, relation, self._given)
            key = self._chosen_key(building)
            rehearse(building, store, ticket)
            create(building)
            self._take_up(building, key, ticket.id)
            self._changes.begin()
            cursor = {
                "table": str(relation.name),
                "name": relation.name.name,
                "artifact": ticket.id,
                "asked": self.rebuild.digest,
                "found": building.survey.digest,
                "key": list(key.names),
                "triggers": self._changes.triggers(),
                "phase": Phase.COPY,
                "at": None,
                "read": 0,
            }
            self._journal.begin(self.revision, cursor)

    def _take_up(self, building: Building, key: Key, artifact_id: str) -> None:
        self._building = building
        self._changes = Changes.of(building, key, artifact_id)
        self._batches = Batches(self._journal, building, key, self.pace)

    def _chosen_key(self, building: Building) -> Key:
        key = choose_key(self.connection, building.survey.relation, (), self.key)
        reason = key if isinstance(key, str) else ""
        if isinstance(key, Key):
            changed = [name for name in key.names if not building.shape.keeps_values(name)]
            if changed:
                reason = f"the new table has not the values of its key ({', '.join(changed)})"
        if isinstance(key, str) or reason:
            raise NoKeyError(
                f"{self.rebuild.call} changed nothing: in autocommit_block() rows are copied in "
                f"batches by a key that finds them in the new table again, and {reason}. Give the "
                "table a primary key, or move the call out of the block: in a transaction all rows "
                "are copied at once, and writes wait for it."
            )
        return key

    def _goes_on(self, found: Checkpoint) -> bool:
        """Take up what an earlier run has begun, or take it away where it is not what is asked."""
        connection, cursor = self.connection, found.cursor
        self._journal.cursor = dict(cursor)
        if cursor["phase"] == Phase.CHECK:
            return True

        def work() -> bool:
            with all_or_nothing(connection, self.rebuild.call):
                relation = table_of(connection, self.rebuild)
                read = survey(connection, relation)
                if (self.rebuild.digest, read.digest) != (cursor["asked"], cursor["found"]):
                    run_all(connection, self._journal.giving_up(cursor))
                    return False
                key = choose_key(connection, relation, (), tuple(cursor["key"]))
                assert isinstance(key, Key)
                building = planned(self.store, self.rebuild, read, self._given)
                self._take_up(building, key, cursor["artifact"])
                if not self._are_all_noted:
                    run_all(connection, self._journal.giving_up(cursor))
                    return False
                return True

        what = f"Going on with {self.rebuild.call}"
        goes_on = in_transaction(connection, what, self.pace.policy, work)
        copied = f"{found.rows_done:,}"
        if goes_on:
            log.info("%s goes on: %s rows are copied.", self.rebuild.call, copied)
        else:
            log.warning(
                "%s begins anew: the script, the table or its triggers have changed since %s rows "
                "were copied.",
                self.rebuild.call,
                copied,
            )
        return goes_on

    # -- the new table -------------------------------------------------------------------

    def _copy_and_build(self) -> None:
        journal = self._journal
        if journal.phase is Phase.COPY:
            self._batches.run()
            journal.step("The end of the copy", lambda: None, Phase.KEY)
        if journal.phase is Phase.KEY:
            journal.orderly(lambda: journal.step("The key", self._build_key, Phase.CATCH_UP))
        if journal.phase is Phase.CATCH_UP:
            self._catch_up(Phase.INDEXES)
        if journal.phase is Phase.INDEXES:
            journal.orderly(lambda: journal.step("Building", self._build, Phase.SWAP))

    def _build_key(self) -> None:
        """Make the index by which rows of the new table are found; it is dropped in the end."""
        names = ", ".join(map(quote, self._changes.key.names))
        with self._building.about("the key of the new table"):
            run(
                self.connection,
                f"CREATE UNIQUE INDEX {quote(self._helper)} ON {self._building.place} ({names})",
            )

    @property
    def _helper(self) -> str:
        return fit("_zanith_key_", "", self._changes.id)

    def _build(self) -> None:
        # Behind a catching up, when the rows are those of one moment: unique ones among them.
        with all_or_nothing(self.connection, self.rebuild.call), roomy_memory(self.connection):
            build_indexes(self._building)
            analyze(self._building)

    def _catch_up(self, then: Phase) -> None:
        try:
            self._journal.step("Catching up", self._changes.catch_up, then, "REPEATABLE READ")
        except DBAPIError as error:
            raise self._batches.failed(error, Range(None, None)) from error

    # -- the swap ------------------------------------------------------------------------

    def _swap(self) -> None:
        for _ in range(_MOST_ROUNDS):
            with unheard():
                if self._changes.waiting() <= _FEW:
                    break
                self._catch_up(Phase.SWAP)
        self._journal.orderly(self._swap_in_transaction)
        say_what_went(self._building)

    def _swap_in_transaction(self) -> None:
        what = f"The swap of {self.rebuild.call}"
        self._journal.cursor = in_transaction(
            self.connection, what, self.pace.policy, self._swap_under_lock
        )

    def _swap_under_lock(self) -> dict[str, Any]:
        connection, building, changes = self.connection, self._building, self._changes
        self._journal.lock()
        with all_or_nothing(connection, self.rebuild.call):
            relation = building.survey.relation
            lock_table(connection, relation)
            self._refuse_unnoted()
            changes.stop_noting()
            self._refuse_changed()
            refuse_dependents(connection, self.rebuild.call, building.survey, building.shape)
            with under_settings(connection, self._given):
                self._last_catch_up()
            changes.forget()
            run(connection, f"DROP INDEX {building.place.renamed(self._helper)}")
            created_at = now(connection)
            days = self.rebuild.retention_days
            ticket = Ticket(changes.id, created_at, expiry(created_at, days))
            later = [[table.schema, table.name, key] for table, key in to_validate(building)]
            swap(building, self.store, ticket, None, Checks.LATER)
            return self._journal.write(Phase.CHECK, validate=later)

    @property
    def _are_all_noted(self) -> bool:
        """Whether the triggers are those that were made, and were never off in between."""
        return self._changes.triggers() == self._journal.cursor.get("triggers")

    def _refuse_unnoted(self) -> None:
        """Raise `RebuildError` where writes may have been made that no trigger has noted."""
        if not self._are_all_noted:
            name = self._building.survey.relation.name.display
            raise RebuildError(
                f"{self.rebuild.call} changed nothing: while rows were copied somebody has "
                f"switched triggers of {name} off (DISABLE TRIGGER), or changed them. What was "
                "written meanwhile may not be in the new table. What was copied is taken away "
                "again. Run the upgrade again, when nobody switches triggers off."
            )

    def _refuse_changed(self) -> None:
        """Raise `RebuildError` where the table itself is not what the new one was built for."""
        relation = self._building.survey.relation
        if survey(self.connection, relation).digest != self._journal.cursor["found"]:
            raise RebuildError(
                f"{self.rebuild.call} changed nothing: others have changed {relation.name.display} "
                "itself while its rows were copied, and the new table was built for what it had "
                "before. What was copied is taken away again. Run the upgrade again."
            )

    def _last_catch_up(self) -> None:
        try:
            self._changes.catch_up()
        except DBAPIError as error:
            if not sqlstate(error).startswith(OF_WHAT_IS_ASKED):
                raise
            raise RebuildError(
                f"{self.rebuild.call} changed nothing: {server_message(error)}, at a row that was "
                "written while others were copied. What was copied is taken away again."
            ) from error

    # -- afterwards ----------------------------------------------------------------------

    def _check(self) -> Artifact | None:
        """Check the foreign keys while others read and write, and count the rows that are kept.

        https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-VALIDATE-CONSTRAINT
        """
        cursor: Mapping[str, Any] = self._journal.cursor
        artifact = self._artifact()
        for schema, table, key in cursor["validate"]:
            self._validate(QualifiedName(schema, table), key)
        if artifact is not None:
            run(
                self.connection,
                f"UPDATE {self.store.table} SET row_count = (SELECT pg_catalog.count(*) FROM"
                f" {artifact.parked_name}) WHERE id = {literal(artifact.id)}",
            )
        self.checkpoints.mark(self.checkpoint_id, CheckpointStatus.DONE, cursor)
        return self._artifact()

    def _validate(self, relation: QualifiedName, key: str) -> None:
        try:
            run(self.connection, f"ALTER TABLE {relation} VALIDATE CONSTRAINT {quote(key)}")
        except DBAPIError as error:
            raise ZanithError(
                f"{self.rebuild.call} has swapped the tables, and left foreign key {key} of "
                f"{relation.display} NOT VALID: {server_message(error)}. Run the upgrade again, "
                "which goes on there."
            ) from error

    def _artifact(self) -> Artifact | None:
        """Return the artifact; None where it was purged before the revision came to its end."""
        return self.store.get(self._journal.cursor["artifact"])
