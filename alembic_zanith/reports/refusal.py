"""What a refusal says."""

from __future__ import annotations

from alembic_zanith.gates.model import GateReport
from alembic_zanith.plan.model import Plan


def refusal_text(plan: Plan, report: GateReport, *, while_running: bool = False) -> str:
    """Return the text of the error that a refused run ends with."""
    lines = ["Refused, nothing has run:" if not while_running else "Refused while running:"]
    for n, r in enumerate(report.refusals, 1):
        o = r.operation
        lines.append(f"{n}. {o.assessment.kind if o else ''} {r.why} {r.instead} {o}")
    return "\n".join(lines)
