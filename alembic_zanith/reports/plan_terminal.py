"""A plan for people: on a terminal, in a log or in a file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from . import plan_words as say
from . import words
from .plan_report import Layout, PlanReport, plan_format
from .refusal import refusal_lines
from .words import printable

if TYPE_CHECKING:
    from alembic_zanith.plan.model import PlannedOperation, PlannedRevision

_HEADERS = ("Line", "Operation", "Risk", "Rows", "Lock")
_GAP = "  "
_DETAIL = " " * 6
_SHORT_SQL = 100
_NARROWEST = 20

_STYLES = {
    "safe": "green",
    "low": "green",
    "medium": "yellow",
    "high": "magenta",
    "destructive": "red",
    "blocked": "bold red",
}


@plan_format("terminal")
def terminal_text(reports: Sequence[PlanReport], layout: Layout) -> str:
    """Return the lines without colours."""
    return "\n".join(line.plain.rstrip() for line in terminal_lines(reports, layout)) + "\n"


def terminal_lines(reports: Sequence[PlanReport], layout: Layout) -> list[Text]:
    """Return the lines as they are shown on a terminal; the last of each plan is its verdict."""
    lines: list[Text] = []
    for report in reports:
        if lines:
            lines.append(Text())
        lines += _Page(report, layout).lines()
    return lines


@dataclass(frozen=True)
class _Page:
    report: PlanReport
    layout: Layout

    def lines(self) -> Iterator[Text]:
        plan, gates = self.report.plan, self.report.gates
        where = say.whereabouts(plan, self.report.database)
        if not plan.revisions:
            yield from self._wrapped(f"Nothing is pending ({where}).", "", _GAP)
        else:
            what = f"{plan.direction.capitalize()}: {say.size_of(plan)} ({where})"
            yield from self._wrapped(what, "", _GAP, "bold")
            for revision in plan.revisions:
                yield Text()
                yield from self._revision(revision)
            yield Text()
            by_level = ", ".join(f"{n} {level}" for level, n in say.counts(plan).items())
            yield Text(f"Worst: {say.worst(plan)}. Total: {by_level or 'no operations'}.")
        yield from self._list("Preflight", map(printable, gates.probes))
        yield from self._list("Warnings", say.other_warnings(plan, gates))
        if gates.refusals:
            yield Text()
            yield Text("Refused", "bold")
        for line in refusal_lines(gates, self.layout.root):
            # What is to be pasted stays in one piece.
            if line.startswith(("   instead: ", " " * 6)):
                yield Text(line)
            else:
                yield from self._wrapped(line.strip(), line[: -len(line.lstrip())], " " * 5)
        yield Text()
        style = "bold green" if gates.passed else "bold red"
        yield from self._wrapped(say.verdict(gates), "", _GAP, style)

    def _list(self, title: str, items: Iterable[str]) -> Iterator[Text]:
        shown = [line for item in items for line in self._wrapped(item, "  ", "    ")]
        if shown:
            yield Text()
            yield Text(title, "bold")
            yield from shown

    def _revision(self, revision: PlannedRevision) -> Iterator[Text]:
        place = say.place(revision, root=self.layout.root)
        yield from self._wrapped(f"{say.name(revision)}, {place}", "", _GAP, "bold")
        if revision.operations:
            yield from self._operations(revision)
        elif not revision.is_partial:
            yield Text(f"{_GAP}does nothing")
        if revision.ended is not None:
            ended = f"Known in part, because {say.sentence(revision.ended)}"
            if revision.possible:
                ended += " It could still call:"
            yield from self._wrapped(ended, _GAP, _GAP, "yellow")
            for call in revision.possible:
                text = say.shortened(call.source, _SHORT_SQL)
                yield from self._wrapped(f"line {call.line}: {text}", _GAP * 2, _GAP * 3)
        for complaint in revision.complaints:
            yield from self._wrapped(printable(complaint), _GAP, _GAP, "yellow")

    def _operations(self, revision: PlannedRevision) -> Iterator[Text]:
        """Yield what changes something, and all of it with -v."""
        shown = [
            each
            for each in revision.operations
            if self.layout.verbose or each.assessment.kind != "harmless"
        ]
        if shown:
            yield from self._table(shown)
        hidden = len(revision.operations) - len(shown)
        if hidden:
            what = "1 statement that changes" if hidden == 1 else f"{hidden} statements that change"
            yield Text(f"{_GAP}and {what} nothing, shown by --verbose")

    def _table(self, operations: Sequence[PlannedOperation]) -> Iterator[Text]:
        rows = [_row(operation) for operation in operations]
        widths = self._widths([_HEADERS, *rows])
        yield from (Text(line, "dim") for line in _columns(_HEADERS, widths))
        for operation, row in zip(operations, rows, strict=True):
            style = _STYLES[operation.assessment.level.word]
            yield from (Text(line, style) for line in _columns(row, widths))
            yield from self._details(operation)

    def _widths(self, rows: Sequence[Sequence[str]]) -> list[int]:
        widths = [max(len(row[number]) for row in rows) for number in range(len(_HEADERS))]
        if self.layout.width is not None:
            others = sum(widths) - widths[1] + len(_GAP) * (len(widths) - 1)
            widths[1] = min(widths[1], max(_NARROWEST, self.layout.width - others))
        return widths

    def _details(self, operation: PlannedOperation) -> Iterator[Text]:
        indent = _DETAIL + _GAP
        for reason in operation.assessment.reasons:
            yield from self._wrapped(f"{reason}: {reason.meaning}", _DETAIL, indent)
        for fact in say.facts(operation):
            yield from self._wrapped(fact, _DETAIL, indent)
        for allowed in operation.allowed_by:
            text = f"allowed in line {allowed.line}, {allowed.code}: {allowed.why}"
            yield from self._wrapped(printable(text), _DETAIL, indent, "cyan")
        for line in self._sql(operation):
            yield Text(_DETAIL + line, "dim")

    def _sql(self, operation: PlannedOperation) -> list[str]:
        if self.layout.verbose:
            return [printable(line) for line in say.sql(operation).expandtabs().splitlines()]
        width = _SHORT_SQL
        if self.layout.width is not None:
            width = max(_NARROWEST, self.layout.width - len(_DETAIL))
        sql = say.shortened(say.sql(operation), width)
        return [sql] if sql else []

    def _wrapped(self, text: str, first: str, rest: str, style: str = "") -> Iterator[Text]:
        lines = [first + text]
        if self.layout.width is not None:
            lines = textwrap.wrap(
                text,
                max(self.layout.width, 2 * _NARROWEST),
                initial_indent=first,
                subsequent_indent=rest,
                break_on_hyphens=False,
            ) or [""]
        yield from (Text(line, style) for line in lines)


def _row(operation: PlannedOperation) -> tuple[str, ...]:
    rows = "" if operation.rows is None else f"~{words.count(operation.rows)}"
    return (
        "" if operation.line is None else str(operation.line),
        say.title(operation),
        say.risk(operation),
        rows,
        operation.assessment.lock.value,
    )


def _columns(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Yield a row of the table, whose second column goes on in further lines if it has to."""
    line, title, *others = row
    first, *rest = textwrap.wrap(title, widths[1], break_on_hyphens=False) or [""]
    cells = [line.rjust(widths[0]), first.ljust(widths[1])]
    cells += [cell.ljust(width) for cell, width in zip(others, widths[2:], strict=True)]
    yield _GAP.join(cells).rstrip()
    yield from (" " * (widths[0] + len(_GAP)) + each for each in rest)
