"""Gates in force: a plan before anything runs, and each statement again when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

    from alembic_zanith.hooks import Run, StepsOf


def around_run(
    context: MigrationContext, steps_of: StepsOf, run: Run, arguments: dict[str, Any]
) -> None:
    """Run migrations if they pass the gates; see `alembic_zanith.enforcement.run`."""
    if may_change_something(context):
        # Here, because it takes a grammar along that `current` and `check` have no use for.
        from .run import gated

        gated(context, steps_of, run, arguments)
    else:
        # For whoever plans in there: see `plan_steps`.
        setattr(context, _ARGUMENTS, arguments)
        run(steps_of)


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
