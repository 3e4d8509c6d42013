"""What the gates say of one operation or statement at the moment of its execution."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic_zanith.config import Settings
from alembic_zanith.gates.check import check_operation
from alembic_zanith.gates.model import GateReport, Refusal
from alembic_zanith.plan.known import Known
from alembic_zanith.plan.live import lock_table, table_facts, tables_of
from alembic_zanith.plan.model import Plan, PlannedOperation, PlannedRevision
from alembic_zanith.plan.record import written
from alembic_zanith.plan.scripts import line_in
from alembic_zanith.plan.suppressions import Suppressions
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Change, Cost
from alembic_zanith.risk.live_facts import Ceilings
from alembic_zanith.sql import is_autocommit

from .preflight import Preflight, may_be_probed

if TYPE_CHECKING:
    from alembic.operations import MigrateOperation
    from alembic.runtime.migration import MigrationContext
    from alembic.script import Script


@dataclass(frozen=True)
class Running:
    """The migration that is running."""

    script: Script
    suppressions: Suppressions
    is_downgrade: bool

    def planned(self, assessment: Assessment) -> PlannedOperation:
        """Return an assessment as an operation of a plan, at the line that is being executed."""
        line = line_in(self.script.path)
        allowed_by = self.suppressions.allowing(line, assessment)
        return PlannedOperation(assessment, "", line, allowed_by=allowed_by)

    def revision_with(self, operation: PlannedOperation) -> PlannedRevision:
        """Return the revision with nothing but an operation."""
        script = self.script
        return PlannedRevision(script.revision, script.path, script.doc or "", (operation,))


class Judge:
    """Asks the database where an operation would not pass without."""

    def __init__(
        self,
        context: MigrationContext,
        settings: Settings,
        plan: Plan | None,
        preflight: Preflight | None,
        asking: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._context = context
        self._settings = settings
        self._preflight = preflight
        # In its block the questions of this package are not those of the script.
        self._asking = asking
        self._ceilings = Ceilings(
            settings.max_rewrite_rows, settings.max_scan_rows, settings.max_lost_rows
        )
        operations = [] if plan is None else [each for _, each in plan.operations]
        self._planned = {_changes(each.assessment) for each in operations}
        self._sql = {_changes(each.assessment): each.sql for each in operations if each.sql}

    def judged(
        self, running: Running, assessment: Assessment, sql: Callable[[], str]
    ) -> tuple[PlannedOperation, GateReport]:
        """Return the operation as the database is now, and what the gates say of it."""
        operation = running.planned(assessment)
        refusals = self._refusals(running, operation)
        if refusals or self._may_pass_a_ceiling(assessment):
            operation = running.planned(self._as_the_database_is(assessment))
            refusals = self._refusals(running, operation)
        refusals = refusals or self._rows_in_the_way(running, operation, sql)
        return operation, GateReport(self._settings.mode.value, refusals)

    def sql_of(self, operation: MigrateOperation, changes: tuple[Change, ...]) -> str:
        """Return the SQL of an operation: from the plan, or as Alembic writes it now."""
        if changes not in self._sql:
            self._sql[changes] = written(operation, self._context)
        return self._sql[changes]

    def _refusals(self, running: Running, operation: PlannedOperation) -> tuple[Refusal, ...]:
        revision = running.revision_with(operation)
        return tuple(check_operation(operation, self._settings, revision))

    def _rows_in_the_way(
        self, running: Running, operation: PlannedOperation, sql: Callable[[], str]
    ) -> tuple[Refusal, ...]:
        connection = self._context.connection
        if self._preflight is None or connection is None or self._context.as_sql:
            return ()
        if not may_be_probed(operation.assessment):
            return ()
        with self._asking():
            revision = running.revision_with(operation)
            return tuple(self._preflight.before_operation(connection, sql(), revision, operation))

    def _may_pass_a_ceiling(self, assessment: Assessment) -> bool:
        """Whether its rows count, and the plan has not asked for them."""
        if self._ceilings == Ceilings() or _changes(assessment) in self._planned:
            return False
        return any(each.judgement.cost is not Cost.NOTHING for each in assessment.findings)

    def _as_the_database_is(self, assessment: Assessment) -> Assessment:
        connection = self._context.connection
        if connection is None or self._context.as_sql:
            return assessment
        with self._asking():
            facts = table_facts(connection, tables_of(assessment))
            found = Known(facts).refined(assessment, self._ceilings)
            losing = {
                each.change.on: each.judgement.lock
                for each in assessment.findings
                if each.judgement.cost is Cost.LOSES and each.change.on is not None
            }
            empty = [table for table in losing if facts[table].exists and facts[table].is_empty]
            if not empty or is_autocommit(connection):
                return found
            # Nobody may fill it between this look and the statement.
            for table in empty:
                lock_table(connection, table, losing[table])
            facts |= table_facts(connection, empty)
            return Known(facts).refined(assessment, self._ceilings)


def _changes(assessment: Assessment) -> tuple[Change, ...]:
    return tuple(each.change for each in assessment.findings)
