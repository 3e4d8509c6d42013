"""Plans made by hand, for reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from alembic_zanith.gates.model import Gate, GateReport, Refusal
from alembic_zanith.plan.model import (
    Plan,
    PlannedOperation,
    PlannedRevision,
    PossibleCall,
    Suppression,
)
from alembic_zanith.reports.plan_report import PlanReport
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.statements import changes_in

ROOT = str(Path.cwd() / "shop")


def planned(
    sql: str, line: int | None = None, *, call: str = "op.call", fact: str = "", **options: Any
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


# -- a plan with everything in it --------------------------------------------------------

CONSENT = "To lose the data on purpose, run it with --allow-destructive."

FIRST = revision(
    "1a2b",
    planned("CREATE TABLE notes (id int)", 20),
    planned(
        "ALTER TABLE users DROP email", 22, fact="users has about 50,000 rows, 7 MB", rows=50_000
    ),
    planned(
        "DROP INDEX users_name",
        25,
        allowed_by=(Suppression("drops_index", "nobody reads by name", 24),),
    ),
    complaints=("Line 30 allows drops_table without saying why.",),
)
SECOND = revision(
    "3c4d",
    planned("ALTER TABLE users ADD UNIQUE (name)", 9, rows=50_000),
    ended="it reads the rows of: SELECT id FROM users",
    possible=(PossibleCall(12, "op.drop_table(row.name)"),),
)
EVERYTHING = PlanReport(
    plan_of(FIRST, SECOND, facts={"database": "shop", "server": "18.1"}),
    told(
        refused(Gate.DESTRUCTIVE, "what loses data needs consent", CONSENT, FIRST, 1),
        refused(Gate.SHADOW, "there is no receipt", "To run without one, skip it."),
        probes=("users.name: 2 rows share a value, for example 'Ann'.",),
        warnings=(
            "Revision 1a2b: Line 30 allows drops_table without saying why.",
            "Revision 1a2b, line 25 allows drops_index (nobody reads by name).",
            "Revision 3c4d is known in part, because it reads rows.",
            "A probe took too long.",
        ),
    ),
)
NOTHING = PlanReport(plan_of(facts={"database": "shop", "server": "18.1"}), told())
PASSING = PlanReport(plan_of(revision("5e6f", planned("CREATE TABLE t (id int)", 4))), told())
SILENT = PlanReport(plan_of(revision("7a8b")), told(mode="dev"))

ROWS = """users has no duplicates in email: no, 1 group of rows.
email = a|b `c`, rows = 100
All of them: SELECT "email" FROM "users" """
DUPLICATES = PlanReport(
    plan_of(SECOND), told(refused(Gate.PREFLIGHT, ROWS, "Mend the rows first.", SECOND, 0))
)
