"""Gates in force: a plan before anything runs, and each statement again when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic_zanith.config import DestructiveOps, Settings, ShadowCheck, settings_of

from .rehearsal import is_rehearsal, rehearse

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

    from alembic_zanith.hooks import Run, StepsOf


def around_run(
    context: MigrationContext, steps_of: StepsOf, run: Run, arguments: dict[str, Any]
) -> None:
    """Run migrations if they pass the gates; see `alembic_zanith.enforcement.run`."""
    if is_rehearsal():
        rehearse(steps_of, run)
        return
    if not may_change_something(context):
        # For whoever plans in there: see `plan_steps`.
        setattr(context, _ARGUMENTS, arguments)
        run(steps_of)
        return
    settings = settings_of(context)
    if context.dialect.name == "postgresql" and lets_all_pass(settings):
        if not settings.audit or context.as_sql or context.connection is None:
            run(steps_of)
            return
        from .onlooker import recorded

        recorded(context, settings, steps_of, run)
    else:
        # Here, because it takes a grammar along that nobody else has a use for.
        from .run import gated

        gated(context, steps_of, run, arguments)


def lets_all_pass(settings: Settings) -> bool:
    """Whether no gate is up, as in mode dev: then runs are as they are without the package."""
    ceilings = (settings.max_rewrite_rows, settings.max_scan_rows, settings.max_lost_rows)
    return (
        settings.max_risk >= _HIGHEST
        and settings.allow_destructive
        and settings.destructive_ops is DestructiveOps.REFUSE
        and settings.shadow_check is not ShadowCheck.REQUIRED
        and not any(
            (
                settings.preflight,
                settings.shadow_verified,
                settings.dry_run,
                settings.require_transaction,
                settings.advisory_lock,
                settings.lock_timeout,
                settings.statement_timeout,
            )
        )
        and ceilings == (None, None, None)
    )


_HIGHEST = 95
_ARGUMENTS = "_zanith_arguments"


def arguments_of(context: MigrationContext) -> dict[str, Any]:
    """Return what env.py hands to the scripts, while a run that changes nothing goes on."""
    arguments: dict[str, Any] = getattr(context, _ARGUMENTS, {})
    return arguments


def may_change_something(context: MigrationContext) -> bool:
    """Whether it is not `current`, `check` or `revision`, which only look.

    Not by `template_args`, which they have as well: env.py may give them to `configure()`.
    """
    return not (context.opts.get("dont_mutate") or "revision_context" in context.opts)
