"""Plans made by hand, for reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from alembic_zanith.gates.model import Gate, GateReport, Refusal
from alembic_zanith.plan.model import Plan, PlannedOperation, PlannedRevision
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.statements import changes_in

ROOT = str(Path.cwd() / "shop")


def planned(
    sql: str, line: int | None = None, *, call: str = "execute", fact: str = "", **options: Any
) -> PlannedOperation:
    """One operation that does what some SQL does; `fact` refines nothing but is told."""
    assessment = Assessment.of(call, changes_in(sql))
    if fact:
        first, *rest = assessment.findings
        known = first.refined(fact, first.judgement)
        assessment = replace(assessment, findings=(known, *rest))
    return PlannedOperation(assessment, sql, line, **options)


def revision(id: str, *operations: PlannedOperation, **options: Any) -> PlannedRevision:  # noqa: A002 - it is the id
    """One script of the project in `ROOT`."""
    path = f"{ROOT}/migrations/versions/{id}_step.py"
    return PlannedRevision(id, path, f"step {id}", operations, **options)


def refused(
    gate: Gate,
    why: str,
    instead: str = "",
    of: PlannedRevision | None = None,
    number: int | None = None,
) -> Refusal:
    """What a gate refuses: an operation of a revision by its number, a revision, or all."""
    operation = of.operations[number] if of is not None and number is not None else None
    return Refusal(gate, why, instead, of, operation)


def told(*refusals: Refusal, mode: str = "staging", **options: Any) -> GateReport:
    """What the gates say."""
    return GateReport(mode, refusals, **options)


def plan_of(*revisions: PlannedRevision, **options: Any) -> Plan:
    return Plan(revisions, **options)
