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
from alembic_zanith.catalog.relation import columns, get_column, tree
from alembic_zanith.errors import OtherDefinitionError
from alembic_zanith.failures import database_errors_explained
from alembic_zanith.identifiers import display_name
from alembic_zanith.movement.checkpoints import Checkpoint, CheckpointStatus
from alembic_zanith.movement.progress import shown
from alembic_zanith.movement.walk import BatchError, Pace, Position, Walk
from alembic_zanith.recovery.half_made import OPERATION, half_made
from alembic_zanith.recovery.looking import Asked, Prospect, look, notes, table_of
from alembic_zanith.recovery.names import Name, free_names, under_names
from alembic_zanith.recovery.plan import Place, Step, rename_column
from alembic_zanith.recovery.replaced import replaced_parents
from alembic_zanith.recovery.report import RestoreReport
from alembic_zanith.recovery.restore import mark_restored
from alembic_zanith.recovery.run_steps import Outcome, invalid_foreign_keys
from alembic_zanith.recovery.taken import refuse_taken_column
from alembic_zanith.recovery.verify_parked import verify
from alembic_zanith.sql import rows, run, run_all, unheard

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
from .journal import Journal
from .parts import Parts
from .returning import Filler, ReturningValues
from .sessions import as_one, keep_vacuum_out, pinned_transaction
from .showing import statements_of

log = logging.getLogger("alembic.zanith")

T = TypeVar("T")

_ESTIMATE = """
SELECT CAST(sum(c.reltuples) AS bigint) AS rows FROM pg_catalog.pg_class c
 WHERE c.relkind = 'r' AND c.reltuples >= 0 AND c.oid = ANY (CAST(:oids AS oid[]))
"""

_OF_A_WALK = ("at", "walk", "read")


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
            parts = Parts(self._journal, terms.ways, self.asked.relax)
            self._fill(terms)
            parts.guard()
            # What was written before all of the constraints held.
            self._fill(terms)
            parts.finish()
            report = self._transaction("A look", lambda: self._reported(seen, terms, warnings))
            return self._transaction("The end", lambda: self._end(report))
        except DBAPIError as error:
            raise self._broken.by(error) from error

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
        seen = look(self.store, self.artifact, relation, self.asked)
        warnings = verify(connection, self.artifact, force=self.asked.force)
        warnings += replaced_parents(connection, self.artifact, seen.definition)
        if half_made(self.store, self.artifact) is None:
            refuse_nulls(seen, self.asked)
            terms(connection, seen, seen.definition)
        return seen, warnings

    def _foreseen(self) -> RestoreReport:
        seen, warnings = self._look()
        names = free_names(self._connection, seen.definition, seen.place, self.artifact.id)
        definition = under_names(seen.definition, seen.place, names)
        found = terms(self._connection, seen, definition)
        self._definition = definition
        work = self._work(seen, self.asked.fill)
        how = (
            f"The UPDATE is sent in batches of {self.pace.batch_size:,} rows by "
            f"{', '.join(found.key.names)}; each step is committed by itself."
        )
        begun = half_made(self.store, self.artifact)
        if begun is not None:
            how = f"It has begun: {begun.checkpoint.rows_done:,} rows are back. {how}"
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
            present = {column.name for column in columns(connection, seen.relation)}
            if str(seen.definition.working_name) in present:
                return self._go_on(seen, begun.checkpoint)
            log.warning("%s begins anew: its column is gone.", self.artifact.source)
            run(connection, self._journal.checkpoints.forgetting(self._journal.id))
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

    def _go_on(self, seen: Prospect, found: Checkpoint) -> Terms:
        if found.cursor["fill"] != self.asked.fill:
            before = found.cursor["fill"]
            given = "without --fill" if before is None else f"with --fill {before}"
            raise OtherDefinitionError(
                f"{self.artifact.source} was begun to be brought back {given}, and "
                f"{found.rows_done:,} rows are back. Nothing has changed. Go on like that, or "
                "leave out --online, which takes away what is made and brings it back as asked for."
            )
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

    # -- the values ----------------------------------------------------------------------

    def _fill(self, terms: Terms) -> None:
        journal, relation = self._journal, self._seen.relation
        checkpoint = journal.find()
        about = {
            **{name: value for name, value in journal.cursor.items() if name not in _OF_A_WALK},
            "key": [column.name for column in terms.key.columns],
            "types": [column.type for column in terms.key.columns],
        }
        if any(checkpoint.cursor.get(name) != about[name] for name in ("key", "types")):
            checkpoint = replace(checkpoint, cursor={**checkpoint.cursor, **Position().as_json()})
        with unheard():
            oids = [member.oid for member in tree(self._connection, relation)]
            estimate = rows(self._connection, _ESTIMATE, oids=oids)[0].rows
        queue_on = tuple(oids) if self.yield_to_locks else ()
        pace = replace(self.pace, throttle=replace(self.pace.throttle, queue_on=queue_on))
        walk = Walk(
            self._connection,
            relation.name,
            terms.key,
            self._work(self._seen, journal.cursor["fill"]),
            journal.checkpoints,
            checkpoint,
            about,
            pace,
            terms.sending,
        )
        read = Position.of(checkpoint.cursor).read
        with shown(f"restore of {self.artifact.source}", estimate, read) as progress:
            try:
                walk.run(progress)
            except BatchError as stopped:
                raise self._broken.at(stopped, walk) from stopped.error
        journal.find()

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
        refuse_taken_column(connection, self.artifact, seen.relation, seen.place.name)
        number = get_column(connection, seen.relation, str(self._definition.working_name)).number
        mark_restored(self.store, report, number)
        run(connection, journal.checkpoints.forgetting(journal.id))
        run(connection, as_one(rename_column(self._definition, seen.place).statements))
        return report


def _pairs(names: dict[Name, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({(name.name, new) for name, new in names.items()}))
