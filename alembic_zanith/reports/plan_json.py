"""Plans for programs. Keys are public; new ones may be added, none changes its meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import plan_words as say
from .as_json import dumps
from .plan_report import Layout, PlanReport, plan_format

if TYPE_CHECKING:
    from alembic_zanith.plan.model import PlannedOperation, PlannedRevision

VERSION = 1
"""Of the schema; it changes only if a key goes or gets another meaning."""


@plan_format("json")
def json_text(reports: Sequence[PlanReport], layout: Layout) -> str:
    """Return one object with every plan."""
    return (
        dumps(
            {
                "version": VERSION,
                "passed": all(each.gates.passed for each in reports),
                "plans": [plan_json(each, layout.root) for each in reports],
            }
        )
        + "\n"
    )


def plan_json(report: PlanReport, root: str = "") -> dict[str, Any]:
    """Return one plan and what the gates say of it."""
    plan, gates = report.plan, report.gates
    return {
        "database": report.database,
        "direction": plan.direction,
        "facts": plan.facts,
        "mode": gates.mode,
        "passed": gates.passed,
        "gates": [*dict.fromkeys(each.gate.value for each in gates.refusals)],
        "level": plan.level.word,
        "score": plan.level.score,
        "levels": say.counts(plan),
        "revisions": [_revision(each, root) for each in plan.revisions],
        "refusals": [_refusal(each) for each in say.entries(gates)],
        "probes": list(gates.probes),
        "warnings": list(gates.warnings),
    }


def _revision(revision: PlannedRevision, root: str) -> dict[str, Any]:
    return {
        "revision": revision.revision,
        "description": revision.description,
        "path": say.relative(revision.path, root),
        "level": revision.level.word,
        "score": revision.level.score,
        "partial": revision.is_partial,
        "ended": revision.ended,
        "possible_calls": [
            {"line": each.line, "source": each.source} for each in revision.possible
        ],
        "complaints": list(revision.complaints),
        "operations": [_operation(each) for each in revision.operations],
    }


def _operation(operation: PlannedOperation) -> dict[str, Any]:
    found = operation.assessment
    return {
        "operation": found.operation,
        "kind": found.kind,
        "object": found.worst.change.subject if found.worst else None,
        "level": found.level.word,
        "score": found.score,
        "reasons": [{"code": str(each), "meaning": each.meaning} for each in found.reasons],
        "facts": say.facts(operation),
        "rows": operation.rows,
        "lock": found.lock.value or None,
        "line": operation.line,
        "sql": say.sql(operation),
        "instead": say.safe_ways(operation),
        "allowed_by": [
            {"code": each.code, "why": each.why, "line": each.line} for each in operation.allowed_by
        ],
    }


def _refusal(entry: say.Entry) -> dict[str, Any]:
    """Return what is refused; `operation` is its index in the `operations` of the revision."""
    revision, operation = entry.revision, entry.operation
    index = None
    if revision is not None and operation is not None:
        places = (n for n, each in enumerate(revision.operations) if each is operation)
        index = next(places, None)
    return {
        "revision": None if revision is None else revision.revision,
        "operation": index,
        "because": [{"gate": each.gate.value, "why": each.why} for each in entry.refusals],
        "instead": [*entry.safe_ways, *entry.ways],
    }
