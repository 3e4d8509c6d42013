"""Hold a plan against the settings. Pure: what has to be asked was asked before."""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.config import Mode, Settings, ShadowCheck
from alembic_zanith.plan.model import Plan, PlannedOperation, PlannedRevision
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Cost
from alembic_zanith.risk.levels import Level

from .model import Gate, GateReport, Refusal


def check(plan: Plan, settings: Settings, receipt: str | None) -> GateReport:
    """Return what the gates that need no database say of a plan.

    `receipt` is what is wrong with the receipt of a rehearsal, a sentence or two; None where
    nothing is, or where `receipt_asked` says that nobody wants one.

    Example::

        report = check(record(scripts, dialect), settings, why_not(path, scripts, heads, …))
        if not report.passed:
            raise RefusedError(refusal_text(plan, report))
    """
    refusals = [*_of_the_run(plan, settings, receipt)]
    for revision, operation in plan.operations:
        refusals.extend(check_operation(operation, settings, revision))
    warnings = [*_of_what_was_rehearsed(plan, settings, receipt), *_warnings(plan, settings)]
    return GateReport(settings.mode.value, tuple(refusals), tuple(warnings))


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


def receipt_asked(settings: Settings, *, is_downgrade: bool) -> ShadowCheck:
    """Return how much the receipt of a rehearsal matters to a run. What is rehearsed are upgrades.

    >>> receipt_asked(Settings(shadow_verified=True), is_downgrade=False).value
    'required'
    """
    if is_downgrade or settings.skip_shadow_check:
        return ShadowCheck.OFF
    return ShadowCheck.REQUIRED if settings.shadow_verified else settings.shadow_check


def _of_the_run(plan: Plan, settings: Settings, receipt: str | None) -> Iterator[Refusal]:
    if receipt is None or not plan.revisions:
        return
    if receipt_asked(settings, is_downgrade=plan.is_downgrade) is ShadowCheck.REQUIRED:
        yield Refusal(
            Gate.SHADOW,
            f"{_who_asks(settings)} asks for the receipt of a rehearsal. {receipt}",
            "To run without a rehearsal, add --skip-shadow-check.",
        )


def _who_asks(settings: Settings) -> str:
    if settings.shadow_verified:
        return "--shadow-verified"
    if settings.mode is Mode.PRODUCTION:
        return "mode production"
    return f"shadow_check = {settings.shadow_check.value}"


def _of_what_was_rehearsed(plan: Plan, settings: Settings, receipt: str | None) -> Iterator[str]:
    if receipt is None or not plan.revisions:
        return
    if receipt_asked(settings, is_downgrade=plan.is_downgrade) is ShadowCheck.RECOMMENDED:
        yield receipt


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
