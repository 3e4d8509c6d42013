"""Hold a plan against the settings. Pure: what has to be asked was asked before."""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.config import Mode, Settings, ShadowCheck
from alembic_zanith.plan.model import Plan, PlannedOperation, PlannedRevision
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Cost
from alembic_zanith.risk.levels import Level

from .model import Gate, GateReport, Refusal


def check(plan: Plan, settings: Settings, receipt: str | None = None) -> GateReport:
    """Return what the gates that need no database say of a plan.

    `receipt` is why there is no receipt of a rehearsal that is good for it; None where there is
    one, or nobody has looked for it.

    Example::

        report = check(record(scripts, dialect), load_settings(config))
        if not report.passed:
            raise RefusedError(refusal_text(plan, report))
    """
    refusals = [*_of_the_run(plan, settings, receipt)]
    for revision, operation in plan.operations:
        refusals.extend(check_operation(operation, settings, revision))
    return GateReport(settings.mode.value, tuple(refusals), tuple(_warnings(plan, settings)))


def check_operation(
    operation: PlannedOperation, settings: Settings, revision: PlannedRevision | None = None
) -> Iterator[Refusal]:
    """Yield what gates 1 and 2 refuse of one operation."""
    assessment = operation.assessment
    is_allowed = bool(operation.allowed_by) and may_be_allowed(assessment, settings)
    if assessment.score > settings.max_risk and not is_allowed:
        yield Refusal(Gate.MAX_RISK, _too_risky(assessment, settings), "", revision, operation)
    if is_destructive(assessment) and not is_allowed:
        if settings.mode is Mode.PRODUCTION:
            why = "mode production allows nothing that loses data"
            yield Refusal(Gate.DESTRUCTIVE, why, _OTHER_MODE, revision, operation)
        elif not settings.allow_destructive:
            why = "what loses data needs consent"
            yield Refusal(Gate.DESTRUCTIVE, why, _CONSENT, revision, operation)


_CONSENT = "To lose the data on purpose, run it with --allow-destructive."
_OTHER_MODE = (
    "To lose the data on purpose, run this revision alone with --mode staging --allow-destructive."
)


def is_destructive(assessment: Assessment) -> bool:
    """Whether the operation loses data, for all that is known."""
    return any(
        finding.judgement.level is Level.DESTRUCTIVE
        or (finding.judgement.level is Level.BLOCKED and finding.judgement.cost is Cost.LOSES)
        for finding in assessment.findings
    )


def may_be_allowed(assessment: Assessment, settings: Settings) -> bool:
    """Whether a suppression in the script is enough for it.

    Ceilings hold whatever a script says, and in production so does the ban on losing data.
    """
    if assessment.level is Level.BLOCKED:
        return False
    return settings.mode is not Mode.PRODUCTION or not is_destructive(assessment)


def _too_risky(assessment: Assessment, settings: Settings) -> str:
    return (
        f"it scores {assessment.score} ({assessment.level.word}), and at most {settings.max_risk} "
        f"is allowed (max_risk, mode {settings.mode.value})"
    )


def needs_receipt(settings: Settings, *, is_downgrade: bool) -> bool:
    """Whether gate 6 is up. What is rehearsed are upgrades."""
    if is_downgrade or settings.skip_shadow_check:
        return False
    return settings.shadow_verified or settings.shadow_check is ShadowCheck.REQUIRED


def _of_the_run(plan: Plan, settings: Settings, receipt: str | None) -> Iterator[Refusal]:
    is_needed = needs_receipt(settings, is_downgrade=plan.is_downgrade)
    if not plan.revisions or receipt is None or not is_needed:
        return
    because = (
        "--shadow-verified asks for one"
        if settings.shadow_verified
        else f"mode {settings.mode.value} requires one"
    )
    yield Refusal(
        Gate.SHADOW,
        f"{receipt.rstrip('.')}; {because}",
        "To run without one, add --skip-shadow-check.",
    )


def _warnings(plan: Plan, settings: Settings) -> Iterator[str]:
    for revision, operation in plan.operations:
        if operation.allowed_by and may_be_allowed(operation.assessment, settings):
            codes = ", ".join(f"{each.code} ({each.why})" for each in operation.allowed_by)
            yield f"Revision {revision.revision}, line {operation.line} allows {codes}."
    for revision in plan.revisions:
        if revision.ended is not None:
            calls = ", ".join(f"line {call.line}: {call.source}" for call in revision.possible)
            further = f" It could still call {calls}." if calls else ""
            yield (
                f"Revision {revision.revision} is known in part, because {revision.ended}.{further}"
                " Each of its statements is checked when it runs."
            )
        for call in revision.around:
            yield (
                f"Revision {revision.revision}, line {call.line}: nobody sees what {call.source} "
                "sends, so nothing of it is checked."
            )
        for complaint in revision.complaints:
            yield f"Revision {revision.revision}: {complaint}"
