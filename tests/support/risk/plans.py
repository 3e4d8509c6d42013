"""Plans of SQL: each statement judged with what the ones before it tell."""

from __future__ import annotations

from collections.abc import Iterable

from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.plan_facts import PlanFacts
from alembic_zanith.risk.statements import changes_in


def plan(*statements: str | tuple[str, str]) -> list[Assessment]:
    """Judge statements in their order; a pair is a revision and a statement of it."""
    facts = PlanFacts()
    found = []
    for each in statements:
        revision, sql = ("1a2b", each) if isinstance(each, str) else each
        found.append(facts.refine(Assessment.of("op.execute", changes_in(sql)), revision))
    return found


def verdicts(assessments: Iterable[Assessment]) -> list[str]:
    """Return kind and level of each, in one word pair: `drop_table safe`."""
    return [f"{each.kind} {each.level.word}" for each in assessments]


def last_verdict(*statements: str | tuple[str, str]) -> str:
    """Return kind and level of the last statement of a plan."""
    return verdicts(plan(*statements))[-1]
