"""Plans as a comment on a pull request, in GitHub's Markdown.

https://github.github.com/gfm/
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from . import plan_words as say
from . import words
from .plan_report import Layout, PlanReport, plan_format
from .words import printable

if TYPE_CHECKING:
    from alembic_zanith.plan.model import PlannedOperation, PlannedRevision

# GitHub takes 65,536 characters.
_LONGEST = 65_000


@plan_format("markdown")
def markdown_text(reports: Sequence[PlanReport], layout: Layout) -> str:
    """Return a summary and a table for each plan, with details folded in.

    Where that is longer than a comment may be, details are left out, and then all but the summary.
    """
    for parts in (_everything, _without_details, _summary):
        text = "\n\n".join(part for each in reports for part in parts(each, layout.root)) + "\n"
        if len(text) <= _LONGEST:
            break
    return text


def _everything(report: PlanReport, root: str) -> Iterator[str]:
    yield from _summary(report, root)
    if report.plan.revisions:
        yield _table(report)
    yield from (_details(each, root) for each in report.plan.revisions)
    yield from _folded("Preflight", report.gates.probes)
    yield from _folded("Warnings", say.other_warnings(report.plan, report.gates))


def _without_details(report: PlanReport, root: str) -> Iterator[str]:
    yield from _summary(report, root)
    yield _table(report)
    yield "SQL and facts are left out: they are longer than a comment may be."


def _summary(report: PlanReport, root: str) -> Iterator[str]:
    plan, gates = report.plan, report.gates
    verdict = "PASS" if gates.passed else "REFUSED"
    by = "" if gates.passed else f" by {say.gates(gates.refusals)}"
    what = f"{plan.direction} of {say.size_of(plan)}, worst: {say.worst(plan)}"
    if not plan.revisions:
        what = "nothing is pending"
    where = prose(say.whereabouts(plan, report.database))
    yield f"**{verdict}**{by}: {what} (mode {prose(gates.mode)}, {where})"
    entries = "\n".join(_refusal(n, each, root) for n, each in enumerate(say.entries(gates), 1))
    if entries:
        yield entries


def _refusal(number: int, entry: say.Entry, root: str) -> str:
    operation, revision = entry.operation, entry.revision
    lines = [_with_rows(each) for each in entry.because]
    if operation is not None:
        lines = [*map(prose, say.consequences(operation)), *lines]
    lines += [f"instead: {_pasteable(way)}" for way in entry.safe_ways]
    lines += [f"{'or' if entry.safe_ways else 'instead'}: {prose(way)}" for way in entry.ways]
    what = [] if operation is None else [f"{code(say.title(operation))}, {say.risk(operation)}"]
    if revision is not None:
        what.append(f"in {code(say.place(revision, operation, root))}")
    first, rest = (" ".join(what), lines) if what else (lines[0], lines[1:])
    return "\n".join([f"{number}. {first}", *(f"   - {line}" for line in rest)])


def _with_rows(text: str) -> str:
    """Return a sentence as prose, and the lines that come after it as a block."""
    first, _, rest = text.partition("\n")
    if not rest:
        return prose(first)
    return f"{prose(first)}\n\n     " + fenced(rest, "").replace("\n", "\n     ")


def _pasteable(way: str) -> str:
    if "\n" not in way.strip():
        return code(way)
    block = fenced(way, "python").replace("\n", "\n     ")
    return f"\n\n     {block}"


def _table(report: PlanReport) -> str:
    lines = [
        "| Revision | Operation | Risk | Reasons | Rows | Lock |",
        "|---|---|---|---|--:|---|",
    ]
    for revision in report.plan.revisions:
        shown = prose(say.name(revision)) + (" (known in part)" if revision.is_partial else "")
        for operation in revision.operations:
            lines.append(_row(shown, operation))
        if not revision.operations:
            lines.append(f"| {shown} | | | | | |")
    return "\n".join(lines)


def _row(revision: str, operation: PlannedOperation) -> str:
    rows = "" if operation.rows is None else f"~{words.count(operation.rows)}"
    cells = (
        revision,
        code(say.title(operation)),
        say.risk(operation) + (", allowed" if operation.allowed_by else ""),
        ", ".join(f"`{reason}`" for reason in operation.assessment.reasons),
        rows.replace("~", r"\~"),
        operation.assessment.lock.value,
    )
    return f"| {' | '.join(cells)} |"


def _details(revision: PlannedRevision, root: str) -> str:
    inside = [code(say.place(revision, root=root))]
    for operation in revision.operations:
        line = "" if operation.line is None else f", line {operation.line}"
        inside.append(f"{code(say.title(operation))}{line}")
        allowed = [
            f"allowed in line {each.line}, `{each.code}`: {prose(each.why)}"
            for each in operation.allowed_by
        ]
        notes = [f"- {each}" for each in [*map(prose, say.facts(operation)), *allowed]]
        if notes:
            inside.append("\n".join(notes))
        if operation.sql:
            inside.append(fenced(say.sql(operation), "sql"))
    if revision.ended is not None:
        inside.append(f"Known in part, because {prose(say.sentence(revision.ended))}")
        calls = (f"- line {each.line}: {code(each.source)}" for each in revision.possible)
        inside.append("\n".join(["It could still call:", *calls]) if revision.possible else "")
    inside += [prose(each) for each in revision.complaints]
    body = "\n\n".join(each for each in inside if each)
    return f"<details><summary>{_summary_of(revision)}</summary>\n\n{body}\n\n</details>"


def _summary_of(revision: PlannedRevision) -> str:
    return f"{prose(say.name(revision))}: {revision.level.word} ({revision.level.score})"


def _folded(title: str, items: Iterable[str]) -> Iterator[str]:
    lines = "\n".join(f"- {prose(each)}" for each in items)
    if lines:
        yield f"<details><summary>{title}</summary>\n\n{lines}\n\n</details>"


def prose(text: str) -> str:
    r"""Return text that means only itself, in a paragraph or a cell, and that mentions nobody.

    >>> prose("a|b <i> `c` _d_ @team")
    'a\\|b &lt;i&gt; \\`c\\` \\_d\\_ @\u200bteam'
    """
    line = html.escape(printable(" ".join(text.split())), quote=False)
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", line).replace("@", "@\u200b")


def code(text: str) -> str:
    r"""Return text as code, for a paragraph or a cell.

    >>> code("users.email"), code("a|b"), code("a`b")
    ('`users.email`', '`a\\|b`', '<code>a&#96;b</code>')
    """
    line = printable(" ".join(text.split()))
    if not re.search(r"[`\\]", line):
        return f"`{line.replace('|', chr(92) + '|')}`"
    # A backslash in front of a pipe, or a backtick, cannot be written between backticks in a cell.
    escaped = re.sub(r"[^\w .,:;=()'\"/-]|_", lambda match: f"&#{ord(match[0])};", line)
    return f"<code>{escaped}</code>"


def fenced(text: str, language: str) -> str:
    """Return text as a block of code, behind a fence that is longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = (printable(line) for line in text.expandtabs().strip("\n").splitlines())
    return "\n".join([f"{fence}{language}", *lines, fence])
