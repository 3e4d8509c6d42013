"""Records the revisions of one command while they run.

What succeeds is written in its own transaction, just before that is committed: history says what
has happened, no more and no less. What fails is written over a connection of its own, because its
transaction takes everything back.
"""

from __future__ import annotations

import logging
import uuid
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from alembic_zanith.config import Settings, workspace
from alembic_zanith.errors import ZanithError
from alembic_zanith.failures import reason_of
from alembic_zanith.locking.connections import connection_beside, driver_errors
from alembic_zanith.outcomes import RunOutcome
from alembic_zanith.sql import is_autocommit, run, scalar
from alembic_zanith.steps import Step

from .records import Circumstances, RunRecord, is_refusal
from .snapshots import Snapshots
from .writing import is_complete, waiting_at_most, write_rows, write_snapshots

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import Script
    from sqlalchemy.engine import ExceptionContext

    from alembic_zanith.gates.model import GateReport
    from alembic_zanith.plan.model import Plan, PlannedRevision

log = logging.getLogger("alembic.zanith")

# Longer than any of its statements takes, unless somebody is in the way.
_PATIENCE = "2s"


class Recorder:
    """Records what one command does in one database.

    `revisions` is how many it is about to run. Nothing that goes wrong in here ends a migration:
    a warning says what is not recorded.
    """

    def __init__(self, context: MigrationContext, settings: Settings, revisions: int) -> None:
        assert context.connection is not None
        self._context = context
        self._connection: Connection = context.connection
        self._settings = settings
        self._circumstances = Circumstances.of(str(uuid.uuid4()), settings, context.config)
        self._snapshots = Snapshots(context, settings, revisions)
        self._current: RunRecord | None = None
        self._finished = list[RunRecord]()
        # In the transaction that is open, or being committed.
        self._written = list[RunRecord]()
        self._is_committing = False
        self._schema: str | None = None
        self._is_complete = False
        self._has_given_up = False

    def open(self) -> None:
        """Begin to listen to the connection, for as long as it is there: the run may be committed
        by env.py after its end.
        """
        event.listen(self._connection, "begin", self._begun)
        event.listen(self._connection, "commit", self._before_commit)
        event.listen(self._connection, "rollback", self._before_rollback)
        # An engine lives longer. Errors are told by it alone.
        engine, me = self._connection.engine, weakref.ref(self)

        def after_error(context: ExceptionContext) -> None:
            recorder = me()
            if recorder is not None:
                recorder._after_error(context)

        event.listen(engine, "handle_error", after_error)
        weakref.finalize(self, _stop_listening, weakref.ref(engine), after_error)

    # -- what happens --------------------------------------------------------------------

    def begin(
        self, script: Script, is_downgrade: bool, planned: PlannedRevision | None = None
    ) -> None:
        """Note that a revision begins, in the transaction that it runs in."""
        self._current = RunRecord(
            self._circumstances,
            script.revision,
            (script.doc or "").partition("\n")[0],
            is_downgrade,
            planned=planned,
        )
        if self._has_given_up:
            return
        try:
            # Not later: a failed transaction answers nothing.
            self._schema = self._schema or self._bookkeeping_schema()
        except self._errors as error:
            self._give_up(error)
            return
        self._current.snapshot_before = self._snapshots.before(self._schema)

    def began(self, step: Step) -> None:
        """Hear that a step has begun."""

    def sending(self, step: Step, statement: str) -> None:
        """Note what a statement means for the steps before it."""
        if self._current is not None:
            self._current.sending(statement)

    def ended(self, step: Step) -> None:
        """Note a step."""
        if self._current is not None:
            self._current.steps.append(step)
            if step.error is None and is_autocommit(self._connection):
                step.is_committed = True

    def restart(self) -> None:
        """Forget the steps of a revision that is tried again."""
        if self._current is not None:
            self._current.restart()

    def end(self) -> None:
        """Note that the revision has come to its end."""
        assert self._current is not None
        self._current.end()
        if not self._has_given_up:
            self._current.snapshot_after = self._snapshots.after()
        self._finished.append(self._current)
        self._current = None
        if is_autocommit(self._connection):
            self.flush()

    def flush(self) -> None:
        """Write what has come to its end, in the transaction that is open."""
        if not self._finished or self._has_given_up:
            return
        finished, self._finished = self._finished, []
        try:
            with ExitStack() as stack:
                if not self._settings.lock_timeout:
                    stack.enter_context(waiting_at_most(self._connection, _PATIENCE))
                self._write(self._connection, finished)
        except self._errors as error:
            self._give_up(error)
        if not is_autocommit(self._connection):
            self._written += finished

    def _give_up(self, error: Exception) -> None:
        self._has_given_up = True
        log.warning("This run of migrations is not recorded: %s.", reason_of(error))

    def failed(self, error: BaseException) -> None:
        """Record that the run has failed, over a connection of its own."""
        records = [*self._finished]
        self._finished.clear()
        if self._current is not None:
            self._current.end()
            records.append(self._current)
            self._current = None
        self._record_failure(records, error)

    def refused(self, plan: Plan, report: GateReport, scripts: dict[str, Script]) -> None:
        """Record what was refused before anything ran, where there are tables to record it in.

        To make these would be a change, and a refusal changes nothing.
        """
        error = ZanithError("; ".join(dict.fromkeys(each.why for each in report.refusals)))
        operations = tuple(each.operation for each in report.refusals if each.operation)
        by_revision = {each.revision.revision for each in report.refusals if each.revision}
        whole_run = not by_revision
        records = [
            RunRecord(
                self._circumstances,
                each.revision,
                (scripts[each.revision].doc or "").partition("\n")[0],
                plan.is_downgrade,
                outcome=RunOutcome.REFUSED,
                error=error,
                planned=each,
                refused=operations,
            )
            for each in plan.revisions
            if whole_run or each.revision in by_revision
        ]
        if self._can_be_recorded():
            self._beside(records)

    # -- commits -------------------------------------------------------------------------

    def _begun(self, connection: Connection) -> None:
        self._is_committing = False
        self._written.clear()

    def _before_commit(self, connection: Connection) -> None:
        self.flush()
        if self._current is not None:
            self._current.committed()
        self._is_committing = True

    def _before_rollback(self, connection: Connection) -> None:
        if self._current is not None:
            self._current.rolled_back()
        if self._written:
            log.warning(
                "What revision %s did is rolled back with the transaction that it ran in, which "
                "nobody has committed: neither the database nor its history has it.",
                ", ".join(each.revision for each in self._written),
            )
            self._written.clear()

    def _after_error(self, context: ExceptionContext) -> None:
        """Record a COMMIT that failed, as of a deferred constraint; it has no statement."""
        is_ours = context.connection is self._connection and context.statement is None
        if is_ours and self._is_committing and self._written:
            written, self._written = self._written, []
            error = context.sqlalchemy_exception or context.original_exception
            self._record_failure(written, error)

    # -- writing -------------------------------------------------------------------------

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        return (
            ZanithError,
            SQLAlchemyError,
            OSError,
            UnicodeError,
            driver_errors(self._connection),
        )

    def _record_failure(self, records: list[RunRecord], error: BaseException) -> None:
        if not records:
            return
        for record in records:
            record.outcome = RunOutcome.ROLLED_BACK
        last = records[-1]
        last.outcome = RunOutcome.REFUSED if is_refusal(error) else RunOutcome.FAILED
        last.error = error
        self._beside(records)

    def _beside(self, records: list[RunRecord]) -> None:
        """Write over a connection of its own; the error that is on its way is not to be lost."""
        try:
            with connection_beside(self._connection) as second, second.begin():
                # What the failed transaction still holds must not be waited for.
                run(second, f"SET LOCAL lock_timeout = '{_PATIENCE}'")
                self._is_complete = False
                self._write(second, records)
        except Exception as error:
            log.warning("What failed is not recorded: %s.", reason_of(error))

    def _write(self, connection: Connection, records: list[RunRecord]) -> None:
        schema = self._schema or self._bookkeeping_schema()
        if not self._is_complete:
            _complete(connection, schema)
            self._is_complete = True
        wanted = {each.snapshot_before for each in records}
        wanted |= {each.snapshot_after for each in records}
        snapshots = self._snapshots.contents(wanted)
        if snapshots:
            write_snapshots(connection, schema, snapshots)
        write_rows(connection, schema, [each.row() for each in records])

    def _bookkeeping_schema(self) -> str:
        found = workspace(self._settings, self._context).bookkeeping_schema
        if found is None:
            found = scalar(self._connection, "SELECT pg_catalog.current_schema()")
        if found is None:
            raise ZanithError("no schema on the search_path of this connection exists")
        return str(found)

    def _can_be_recorded(self) -> bool:
        connection = self._connection
        began = not connection.in_transaction()
        try:
            self._schema = self._bookkeeping_schema()
            return is_complete(connection, self._schema)
        except self._errors:
            return False
        finally:
            if began:
                connection.rollback()


def _stop_listening(engine: weakref.ref[Engine], listener: Callable[..., None]) -> None:
    there = engine()
    if there is not None:
        event.remove(there, "handle_error", listener)


def _complete(connection: Connection, schema: str) -> None:
    """Make the tables, or what they lack."""
    if is_complete(connection, schema):
        return
    # Here, because it takes SQLAlchemy's ORM along, which later runs have no use for.
    from alembic_zanith.bookkeeping import complete_tables
    from alembic_zanith.integrity import pinned_settings

    def complete() -> None:
        with pinned_settings(connection):
            complete_tables(connection, schema)

    in_savepoint(connection, complete)


def in_savepoint(connection: Connection, work: Callable[[], Any]) -> Any:
    """Do work whose failure is not to be that of the transaction."""
    if is_autocommit(connection):
        return work()
    with connection.begin_nested():
        return work()
