"""Plans as annotations of a pull request: workflow commands of GitHub Actions.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from alembic_zanith.risk.levels import Level

from . import plan_words as say
from .plan_report import Layout, PlanReport, plan_format

if TYPE_CHECKING:
    from alembic_zanith.plan.model import PlannedOperation, PlannedRevision

_IN_MESSAGES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTIES = {**_IN_MESSAGES, ":": "%3A", ",": "%2C"}


@plan_format("github")
def github_text(reports: Sequence[PlanReport], layout: Layout) -> str:
    """Return one command a line, the refusals first: GitHub shows ten of each kind a step."""
    lines = [line for each in reports for line in _commands(each, layout.root)]
    lines += [_verdict(each) for each in reports]
    return "\n".join(lines) + "\n"


def _verdict(report: PlanReport) -> str:
    label = "" if report.database is None else f"{report.database}: "
    return say.shortened(f"{label}{say.size_of(report.plan)}: {say.verdict(report.gates)}", 500)


def _commands(report: PlanReport, root: str) -> Iterator[str]:
    entries = say.entries(report.gates)
    for entry in entries:
        yield _refusal(entry, root)
    refused = {id(entry.operation) for entry in entries}
    for revision, operation in report.plan.operations:
        if id(operation) not in refused and operation.assessment.level >= Level.MEDIUM:
            yield _let_pass(revision, operation, root)
    for revision in report.plan.revisions:
        if revision.ended is not None:
            why = f"Known in part, because {say.sentence(revision.ended)}"
            calls = [f"line {each.line}: {each.source}" for each in revision.possible]
            message = "\n".join([why, *(["It could still call:", *calls] if calls else [])])
            yield _command("warning", message, f"Revision {say.name(revision)}", revision, root)
        for complaint in revision.complaints:
            title = f"Revision {say.name(revision)}"
            yield _command("warning", complaint, title, revision, root)
    for warning in say.other_warnings(report.plan, report.gates):
        yield _command("warning", warning, "Migration plan")


def _refusal(entry: say.Entry, root: str) -> str:
    operation = entry.operation
    lines = entry.because
    title = f"Refused: {say.gates(entry.refusals)}"
    if operation is not None:
        title = f"Refused: {say.title(operation)}, {say.risk(operation)}"
        lines = [*say.consequences(operation), *lines]
    message = "\n".join([*lines, *entry.instead])
    return _command("error", message, title, entry.revision, root, operation)


def _let_pass(revision: PlannedRevision, operation: PlannedOperation, root: str) -> str:
    title = f"{say.title(operation)}, {say.risk(operation)}"
    lines = say.consequences(operation)
    allowed = [f"allowed in line {each.line}: {each.why}" for each in operation.allowed_by]
    ways = [f"instead: {way}" for way in say.safe_ways(operation)]
    message = "\n".join([*lines, *(allowed or ways)])
    kind = "notice" if allowed else "warning"
    return _command(kind, message, title, revision, root, operation)


def _command(
    kind: str,
    message: str,
    title: str,
    revision: PlannedRevision | None = None,
    root: str = "",
    operation: PlannedOperation | None = None,
) -> str:
    properties: dict[str, str] = {}
    if revision is not None:
        properties["file"] = say.relative(revision.path, root)
        line = operation.line if operation is not None else 1
        if line is not None:
            properties["line"] = str(line)
    properties["title"] = title
    pairs = (f"{key}={_escaped(value, _IN_PROPERTIES)}" for key, value in properties.items())
    return f"::{kind} {','.join(pairs)}::{_escaped(message, _IN_MESSAGES)}"


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)
