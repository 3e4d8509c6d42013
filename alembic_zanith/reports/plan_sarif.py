"""Plans as SARIF 2.1.0, for code scanning.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason

from . import plan_words as say
from .as_json import dumps
from .plan_report import Layout, PlanReport, plan_format

if TYPE_CHECKING:
    from alembic_zanith.plan.model import PlannedOperation, PlannedRevision, Suppression

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "%SRCROOT%"
_DOCS = "docs/risk.md"
_PARTIAL = "known_in_part"
_COMPLAINT = "suppression"
_RUN = "refused_run"
_OWN_RULES = {
    _PARTIAL: "The script needs a database to be known to its end.",
    _COMPLAINT: "A suppression has no reason, or nothing that it is about.",
    _RUN: "A gate refuses the whole run.",
}


@plan_format("sarif")
def sarif_text(reports: Sequence[PlanReport], layout: Layout) -> str:
    """Return one log with a run for each plan."""
    runs = [_run(each, layout.root) for each in reports]
    return dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}) + "\n"


def _run(report: PlanReport, root: str) -> dict[str, Any]:
    run: dict[str, Any] = {
        "tool": {"driver": {"name": "alembic-zanith", "rules": [*_RULES.values()]}},
        "columnKind": "unicodeCodePoints",
        "results": [*_results(report, root)],
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {"level": "warning", "message": {"text": each}}
                    for each in say.other_warnings(report.plan, report.gates)
                ],
            }
        ],
    }
    if report.database is not None:
        run["automationDetails"] = {"id": f"zanith-plan/{report.database}/"}
    return run


def _results(report: PlanReport, root: str) -> Iterator[dict[str, Any]]:
    entries = say.entries(report.gates)
    refused = {id(entry.operation): entry for entry in entries if entry.operation is not None}
    for entry in entries:
        if entry.operation is None:
            yield _result(_RUN, "error", "\n".join([*entry.because, *entry.instead]), entry, root)
    for revision, operation in report.plan.operations:
        reasons = operation.assessment.reasons
        if reasons or id(operation) in refused:
            yield _of_operation(revision, operation, refused.get(id(operation)), root)
    for revision in report.plan.revisions:
        if revision.ended is not None:
            text = f"Known in part, because {say.sentence(revision.ended)}"
            yield _located(_PARTIAL, "warning", text, revision, 1, root)
        for complaint in revision.complaints:
            yield _located(_COMPLAINT, "warning", complaint, revision, 1, root)


def _of_operation(
    revision: PlannedRevision, operation: PlannedOperation, entry: say.Entry | None, root: str
) -> dict[str, Any]:
    found = operation.assessment
    safe = [f"instead: {way}" for way in say.safe_ways(operation)]
    text = "\n".join(
        [
            f"{say.title(operation)}: {say.risk(operation)}.",
            *map(say.sentence, say.consequences(operation)),
            *(safe if entry is None else [*entry.because, *entry.instead]),
        ]
    )
    level = "error" if entry is not None else _LEVELS[found.level]
    rule = str(found.reasons[0]) if found.reasons else _RUN
    result = _located(rule, level, text, revision, operation.line, root)
    result["properties"] = {
        "kind": found.kind,
        "score": found.score,
        "revision": revision.revision,
        "reasons": [str(each) for each in found.reasons],
    }
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    result["suppressions"] = [_suppression(each, place) for each in operation.allowed_by]
    return result


_LEVELS = {
    Level.SAFE: "note",
    Level.LOW: "note",
    Level.MEDIUM: "warning",
    Level.HIGH: "warning",
    Level.DESTRUCTIVE: "warning",
    Level.BLOCKED: "warning",
}


def _suppression(allowed: Suppression, place: dict[str, str]) -> dict[str, Any]:
    where = {"artifactLocation": place, "region": {"startLine": allowed.line}}
    return {
        "kind": "inSource",
        "justification": f"{allowed.code}: {allowed.why}",
        "location": {"physicalLocation": where},
    }


def _result(rule: str, level: str, text: str, entry: say.Entry | None, root: str) -> dict[str, Any]:
    if entry is not None and entry.revision is not None:
        return _located(rule, level, text, entry.revision, 1, root)
    # All results of a run have this, or none of them may.
    return _plain(rule, level, text)


def _located(
    rule: str, level: str, text: str, revision: PlannedRevision, line: int | None, root: str
) -> dict[str, Any]:
    place = {"artifactLocation": _artifact(revision.path, root), "region": {"startLine": line or 1}}
    return {**_plain(rule, level, text), "locations": [{"physicalLocation": place}]}


def _plain(rule: str, level: str, text: str) -> dict[str, Any]:
    return {
        "ruleId": rule,
        "ruleIndex": [*_RULES].index(rule),
        "level": level,
        "message": {"text": text},
        "suppressions": [],
    }


def _artifact(path: str, root: str) -> dict[str, str]:
    shown = say.relative(path, root)
    if Path(shown).is_absolute():
        return {"uri": Path(shown).as_uri()}
    return {"uri": quote(shown), "uriBaseId": _ROOT}


def _rule(code: str, meaning: str) -> dict[str, Any]:
    meaning = say.sentence(meaning[:1].upper() + meaning[1:])
    return {
        "id": code,
        "shortDescription": {"text": meaning},
        "help": {
            "text": f"{meaning} See {_DOCS} of alembic-zanith.",
            "markdown": f"{meaning} See [{_DOCS}]({_DOCS}) of alembic-zanith.",
        },
    }


_RULES = {
    **{str(each): _rule(str(each), each.meaning) for each in Reason},
    **{code: _rule(code, meaning) for code, meaning in _OWN_RULES.items()},
}
