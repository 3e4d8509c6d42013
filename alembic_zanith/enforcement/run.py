"""What comes before a run of migrations: the lock, the plan, the gates."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from alembic.runtime.migration import RevisionStep

from alembic_zanith.audit.garbage import seldom_collected
from alembic_zanith.audit.recorder import Recorder
from alembic_zanith.config import (
    SETTINGS,
    DestructiveOps,
    PlanSource,
    Settings,
    ShadowCheck,
    settings_of,
)
from alembic_zanith.config.sources import flags_given
from alembic_zanith.errors import RefusedError, UnsupportedDatabaseError
from alembic_zanith.gates.check import check, receipt_asked
from alembic_zanith.gates.model import Gate, GateReport, Refusal
from alembic_zanith.gates.receipt import database_of
from alembic_zanith.locking.advisory import run_lock
from alembic_zanith.locking.blockers import watching_blockers
from alembic_zanith.locking.retrying import RetryPolicy
from alembic_zanith.locking.timeouts import Timeout, run_timeouts
from alembic_zanith.plan.live import with_live_facts
from alembic_zanith.plan.model import Plan
from alembic_zanith.plan.record import Recording, Translate, record
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.live_facts import Ceilings
from alembic_zanith.sql import is_autocommit, scalar
from alembic_zanith.steps import listening

from .guards import Guards
from .onlooker import failure_recorded
from .preflight import Preflight, may_be_probed
from .protect import protect
from .receipt import wrong_with_receipt
from .watch import Watch

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, StampStep
    from alembic.script import Script

    from alembic_zanith.hooks import Run, StepsOf

log = logging.getLogger("alembic.zanith")


def gated(
    context: MigrationContext, steps_of: StepsOf, run: Run, arguments: dict[str, Any]
) -> None:
    """Run migrations if they pass the gates, and check each statement again when it is run.

    Raises `RefusedError` before anything has run, or in front of the statement that only then
    turned out to be one that the gates do not let pass.
    """
    if context.dialect.name != "postgresql":
        _refuse_flags(context)
        run(steps_of)
        return
    _GatedRun(context, settings_of(context), arguments).go(steps_of, run)


def _refuse_flags(context: MigrationContext) -> None:
    given = flags_given(context.config)
    if given:
        raise UnsupportedDatabaseError(
            f"{', '.join(given)} cannot be kept on {context.dialect.name}: alembic-zanith works on "
            "PostgreSQL only. Nothing has run; leave the flag out."
        )


class _GatedRun:
    """One run of migrations on one database."""

    def __init__(
        self, context: MigrationContext, settings: Settings, arguments: dict[str, Any]
    ) -> None:
        self._context = context
        self._settings = settings
        self._arguments = arguments
        self._stack = ExitStack()
        self._translate: Translate | None = None
        self._plan: Plan | None = None
        self._guards = Guards()
        self._preflight: Preflight | None = None
        self._recorders = list[Recorder]()
        if settings.preflight and not context.as_sql:
            self._preflight = Preflight(settings.preflight_timeout)
        if settings.destructive_ops is DestructiveOps.PROTECT:
            self._translate = functools.partial(protect, retention_days=settings.retention_days)

    def go(self, steps_of: StepsOf, run: Run) -> None:
        """Plan, check, and run."""
        with self._stack as stack:
            # Whatever runs migrations by a function of its own has it called just once, by
            # Alembic; most of these run none, such as `alembic history --indicate-current`.
            if "destination_rev" not in self._context.opts:
                with failure_recorded(self._recorders):
                    run(functools.partial(self._known_late, stack, steps_of))
                return
            self._guards = self._guarded(stack)
            steps, heads = self._pending(steps_of)
            if self._passes(steps, heads):
                with failure_recorded(self._recorders):
                    run(functools.partial(self._known, steps, heads))

    def _guarded(self, stack: ExitStack) -> Guards:
        """Take the lock and set the timeouts, before the current revision is read."""
        connection, settings = self._context.connection, self._settings
        if self._context.as_sql or connection is None or settings.dry_run:
            return Guards()
        lock = blockers = None
        if settings.advisory_lock:
            wait_seconds = (settings.lock_wait or 0) / 1000
            lock = stack.enter_context(run_lock(connection, wait_seconds=wait_seconds))
        stack.enter_context(
            run_timeouts(
                connection,
                lock_timeout=_timeout(settings, "lock_timeout"),
                statement_timeout=_timeout(settings, "statement_timeout"),
            )
        )
        if settings.lock_timeout:
            # Soon enough for a deadlock, which PostgreSQL ends after a second.
            after_seconds = min(settings.lock_timeout / 2000, 0.5)
            blockers = stack.enter_context(
                watching_blockers(connection, after_seconds=after_seconds)
            )
        return Guards(lock, blockers, policy=RetryPolicy(attempts=settings.lock_retries + 1))

    def _pending(self, steps_of: StepsOf) -> tuple[list[RevisionStep | StampStep], Any]:
        """Return the steps of an upgrade or downgrade, known before Alembic makes its table."""
        heads = () if self._context.purge else self._context.get_current_heads()
        return list(steps_of(heads, self._context)), heads

    def _known(
        self,
        steps: list[RevisionStep | StampStep],
        heads: Any,
        heads_now: Any,
        context: MigrationContext,
    ) -> Iterator[RevisionStep | StampStep]:
        if heads != heads_now:
            raise self._moved(heads, heads_now)
        yield from self._watched(steps, context)

    def _known_late(
        self, stack: ExitStack, steps_of: StepsOf, heads: Any, context: MigrationContext
    ) -> Iterator[RevisionStep | StampStep]:
        steps = list(steps_of(heads, context))
        if not any(isinstance(step, RevisionStep) for step in steps):
            yield from steps
            return
        self._guards = self._guarded(stack)
        heads_now = context.get_current_heads()
        if tuple(heads) != tuple(heads_now):
            raise self._moved(heads, heads_now)
        if self._passes(steps, heads):
            yield from self._watched(steps, context)

    def _moved(self, heads: Any, heads_now: Any) -> RefusedError:
        before, now = (", ".join(each) or "base" for each in (heads, heads_now))
        return RefusedError(
            f"Refused, nothing has run: the database was at {before} and is at {now} now. Another "
            "run has been faster. Run it again."
        )

    def _watched(
        self, steps: list[RevisionStep | StampStep], context: MigrationContext
    ) -> Iterator[RevisionStep | StampStep]:
        recorder = self._recorder(steps)
        watch = Watch(
            context,
            self._settings,
            self._translate,
            self._plan,
            self._guards,
            self._preflight,
            self._default_schema,
            recorder,
        )
        if recorder is not None:
            self._recorders.append(recorder)
            recorder.open()
            self._stack.enter_context(seldom_collected())
        if not context.as_sql:
            self._stack.enter_context(listening())
        for step in steps:
            if isinstance(step, RevisionStep):
                step.migration_fn = watch.around(step)
            yield step
        if recorder is not None:
            recorder.flush()
        self._guards.check()

    def _recorder(self, steps: Iterable[RevisionStep | StampStep]) -> Recorder | None:
        """Return who records the steps, if anybody does."""
        context = self._context
        scripts = sum(isinstance(step, RevisionStep) for step in steps)
        if not self._settings.audit or context.as_sql or context.connection is None or not scripts:
            return None
        return Recorder(context, self._settings, scripts)

    def _passes(self, steps: Sequence[RevisionStep | StampStep], heads: Sequence[str]) -> bool:
        """Hold the steps against the gates; return whether they are to be run."""
        scripts = [step for step in steps if isinstance(step, RevisionStep)]
        if not scripts or not _needs_a_plan(self._settings):
            return True
        plan, report = self.plan(scripts, heads)
        self._plan = plan
        if self._settings.dry_run:
            self._show(plan, report)
            return False
        if not report.passed:
            from alembic_zanith.reports.refusal import refusal_text

            recorder = self._recorder(steps)
            if recorder is not None:
                recorder.refused(plan, report, {s.revision.revision: s.revision for s in scripts})
            raise RefusedError(refusal_text(plan, report))
        for warning in report.warnings:
            log.warning("%s", warning)
        return True

    def _show(self, plan: Plan, report: GateReport) -> None:
        from alembic_zanith.reports.plan_report import Layout, PlanReport
        from alembic_zanith.reports.plan_terminal import terminal_text

        text = terminal_text([PlanReport(plan, report)], Layout())
        config = self._context.config
        if config is None:
            sys.stdout.write(f"{text}\n")
        else:
            config.print_stdout(text)

    def plan(
        self, steps: Sequence[RevisionStep], heads: Sequence[str] | None
    ) -> tuple[Plan, GateReport]:
        """Return what the steps would do, and what the gates say of it."""
        recording = Recording(
            self._context.dialect,
            not steps[0].is_upgrade,
            self._context,
            self._arguments,
            self._translate,
            with_sql=self._wants_sql,
            default_schema=self._default_schema,
        )
        plan = self._source()([step.revision for step in steps], recording)
        connection = None if self._context.as_sql else self._context.connection
        if connection is not None:
            began = not connection.in_transaction()
            plan = with_live_facts(plan, connection, ceilings(self._settings))
        name = database_of(self._context, self._arguments)
        server = plan.facts.get("server")
        receipt = wrong_with_receipt(self._settings, steps, heads, server, name)
        report = check(plan, self._settings, receipt)
        report = replace(report, refusals=(*self._without_a_transaction(), *report.refusals))
        if connection is not None:
            if self._preflight is not None:
                report = self._preflight.before_run(plan, report, connection)
            if began:
                connection.rollback()
        return plan, report

    @cached_property
    def _default_schema(self) -> str | None:
        """Where names without a schema are looked up."""
        connection = self._context.connection
        if self._context.as_sql or connection is None:
            return "public"
        found = scalar(connection, "SELECT pg_catalog.current_schema()")
        return None if found is None else str(found)

    def _source(self) -> Callable[[Iterable[Script], Recording], Plan]:
        if self._settings.plan is not PlanSource.STATIC:
            return record
        from alembic_zanith.plan.from_text import read

        return read

    def _wants_sql(self, assessment: Assessment) -> bool:
        """Whether it is to be shown, or may have rows in its way."""
        if self._settings.dry_run:
            return True
        return self._preflight is not None and may_be_probed(assessment)

    def _without_a_transaction(self) -> Iterator[Refusal]:
        connection = self._context.connection
        if self._context.as_sql or connection is None or not self._settings.require_transaction:
            return
        if is_autocommit(connection):
            yield Refusal(
                Gate.TRANSACTION,
                "each statement is committed by itself, so that what a failed migration has done "
                "would stay",
                "Connect without isolation_level='AUTOCOMMIT' in env.py; a statement that needs "
                "it, such as CREATE INDEX CONCURRENTLY, has op.get_context().autocommit_block().",
            )


def ceilings(settings: Settings) -> Ceilings:
    """Return the configured ceilings."""
    return Ceilings(settings.max_rewrite_rows, settings.max_scan_rows, settings.max_lost_rows)


def _timeout(settings: Settings, name: str) -> Timeout | None:
    milliseconds = getattr(settings, name)
    if milliseconds is None:
        return None
    # What nobody has set gives way to a shorter one that the project has set in another way.
    is_default = milliseconds == SETTINGS[name].default_in(settings.mode)
    return Timeout(milliseconds, is_default)


def _needs_a_plan(settings: Settings) -> bool:
    """Whether anything can be refused, or is to be shown."""
    lenient = settings.max_risk >= Level.BLOCKED.score and settings.allow_destructive
    return (
        settings.dry_run
        or settings.preflight
        or receipt_asked(settings, is_downgrade=False) is ShadowCheck.REQUIRED
        or not lenient
        or ceilings(settings) != Ceilings()
    )


def plan_steps(
    context: MigrationContext,
    settings: Settings,
    steps: Sequence[RevisionStep],
    arguments: dict[str, Any],
    heads: Sequence[str] | None,
) -> tuple[Plan, GateReport]:
    """Return what steps would do in a context, and what the gates say of it. Nothing is run.

    `arguments` are for the scripts. There has to be a step. `heads` is where the database stands;
    None where nobody knows.
    """
    # In a dry run all of the SQL is wanted, as it is here.
    return _GatedRun(context, replace(settings, dry_run=True), arguments).plan(steps, heads)
