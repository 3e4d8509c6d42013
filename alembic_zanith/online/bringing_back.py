"""An archived column is brought back in batches, while others read and write its table.

Each step is a transaction of its own that notes itself in the checkpoint, so that a run that was
broken off at any point goes on there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.constraints import ForeignKey
from alembic_zanith.catalog.relation import columns, get_column
from alembic_zanith.errors import NameTakenError
from alembic_zanith.failures import database_errors_explained
from alembic_zanith.identifiers import display_name
from alembic_zanith.movement.checkpoints import Checkpoint, CheckpointStatus
from alembic_zanith.movement.walk import Pace, Position
from alembic_zanith.recovery.half_made import OPERATION, HalfMade, half_made, undo
from alembic_zanith.recovery.looking import Asked, Prospect, look, notes, table_of
from alembic_zanith.recovery.names import Name, free_names, under_names
from alembic_zanith.recovery.plan import Place, Step, rename_column
from alembic_zanith.recovery.replaced import replaced_parents
from alembic_zanith.recovery.report import RestoreReport
from alembic_zanith.recovery.restore import mark_restored
from alembic_zanith.recovery.run_steps import Outcome, invalid_foreign_keys
from alembic_zanith.recovery.taken import refuse_taken_column
from alembic_zanith.recovery.verify_parked import verify
from alembic_zanith.sql import run, run_all

from .beginning import (
    Terms,
    add_column,
    begin_parts,
    refuse_nulls,
    rehearse,
    require_type,
    terms,
)
from .failing import Broken
from .filling import Filling
from .journal import Journal
from .parts import Parts
from .returning import Filler, ReturningValues
from .sessions import as_one, keep_vacuum_out, pinned_transaction
from .showing import statements_of
from .standing import Standing

log = logging.getLogger("alembic.zanith")

T = TypeVar("T")


@dataclass
class OnlineRestore:
    """One online restore of an archive, where each statement commits by itself."""

    store: ArtifactStore
    artifact: Artifact
    asked: Asked
    pace: Pace
    yield_to_locks: bool = False

    def __post_init__(self) -> None:
        self._connection = self.store.connection
        self._journal = Journal(self.store, self.artifact, self.pace.policy)
        self._broken = Broken(self.artifact)

    def run(self) -> RestoreReport:
        """Do all that is left to do."""
        with database_errors_explained(f"restore-column --online of {self.artifact.source}"):
            seen, warnings = self._transaction("A look", self._look)
            terms = self._transaction("The beginning", lambda: self._begin(seen))
        try:
            terms = self._watched(terms)
            self._bring_back(terms)
            report = self._transaction("A look", lambda: self._reported(seen, terms, warnings))
            return self._transaction("The end", lambda: self._end(report))
        except DBAPIError as error:
            raise self._broken.by(error) from error
        except KeyboardInterrupt:
            log.warning("%s", self._broken.by_interruption())
            raise

    def _watched(self, terms: Terms) -> Terms:
        """Have each batch make sure of what it goes by."""
        artifact, relation = self.artifact, self._seen.relation
        self._standing = Standing(
            self.store, artifact, relation, self._definition, terms, self.asked.force
        )
        return replace(terms, sending=replace(terms.sending, require=self._standing.require))

    def _bring_back(self, terms: Terms) -> None:
        journal, relation = self._journal, self._seen.relation
        parts = Parts(journal, terms.ways, self.asked.relax)
        filling = Filling(
            journal, relation, self._definition, terms, self.pace, self.yield_to_locks
        )
        filling.fill()
        filling.correct()
        parts.guard()
        # What was written before all of the constraints held.
        filling.fill()
        parts.finish()
        filling.correct(parts)

    def foresee(self) -> RestoreReport:
        """Return what would be done."""
        return self._transaction("A look", self._foreseen)

    def _transaction(self, what: str, work: Callable[[], T]) -> T:
        what = f"{what} of restoring {self.artifact.source}"
        return pinned_transaction(self._connection, what, self.pace.policy, work)

    # -- looking -------------------------------------------------------------------------

    def _look(self) -> tuple[Prospect, list[str]]:
        connection = self._connection
        relation = table_of(connection, self.artifact, force=self.asked.force)
        begun = half_made(self.store, self.artifact)
        try:
            seen = look(self.store, self.artifact, relation, self.asked)
        except NameTakenError as taken:
            if begun is None:
                raise
            raise self._broken.by_taken_name(taken, str(self.artifact.source_column)) from taken
        warnings = verify(connection, self.artifact, force=self.asked.force)
        warnings += replaced_parents(connection, self.artifact, seen.definition)
        if begun is None:
            refuse_nulls(seen, self.asked)
            terms(connection, seen, seen.definition)
        return seen, warnings

    def _foreseen(self) -> RestoreReport:
        seen, warnings = self._look()
        begun = half_made(self.store, self.artifact)
        if begun is not None and self._has_column(seen):
            # Others than those that it has given to its own parts are not looked for.
            names = begun.names
        else:
            names = free_names(self._connection, seen.definition, seen.place, self.artifact.id)
        definition = under_names(seen.definition, seen.place, names)
        found = terms(self._connection, seen, definition)
        self._definition = definition
        work = self._work(seen, self.asked.fill)
        how = (
            f"The UPDATE is sent in batches of {self.pace.batch_size:,} rows by "
            f"{', '.join(found.key.names)}; each step is committed by itself."
        )
        if begun is not None:
            how = f"It has begun: {begun.checkpoint.rows_done:,} rows are back. {how}"
            if begun.checkpoint.cursor["fill"] != self.asked.fill:
                how = f"{how} With another --fill it begins anew."
        return replace(
            seen.report,
            statements=tuple(statements_of(definition, seen.place, found, work)),
            renamed=_pairs(names),
            warnings=(
                *seen.report.warnings,
                *warnings,
                *notes(seen.report, definition, seen.place),
                how,
            ),
        )

    # -- beginning -----------------------------------------------------------------------

    def _begin(self, seen: Prospect) -> Terms:
        """Make the column, or take up what an earlier run has made."""
        connection, store = self._connection, self.store
        locked = store.lock(self.artifact.id)
        if locked is None or locked.restored_at != self.artifact.restored_at:
            raise self._journal.gone()
        store.ensure()
        self._seen = seen
        begun = half_made(store, self.artifact)
        if begun is not None:
            if self._goes_on(seen, begun):
                return self._go_on(seen, begun.checkpoint)
            keep_vacuum_out(connection, seen.relation.name)
            undo(store, begun, seen.relation)
            refuse_nulls(seen, self.asked)
        refuse_taken_column(connection, self.artifact, seen.relation, seen.place.name)
        run_all(connection, seen.definition.type_sql)
        names = free_names(connection, seen.definition, seen.place, self.artifact.id)
        self._definition = definition = under_names(seen.definition, seen.place, names)
        found = terms(connection, seen, definition)
        require_type(connection, self.artifact, definition)
        work = self._work(seen, self.asked.fill)
        cursor = {
            "artifact": self.artifact.id,
            "table": str(seen.relation.name),
            "fill": self.asked.fill,
            "names": [[*name, new] for name, new in names.items()],
            "missing": seen.report.rows_without_value,
            "orphaned": seen.report.orphaned_rows,
            "done": [],
            "key": [column.name for column in found.key.columns],
            "types": [column.type for column in found.key.columns],
            **Position().as_json(),
        }
        journal = self._journal
        keep_vacuum_out(connection, seen.relation.name)
        # From here on the table is locked.
        run(connection, as_one(add_column(definition, seen.relation.name)))
        left_out = begin_parts(connection, self.artifact, found.ways, relax=self.asked.relax)
        batch = journal.checkpoints.committing(journal.id, work.statement(work.undone), {})
        rehearse(connection, self.artifact, found.sending, batch, self.asked.fill)
        cursor["left_out"] = left_out
        journal.checkpoints.begin(
            Checkpoint(journal.id, None, OPERATION, CheckpointStatus.RUNNING, cursor)
        )
        return found

    def _goes_on(self, seen: Prospect, begun: HalfMade) -> bool:
        """Whether what an earlier run has made is taken up; says so where it is not."""
        source, done = self.artifact.source, f"{begun.checkpoint.rows_done:,} rows were back"
        if not self._has_column(seen):
            log.warning("%s begins anew (%s): its column is gone.", source, done)
            return False
        if (before := begun.checkpoint.cursor["fill"]) != self.asked.fill:
            given = "without --fill" if before is None else f"with --fill {before}"
            log.warning("%s begins anew (%s): it was begun %s.", source, done, given)
            return False
        return True

    def _has_column(self, seen: Prospect) -> bool:
        present = {column.name for column in columns(self._connection, seen.relation)}
        return str(seen.definition.working_name) in present

    def _go_on(self, seen: Prospect, found: Checkpoint) -> Terms:
        log.info("%s goes on: %s rows are back.", self.artifact.source, f"{found.rows_done:,}")
        self._journal.find()
        names = {Name(*name): new for *name, new in found.cursor["names"]}
        self._definition = under_names(seen.definition, seen.place, names)
        return terms(self._connection, seen, self._definition)

    def _work(self, seen: Prospect, fill: str | None) -> ReturningValues:
        return ReturningValues(
            seen.relation.name,
            self.artifact.parked_name,
            self._definition,
            Filler.of(self._definition, fill),
        )

    # -- the end -------------------------------------------------------------------------

    def _reported(self, seen: Prospect, terms: Terms, warnings: list[str]) -> RestoreReport:
        """Return the report. What it counts is counted before the table is locked."""
        cursor, definition = self._journal.cursor, self._definition
        outcome = Outcome(list(self._journal.left_out))
        keys = [
            Step((), way.relation, way.part)
            for way in terms.ways
            if isinstance(way.part, ForeignKey)
        ]
        working = Place(seen.relation.name, str(definition.working_name))
        missing = cursor["missing"]
        fill = self.asked.fill if self.asked.fill is not None else definition.constant_default
        place = replace(seen.place, fill=fill if missing else None)
        restored_as = f"{seen.relation.name.display}.{display_name(seen.place.name)}"
        report = replace(
            seen.report,
            restored_as=restored_as.removeprefix("public."),
            rows_without_value=missing,
            orphaned_rows=cursor["orphaned"],
            statements=tuple(
                statements_of(definition, place, terms, self._work(seen, cursor["fill"]))
            ),
            left_out=tuple(self._journal.left_out),
            not_valid=invalid_foreign_keys(self._connection, keys, working, definition, outcome),
            renamed=_pairs({Name(*name): new for *name, new in cursor["names"]}),
        )
        said = (*seen.report.warnings, *warnings, *notes(report, definition, place))
        return replace(report, warnings=said)

    def _end(self, report: RestoreReport) -> RestoreReport:
        connection, seen, journal = self._connection, self._seen, self._journal
        self.store.lock(self.artifact.id)
        journal.find()
        keep_vacuum_out(connection, seen.relation.name)
        self._standing.require_anew()
        try:
            refuse_taken_column(connection, self.artifact, seen.relation, seen.place.name)
        except NameTakenError as taken:
            raise self._broken.by_taken_name(taken, str(self.artifact.source_column)) from taken
        number = get_column(connection, seen.relation, str(self._definition.working_name)).number
        mark_restored(self.store, report, number)
        run(connection, journal.checkpoints.forgetting(journal.id))
        run(connection, as_one(rename_column(self._definition, seen.place).statements))
        return report


def _pairs(names: dict[Name, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({(name.name, new) for name, new in names.items()}))
