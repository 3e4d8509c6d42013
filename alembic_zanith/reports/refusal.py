"""What a refusal says: what, where, why, and the safe way."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import groupby

from alembic_zanith.gates.model import GateReport, Refusal
from alembic_zanith.plan.model import Plan, PlannedOperation, PlannedRevision
from alembic_zanith.risk.assessment import Finding
from alembic_zanith.risk.changes.raw import RawSql


def refusal_text(plan: Plan, report: GateReport, *, while_running: bool = False) -> str:
    """Return the text of the error that a refused run ends with.

    `while_running` is for what turned out only when it was about to be executed.
    """
    return "\n".join([_headline(plan, report, while_running), *_entries(report)])


def _headline(plan: Plan, report: GateReport, while_running: bool) -> str:
    if while_running:
        return (
            f"Refused at the moment of execution: a statement does not pass the gates of mode "
            f"{report.mode}. It has not been sent, and the {plan.direction} stops here; what its "
            "transaction has done is rolled back."
        )
    refused = len({id(each.operation) for each in report.refusals if each.operation})
    count = len(plan.operations)
    what = f"{refused} of {count} operations do not" if refused != 1 else _one(count)
    if not refused:
        what = f"the {plan.direction} does not"
    return f"Refused, nothing has run: {what} pass the gates of mode {report.mode}."


def _one(count: int) -> str:
    return f"1 of {count} operations does not" if count > 1 else "the only operation does not"


def _entries(report: GateReport) -> Iterator[str]:
    grouped = groupby(report.refusals, key=lambda each: id(each.operation or each))
    for number, (_, refusals) in enumerate(grouped, start=1):
        lines = _entry(list(refusals))
        yield ""
        yield f"{number}. {lines[0]}"
        yield from (f"   {line}" for line in lines[1:])


def _entry(refusals: list[Refusal]) -> list[str]:
    first = refusals[0]
    gates = [f"gate {each.gate.value}: {each.why}." for each in refusals]
    ways = [each.instead for each in refusals if each.instead]
    if first.operation is None:
        return [gates[0], *gates[1:], *ways]
    lines = [operation_line(first.operation)]
    if first.revision is not None:
        lines.append(f"where: {place(first.revision, first.operation)}")
    lines.append(f"why: {'; '.join(dict.fromkeys(consequences(first.operation)))}")
    lines += gates
    lines += [f"instead: {way}" for way in safe_ways(first.operation)]
    return lines + [f"or: {way}" for way in dict.fromkeys(ways)]


def operation_line(operation: PlannedOperation) -> str:
    """Return an operation in one line: kind, object, level, score and reasons."""
    found = operation.assessment
    subject = f" {found.worst.change.subject}" if found.worst else ""
    reasons = ", ".join(str(reason) for reason in found.reasons)
    level = f"{found.level.word} ({found.score})"
    return (
        f"{found.kind}{subject}, by {found.operation}: {level}{f', {reasons}' if reasons else ''}"
    )


def place(revision: PlannedRevision, operation: PlannedOperation) -> str:
    """Return where an operation is called, as `revision 1a2b (why), path:line`."""
    what = f" ({revision.description})" if revision.description else ""
    line = "" if operation.line is None else f":{operation.line}"
    return f"revision {revision.revision}{what}, {shown_path(revision.path)}{line}"


def shown_path(path: str) -> str:
    """Return a path from the current folder, if it is in there."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def consequences(operation: PlannedOperation) -> Iterator[str]:
    """Yield what follows from the worst changes, and the facts about them."""
    for finding in _worst(operation):
        yield from (reason.meaning for reason in finding.judgement.reasons)
        yield from finding.facts
        if isinstance(finding.change, RawSql):
            yield finding.change.why


def safe_ways(operation: PlannedOperation) -> Iterable[str]:
    """Return what to write in place of the worst changes, each once."""
    ways = (finding.judgement.instead for finding in _worst(operation))
    return dict.fromkeys(way for way in ways if way)


def _worst(operation: PlannedOperation) -> list[Finding]:
    level = operation.assessment.level
    return [each for each in operation.assessment.findings if each.judgement.level is level]
