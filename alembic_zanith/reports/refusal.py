"""The text of the error that a refused upgrade or downgrade ends with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import plan_words as say
from .words import printable

if TYPE_CHECKING:
    from alembic_zanith.gates.model import GateReport
    from alembic_zanith.plan.model import Plan, PlannedOperation

_INDENT = "   "


def refusal_text(
    plan: Plan,
    report: GateReport,
    *,
    while_running: bool = False,
    has_committed: bool = False,
    root: str = "",
) -> str:
    """Return what is refused, where, why, by which gate, and what to do instead.

    `while_running` is for what turned out only when it was about to be executed, and
    `has_committed` for a migration that has committed a part of itself by then. Paths are from
    `root` on, by default the current folder. On a terminal Alembic wraps all of it as one
    paragraph, in which the indents are what is left of the lines.
    """
    headline = _late(plan, report, has_committed) if while_running else _headline(plan, report)
    return "\n".join([headline, *refusal_lines(report, root)])


def _late(plan: Plan, report: GateReport, has_committed: bool) -> str:
    kept = (
        " What the migration committed before that stays, and its revision is not recorded."
        if has_committed
        else ""
    )
    return (
        f"Refused at the moment of execution: a statement does not pass the gates of mode "
        f"{report.mode}. It has not been sent, and the {plan.direction} stops here; what its "
        f"transaction has done is rolled back.{kept}"
    )


def _headline(plan: Plan, report: GateReport) -> str:
    refused = sum(entry.operation is not None for entry in say.entries(report))
    count = len(plan.operations)
    what = f"{refused} of {count} operations do not" if refused != 1 else _one(count)
    if not refused:
        what = f"the {plan.direction} does not"
    return f"Refused, nothing has run: {what} pass the gates of mode {report.mode}."


def _one(count: int) -> str:
    return f"1 of {count} operations does not" if count > 1 else "the only operation does not"


def refusal_lines(report: GateReport, root: str = "") -> Iterator[str]:
    """Yield what is refused, numbered, with an empty line in front of each."""
    for number, entry in enumerate(say.entries(report), start=1):
        first, *rest = _entry(entry, root)
        yield ""
        yield f"{number}. {first}"
        yield from (_INDENT + line for line in rest)


def _entry(entry: say.Entry, root: str) -> Iterator[str]:
    if entry.operation is not None:
        yield operation_line(entry.operation)
    if entry.revision is not None:
        place = say.place(entry.revision, entry.operation, root)
        yield f"where: revision {say.name(entry.revision)}, {place}"
    if entry.operation is not None and (why := say.consequences(entry.operation)):
        yield f"why: {'; '.join(why)}"
    for because in entry.because:
        yield from say.indented(because, _INDENT)
    for way in entry.instead:
        yield from say.indented(way, _INDENT)


def operation_line(operation: PlannedOperation) -> str:
    """Return an operation in one line: kind, object, level, score and reasons."""
    reasons = say.reasons(operation)
    return (
        f"{say.title(operation)}, by {printable(operation.assessment.operation)}: "
        f"{say.risk(operation)}{f', {reasons}' if reasons else ''}"
    )
