"""Preflight in a run: before it where that tells the truth, else just before the operation."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from alembic_zanith.gates.model import Gate, GateReport, Refusal
from alembic_zanith.plan.model import Plan, PlannedOperation, PlannedRevision
from alembic_zanith.preflight import Found, Outcome, Probe, is_stale, probes_in, run_probe
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.levels import Level

log = logging.getLogger("alembic.zanith")

_PROBED = frozenset(
    {
        "add_check",
        "add_column",
        "add_foreign_key",
        "add_index",
        "add_primary_key",
        "add_unique",
        "alter_column_nullable",
        "alter_column_type",
        "validate_constraint",
    }
)

_WAY_ON = "Mend the rows first, in this revision or in one before it."


def may_be_probed(assessment: Assessment) -> bool:
    """Whether rows that are there may be in the way of an operation."""
    return any(
        finding.change.kind in _PROBED and finding.judgement.level is not Level.SAFE
        for finding in assessment.findings
    )


@dataclass
class Preflight:
    """The probes of one run; each is asked once."""

    timeout_ms: int | None
    _asked: set[Probe] = field(default_factory=set)

    def before_run(self, plan: Plan, report: GateReport, connection: Connection) -> GateReport:
        """Return the report with what the probes found that can be asked now."""
        refusals, lines, warnings = list[Refusal](), list[str](), list[str]()
        earlier = list[Change]()
        for revision, operation in plan.operations:
            if operation.is_behind:
                break  # the script may mend the rows before
            if may_be_probed(operation.assessment):
                for probe in probes_in(operation.sql):
                    if is_stale(probe, earlier):
                        lines.append(f"{probe.promise}: asked when it is its turn")
                        continue
                    outcome = self._ask(connection, probe)
                    lines.append(outcome.line)
                    refusals += _refusals(outcome, revision, operation)
                    warnings += _warnings(outcome)
            earlier += [finding.change for finding in operation.assessment.findings]
            if operation is revision.operations[-1] and revision.is_partial:
                break  # nobody knows what comes before the rest
        return replace(
            report,
            refusals=(*report.refusals, *refusals),
            warnings=(*report.warnings, *warnings),
            probes=tuple(lines),
        )

    def before_operation(
        self,
        connection: Connection,
        sql: str,
        revision: PlannedRevision,
        operation: PlannedOperation,
    ) -> list[Refusal]:
        """Ask what could not be asked before the run; return what is in the way."""
        refusals = list[Refusal]()
        for probe in probes_in(sql):
            if probe not in self._asked:
                outcome = self._ask(connection, probe)
                refusals += _refusals(outcome, revision, operation)
                for warning in _warnings(outcome):
                    log.warning("%s", warning)
        return refusals

    def _ask(self, connection: Connection, probe: Probe) -> Outcome:
        self._asked.add(probe)
        return run_probe(connection, probe, timeout_ms=self.timeout_ms)


def _refusals(
    outcome: Outcome, revision: PlannedRevision, operation: PlannedOperation
) -> Iterator[Refusal]:
    if outcome.found is Found.ROWS:
        yield Refusal(Gate.PREFLIGHT, outcome.message, _WAY_ON, revision, operation)


def _warnings(outcome: Outcome) -> Iterator[str]:
    if outcome.found is Found.UNFINISHED:
        yield f"Preflight: {outcome.line}"
