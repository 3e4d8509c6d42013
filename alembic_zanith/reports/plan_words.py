"""What every report on a plan says in the same words: what it is, where, why, and the safe way."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from alembic_zanith.redaction import without_secrets
from alembic_zanith.risk.changes.raw import RawSql

from . import words
from .words import printable

if TYPE_CHECKING:
    from alembic_zanith.gates.model import GateReport, Refusal
    from alembic_zanith.plan.model import Plan, PlannedOperation, PlannedRevision
    from alembic_zanith.risk.assessment import Finding


@dataclass(frozen=True)
class Entry:
    """What is refused, once, with everything that the gates have to say of it.

    `revision` and `operation` are None where the whole run is refused.
    """

    refusals: tuple[Refusal, ...]

    @property
    def revision(self) -> PlannedRevision | None:
        return self.refusals[0].revision

    @property
    def operation(self) -> PlannedOperation | None:
        return self.refusals[0].operation

    @property
    def because(self) -> list[str]:
        """What each gate says: `gate max-risk: it scores 80.`, with further lines if it has."""
        return [f"gate {each.gate.value}: {statement(each.why)}" for each in self.refusals]

    @property
    def ways(self) -> list[str]:
        """How to pass the gates, each once."""
        return [*dict.fromkeys(each.instead for each in self.refusals if each.instead)]

    @property
    def safe_ways(self) -> list[str]:
        """What to write in place of the operation, each once."""
        return [] if self.operation is None else safe_ways(self.operation)

    @property
    def instead(self) -> list[str]:
        """The safe ways, then how to pass the gates: `instead: …`, `or: …`."""
        safe = [f"instead: {way}" for way in self.safe_ways]
        word = "or" if safe else "instead"
        return safe + [f"{word}: {way}" for way in self.ways]


def entries(report: GateReport) -> list[Entry]:
    """Return the refusals, those of one operation together, in the order of the report."""
    grouped = groupby(report.refusals, key=lambda each: id(each.operation or each))
    return [Entry(tuple(refusals)) for _, refusals in grouped]


def gates(refusals: Iterable[Refusal]) -> str:
    """Return the names of the gates that refuse something, as in `max-risk, preflight`."""
    return ", ".join(dict.fromkeys(each.gate.value for each in refusals))


# -- operations --------------------------------------------------------------------------


def subject(operation: PlannedOperation, width: int = 60) -> str:
    """Return the object that an operation is on, in one line."""
    worst = operation.assessment.worst
    return shortened(worst.change.subject, width) if worst else ""


def title(operation: PlannedOperation) -> str:
    """Return kind and object: `drop_column users.email`."""
    return f"{operation.assessment.kind} {subject(operation)}".rstrip()


def risk(operation: PlannedOperation) -> str:
    """Return level and score: `destructive (80)`."""
    return f"{operation.assessment.level.word} ({operation.assessment.score})"


def reasons(operation: PlannedOperation) -> str:
    """Return the codes of its reasons: `drops_index, raw_sql`."""
    return ", ".join(map(str, operation.assessment.reasons))


def consequences(operation: PlannedOperation) -> list[str]:
    """Return what follows from the worst changes, and the facts about them, each once."""
    return [*dict.fromkeys(printable(each) for each in _consequences(operation))]


def _consequences(operation: PlannedOperation) -> Iterator[str]:
    for finding in _worst(operation):
        yield from (reason.meaning for reason in finding.judgement.reasons)
        yield from finding.facts
        if isinstance(finding.change, RawSql):
            yield finding.change.why


def facts(operation: PlannedOperation) -> list[str]:
    """Return the facts that its level was refined by, each once."""
    found = (fact for each in operation.assessment.findings for fact in each.facts)
    return [*dict.fromkeys(map(printable, found))]


def safe_ways(operation: PlannedOperation) -> list[str]:
    """Return what to write in place of the worst changes, each once."""
    ways = (finding.judgement.instead for finding in _worst(operation))
    return [*dict.fromkeys(way for way in ways if way)]


def _worst(operation: PlannedOperation) -> list[Finding]:
    level = operation.assessment.level
    return [each for each in operation.assessment.findings if each.judgement.level is level]


# -- places ------------------------------------------------------------------------------


def name(revision: PlannedRevision) -> str:
    """Return id and message: `1a2b (add users)`."""
    about = f" ({revision.description})" if revision.description else ""
    return shortened(f"{revision.revision}{about}", 100)


def place(
    revision: PlannedRevision, operation: PlannedOperation | None = None, root: str = ""
) -> str:
    """Return `migrations/versions/1a2b_x.py:22`, without the line where nobody knows it."""
    line = None if operation is None else operation.line
    suffix = "" if line is None else f":{line}"
    return printable(relative(revision.path, root)) + suffix


def relative(path: str, root: str = "") -> str:
    """Return a path from a folder on, by default the current one, if it is in there."""
    from_there = os.path.relpath(path, root or None)
    return Path(path if from_there.startswith("..") else from_there).as_posix()


def sql(operation: PlannedOperation) -> str:
    """Return its SQL as it may be shown."""
    return without_secrets(operation.sql)


# -- text --------------------------------------------------------------------------------


def shortened(text: str, width: int) -> str:
    r"""Return text as one line, cut where it is longer than `width`.

    >>> shortened("SELECT\n    a, b", 20), shortened("SELECT a, b", 8)
    ('SELECT a, b', 'SELECT …')
    """
    line = printable(" ".join(text.split()))
    return line if len(line) <= width else line[: width - 1] + "…"


def sentence(text: str) -> str:
    """Return text as one line with one full stop.

    >>> sentence("it scores 80"), sentence("It scores 80.")
    ('it scores 80.', 'It scores 80.')
    """
    return printable(" ".join(text.split())).rstrip(".") + "."


def statement(text: str) -> str:
    r"""Return a sentence, or what has several lines, such as rows and SQL, as it is.

    >>> statement("it scores 80"), statement("2 rows:\n  a = 1\nAll: SELECT 1")
    ('it scores 80.', '2 rows:\n  a = 1\nAll: SELECT 1')
    """
    if "\n" not in text.strip():
        return sentence(text)
    return "\n".join(printable(line) for line in text.strip().splitlines())


def indented(text: str, by: str) -> Iterator[str]:
    """Yield the lines of a text, each but the first behind `by`."""
    first, *rest = text.strip().splitlines() or [""]
    yield printable(first)
    yield from (by + printable(line) for line in rest)


def size_of(plan: Plan) -> str:
    """Return `3 operations in 2 revisions`."""
    operations = words.count(len(plan.operations), "operation")
    return f"{operations} in {words.count(len(plan.revisions), 'revision')}"


# -- plans -------------------------------------------------------------------------------


def worst(plan: Plan) -> str:
    """Return the highest level of all with its score: `destructive (80)`."""
    return f"{plan.level.word} ({plan.level.score})"


def counts(plan: Plan) -> dict[str, int]:
    """Return how many operations have each level, the highest first; levels with none are out."""
    levels = sorted((each.assessment.level for _, each in plan.operations), reverse=True)
    return {level.word: levels.count(level) for level in dict.fromkeys(levels)}


def whereabouts(plan: Plan, database: str | None = None) -> str:
    """Return what was asked: `database shop, PostgreSQL 18.1`, or that nothing was."""
    label = "" if database is None else f"{printable(database)}: "
    if not plan.facts:
        return f"{label}no database was asked"
    server = plan.facts.get("server", "")
    return f"{label}database {printable(plan.facts.get('database', '?'))}, PostgreSQL {server}"


def verdict(report: GateReport) -> str:
    """Return the last line: `REFUSED by max-risk (mode staging)`."""
    by = "PASS" if report.passed else f"REFUSED by {gates(report.refusals)}"
    return f"{by} (mode {printable(report.mode)})"


def _allowing(revision: PlannedRevision) -> list[str]:
    allowed = (each for each in revision.operations if each.allowed_by)
    return [f", line {each.line} allows " for each in allowed]


def other_warnings(plan: Plan, report: GateReport) -> list[str]:
    """Return the warnings that say more than the revisions themselves do."""
    known = tuple(
        f"Revision {each.revision}{after}"
        for each in plan.revisions
        for after in (":", " is known in part", *_allowing(each))
    )
    return [printable(each) for each in report.warnings if not each.startswith(known)]
