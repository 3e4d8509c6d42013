"""The second layer: each operation and each statement is checked again when it is run.

A script that reads the database, builds SQL in Python or uses an ORM session is known only then.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from alembic.operations.base import Operations
from alembic.operations.ops import ExecuteSQLOp

from alembic_zanith import hooks
from alembic_zanith.audit.recorder import Recorder
from alembic_zanith.config import Settings
from alembic_zanith.errors import RefusedError
from alembic_zanith.plan.live import table_facts, tables_of
from alembic_zanith.plan.model import Plan, PlannedRevision
from alembic_zanith.plan.record import Translate
from alembic_zanith.plan.scripts import (
    changes_in_schemas,
    is_ours,
    operation_name,
    schemas_of,
    source_of,
)
from alembic_zanith.plan.suppressions import read_suppressions
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Change, Lock
from alembic_zanith.risk.changes.raw import Harmless, RawSql
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reading import changes_of, is_registered
from alembic_zanith.steps import Steps, StepsListener
from alembic_zanith.steps.statements import adds_only, changes_of_statement

from .guards import Guards
from .judging import Judge, Running
from .memory import Expectation, Memory
from .preflight import Preflight, may_be_probed
from .protect import is_plain_drop, parking

if TYPE_CHECKING:
    from alembic.operations import MigrateOperation
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from sqlalchemy import Connection

# What a statement becomes that has been parked instead.
_NOTHING = "SELECT 1 WHERE false"


class Watch:
    """Watches one run of migrations."""

    def __init__(
        self,
        context: MigrationContext,
        settings: Settings,
        translate: Translate | None,
        plan: Plan | None,
        guards: Guards,
        preflight: Preflight | None,
        default_schema: str | None,
        recorder: Recorder | None,
        listeners: Sequence[StepsListener] = (),
    ) -> None:
        self._recorder = recorder
        listeners = listeners if recorder is None else (*listeners, recorder)
        self._steps = Steps(context, listeners, self)
        self._guards = guards
        self._preflight = preflight
        # What works on nothing but what this run has made waits for nobody.
        self._alone = set[str]()
        if plan is not None and not context._transaction_per_migration:
            self._alone.update(each.revision for each in plan.revisions if _is_alone(each))
        self._context = context
        self._settings = settings
        self._translate = translate
        self._judges = Judge(context, settings, plan, preflight, self._asking)
        self._memory = Memory(default_schema)
        self._schemas = schemas_of(context)
        self._plan = {} if plan is None else {each.revision: each for each in plan.revisions}
        self._expectation = Expectation(())
        self._running: Running | None = None
        # The level of each operation that is being invoked; None while this package's own SQL is.
        self._inside: list[Level | None] = []
        # What operations of batches are going to do when their block ends.
        self._expected = Counter[Change]()
        self._sent = 0
        self._was_elsewhere = self._has_committed = False
        self._refused: RefusedError | None = None

    def around(self, step: RevisionStep) -> Callable[..., None]:
        """Return the function of a step, watched while it runs."""
        call = step.migration_fn

        @functools.wraps(call)
        def watched(**arguments: Any) -> None:
            script = step.revision
            suppressions = read_suppressions(source_of(script))
            self._running = Running(script, suppressions, not step.is_upgrade)
            self._expected.clear()
            self._was_elsewhere = self._has_committed = False
            self._expect()
            past = self._memory.mark()
            work = functools.partial(call, **arguments)
            if self._recorder is not None:
                planned = self._plan.get(script.revision)
                self._recorder.begin(script, not step.is_upgrade, planned)
            with self._steps.watching():
                if self._context.connection is None or step.revision.revision in self._alone:
                    work()
                else:
                    self._guards.migrate(
                        self._context.connection,
                        work,
                        functools.partial(self._forget, past),
                        self._why_not_again,
                    )
            if self._refused is not None:
                # The script has caught it: a revision that ran in part is not to be applied.
                raise self._refused
            if self._recorder is not None:
                self._recorder.end()

        return watched

    def _expect(self) -> None:
        assert self._running is not None
        planned = self._plan.get(self._running.script.revision)
        self._expectation = Expectation(() if planned is None else planned.operations)

    def _why_not_again(self) -> str:
        """Return why what the script has done cannot be undone as a whole; nothing if it can."""
        script = None if self._running is None else self._running.script
        planned = None if script is None else self._plan.get(script.revision)
        if self._was_elsewhere or (planned is not None and planned.around):
            return "it has used another connection, or reaches the database by itself"
        return ""

    def _forget(self, past: int) -> None:
        """Go back to what was known before the script began."""
        self._memory.forget(past)
        if self._recorder is not None:
            self._recorder.restart()
        self._expected.clear()
        self._expect()

    @contextmanager
    def _within(self, level: Level | None) -> Iterator[None]:
        self._inside.append(level)
        try:
            yield
        finally:
            self._inside.pop()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Ask a question that is not the script's."""
        with self._within(None), self._steps.paused():
            yield

    # -- operations ----------------------------------------------------------------------

    def operation(self, operation: MigrateOperation, invoke: hooks.Invoke) -> Any:
        if self._inside:  # what the implementation of another operation calls
            return invoke(operation)
        if self._translate is not None:
            operation = self._translated(operation, self._translate)
        if not is_registered(operation):
            # Nothing is known of it but the statements that it sends.
            return invoke(operation)
        changes = changes_in_schemas(operation, self._schemas)
        level = max((change.judge().level for change in changes), default=Level.SAFE)
        if self._is_as_planned(changes, level):
            self._memory.note(changes, self._running.script.revision if self._running else "")
        else:
            assessment = Assessment.of(operation_name(operation), changes)
            self._judge(assessment, functools.partial(self._judges.sql_of, operation, changes))
        sent = self._sent
        try:
            with self._within(None if self._is_known(operation, changes) else level):
                return invoke(operation)
        except BaseException:
            self._lose_track()
            raise
        finally:
            if self._sent == sent:
                self._expected.update(changes)

    def _is_known(self, operation: MigrateOperation, changes: tuple[Change, ...]) -> bool:
        """Whether the operation sends nothing but what its changes were read from."""
        if isinstance(operation, ExecuteSQLOp):
            return not any(isinstance(change, RawSql) for change in changes)
        return is_ours(operation)

    def _is_as_planned(self, changes: tuple[Change, ...], level: Level) -> bool:
        """Whether the plan has said all that there is to say.

        What would lose data, were it not for what is in the database, is looked at again.
        """
        planned = self._expectation.met_by(changes)
        if planned is None or level.score > self._settings.max_risk:
            return False
        if level >= Level.DESTRUCTIVE:
            return False
        # There are more where it calls functions or sets off triggers of the plan.
        findings = planned.assessment.findings
        if len(findings) > len(changes) and any(
            each.change.judge().level >= Level.DESTRUCTIVE for each in findings
        ):
            return False
        if self._preflight is not None and may_be_probed(planned.assessment):
            return False
        self._steps.judged(planned.assessment, planned.allowed_by)
        return True

    def _translated(self, operation: MigrateOperation, translate: Translate) -> MigrateOperation:
        if self._schemas and isinstance(operation, ExecuteSQLOp):
            return operation  # SQL that is parked would be looked for in another schema
        translated = translate(operation, self._memory.facts)
        if translated is operation or self._context.as_sql:
            return translated
        # Nothing can be parked that is not there; PostgreSQL has the right message, or needs none.
        assessment = Assessment.of("", changes_in_schemas(operation, self._schemas))
        assert self._context.connection is not None
        with self._asking():
            facts = table_facts(self._context.connection, tables_of(assessment))
        return translated if all(each.exists for each in facts.values()) else operation

    # -- statements ----------------------------------------------------------------------

    def statement(self, connection: Connection, statement: str) -> str:
        """Check a statement, and return the one to run."""
        if self._inside:
            self._sent += 1
            self._check_inside(connection, statement, self._inside[-1])
            return statement
        changes = changes_of_statement(statement, connection.dialect)
        if connection is not self._context.connection:
            only_reads = all(type(change) is Harmless for change in changes)
            self._was_elsewhere = self._was_elsewhere or not only_reads
        if self._is_expected(changes):
            return statement
        if is_plain_drop(statement) and self._parked_instead(connection, changes):
            return _NOTHING
        self._judge(Assessment.of("connection.execute", changes), lambda: statement)
        return statement

    def _is_expected(self, changes: tuple[Change, ...]) -> bool:
        """Whether an operation of a batch has announced just this, which comes once."""
        wanted = Counter(changes)
        if not changes or not wanted <= self._expected:
            return False
        self._expected -= wanted
        return True

    def executed(self, statement: str, rows: int) -> None:
        """Hear that a statement is done."""

    def failed(self, error: BaseException) -> None:
        """Hear that a statement has failed, which undoes what it did."""
        self.ended(rolled_back=True)

    def ended(self, *, rolled_back: bool) -> None:
        """Hear that a transaction has ended, or that something in it was undone."""
        if self._inside and self._inside[-1] is None:
            return  # a question of this package's own
        if rolled_back:
            self._lose_track()
        else:
            self._has_committed = True
            self._memory.end_transaction()

    def _lose_track(self) -> None:
        """Go by nothing but the database from here on: not all that was let pass has been done."""
        self._memory.end_transaction(rolled_back=True)
        self._expectation = Expectation(())
        self._expected.clear()

    def _check_inside(self, connection: Connection, statement: str, allowed: Level | None) -> None:
        """Check what an operation sends: it accounts for what is not worse than itself."""
        if allowed is None or adds_only(statement):
            return
        changes = changes_of_statement(statement, connection.dialect)
        if max((change.judge().level for change in changes), default=Level.SAFE) > allowed:
            self._judge(Assessment.of("connection.execute", changes), lambda: statement)

    def statement_of_cursor(self, statement: str) -> None:
        """Check a statement that a script sends with a cursor of the driver's own."""
        if self._inside and self._inside[-1] is None:
            return
        changes = changes_of_statement(statement, self._context.dialect)
        self._judge(Assessment.of("cursor.execute", changes), lambda: statement)

    def _parked_instead(self, connection: Connection, changes: tuple[Change, ...]) -> bool:
        if self._translate is None or connection is not self._context.connection or self._schemas:
            return False
        operation = parking(changes, self._memory.facts, self._settings.retention_days)
        if operation is None:
            return False
        with self._asking():
            tables = tables_of(Assessment.of("", changes))
            facts = table_facts(connection, tables)
        if not all(each.exists for each in facts.values()):
            return False
        self._steps.judged(Assessment.of(operation_name(operation), changes_of(operation)))
        with self._within(None):
            Operations(self._context).invoke(operation)
        return True

    def _judge(self, assessment: Assessment, sql: Callable[[], str]) -> None:
        """Refuse what a gate does not let pass, as the database is now."""
        assert self._running is not None
        assessment = self._memory.refined(assessment, self._running.script.revision)
        operation, report = self._judges.judged(self._running, assessment, sql)
        self._steps.judged(operation.assessment, operation.allowed_by)
        if not report.passed:
            from alembic_zanith.reports.refusal import refusal_text

            running = self._running
            plan = Plan((running.revision_with(operation),), running.is_downgrade)
            self._refused = RefusedError(
                refusal_text(plan, report, while_running=True, has_committed=self._has_committed)
            )
            raise self._refused


def _is_alone(revision: PlannedRevision) -> bool:
    """Whether none of its operations needs a lock that somebody else may have."""
    return not revision.is_partial and all(
        finding.judgement.lock is Lock.NONE
        for operation in revision.operations
        for finding in operation.assessment.findings
    )
