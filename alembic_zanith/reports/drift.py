"""What differs between production and its history, for people and programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from alembic_zanith.verification import DriftReport

from .words import printable


def drift_lines(found: DriftReport) -> Iterator[str]:
    """Yield the lines of a report; the last one is the next step."""
    name = f"{found.database}: " if found.database else ""
    where = f" on {found.where}" if found.where else ""
    yield printable(f"{name}History up to {', '.join(found.heads) or 'base'}, replayed{where}")
    for number, stage in enumerate(found.stages, 1):
        yield f"  {number}. {stage.name:<24} {stage.seconds:7.2f} s"
    if found.differences:
        yield ""
        yield "Production differs:"
        yield from (printable(f"  - {each}") for each in found.differences)
    if found.failure:
        yield ""
        yield printable(found.failure)
    yield ""
    yield f"Verdict: {found.verdict.word}"
    if found.kept:
        yield printable(f"Shadow: {found.kept}")
    yield f"Next: {found.next_step}"


def drift_json(found: Sequence[DriftReport]) -> str:
    """Return all reports of a project as one JSON document."""
    databases = [
        {
            **asdict(each),
            "verdict": each.verdict.word,
            "exit_status": each.verdict.exit_status,
            "next_step": each.next_step,
            "failure": each.failure or None,
            "kept": each.kept or None,
        }
        for each in found
    ]
    document = {"version": 1, "databases": databases}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
