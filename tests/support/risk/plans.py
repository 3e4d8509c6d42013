"""Plans: each step judged with what the ones before it tell."""

from __future__ import annotations

from collections.abc import Iterable

from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.plan_facts import PlanFacts
from alembic_zanith.risk.reading import changes_of
from alembic_zanith.risk.statements import changes_in

from .case import Step


def plan(*steps: Step | tuple[str, str]) -> list[Assessment]:
    """Judge steps in their order; a pair is a revision and a statement of it."""
    facts = PlanFacts()
    found = []
    for each in steps:
        revision, step = each if isinstance(each, tuple) else ("1a2b", each)
        found.append(facts.refine(Assessment.of("operation", _changes(step)), revision))
    return found


def _changes(step: Step) -> tuple[Change, ...]:
    if isinstance(step, str):
        return changes_in(step)
    return (step,) if isinstance(step, Change) else changes_of(step)


def verdicts(assessments: Iterable[Assessment]) -> list[str]:
    """Return kind and level of each, in one word pair: `drop_table safe`."""
    return [f"{each.kind} {each.level.word}" for each in assessments]


def last_verdict(*steps: Step | tuple[str, str]) -> str:
    """Return kind and level of the last step of a plan."""
    return verdicts(plan(*steps))[-1]
