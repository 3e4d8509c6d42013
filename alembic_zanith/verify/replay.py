"""The project's scripts, run on the shadow with what env.py has configured for production."""

from __future__ import annotations

import functools
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool

from alembic_zanith import hooks
from alembic_zanith.config import DestructiveOps, Mode, Settings, ShadowCheck
from alembic_zanith.drivers import drivers_refusing
from alembic_zanith.enforcement.guards import Guards
from alembic_zanith.enforcement.protect import protect
from alembic_zanith.enforcement.rehearsal import rehearsing
from alembic_zanith.enforcement.watch import Watch
from alembic_zanith.errors import ZanithError
from alembic_zanith.failures import reason_of
from alembic_zanith.locking.connections import driver_connection
from alembic_zanith.plan.record import Translate
from alembic_zanith.plan.scripts import source_of
from alembic_zanith.plan.source import opens_connections
from alembic_zanith.redaction import one_line
from alembic_zanith.sql import scalar
from alembic_zanith.steps import StepsListener, listening

from .quiet import warnings_only

if TYPE_CHECKING:
    from alembic.script import Script
    from sqlalchemy import Connection

# What belongs to the run of env.py, and not to that on the shadow.
_OF_THE_RUN = ("dont_mutate", "destination_rev", "starting_rev", "as_sql", "output_buffer", "purge")


class ScriptFailedError(ZanithError):
    """A script did not come to its end. What it raised is the `__cause__`."""

    def __init__(self, script: Script, direction: str, reason: str) -> None:
        super().__init__(f"{direction}() of revision {script.revision} failed: {reason}.")
        self.script = script


class ReachesElsewhereError(ZanithError):
    """A script would reach another database than the shadow."""


class Guarding(Protocol):
    """Who looks at the database around each script."""

    def before(self, connection: Connection) -> None:
        """Look at it before the script runs."""

    def after(self, connection: Connection) -> None:
        """Raise `ZanithError` if the script has done what is to be rolled back."""


@dataclass
class ScriptRunner:
    """The project on a shadow: runs scripts there, as production would run them.

    `production` is the context that env.py has configured. `guard` looks at what a script does.
    """

    production: MigrationContext
    connection: Connection
    settings: Settings
    arguments: Mapping[str, Any] = field(default_factory=dict)
    guard: Guarding | None = None
    version_table_schema: str | None = None

    def context(self) -> MigrationContext:
        """Return a new context on the shadow, with the options of production's."""
        options = {k: v for k, v in self.production.opts.items() if k not in _OF_THE_RUN}
        options["version_table_schema"] = self.version_table_schema
        return MigrationContext.configure(
            connection=self.connection,
            environment_context=self.production.environment_context,
            opts=options,
        )

    def run(
        self,
        steps: Sequence[RevisionStep],
        listeners: Sequence[StepsListener] = (),
        on_script: Callable[[Script], None] | None = None,
    ) -> None:
        """Run scripts. `on_script` is called before each, in its transaction.

        Raises `ScriptFailedError`, and `ReachesElsewhereError` for a script that would get away
        from the shadow; what env.py's own options leave committed stays.
        """
        if not steps:
            return
        for step in steps:
            self._require_to_stay(step)
        context = self.context()
        context.opts["fn"] = context._migrations_fn = lambda heads, _: iter(steps)
        watch = _lenient_watch(context, self.settings, listeners)
        around = functools.partial(self._around, watch, on_script)
        with (
            hooks.op_of(context),
            listening(),
            _kept_in(self.connection),
            rehearsing(around),
            warnings_only("alembic.zanith", "alembic.runtime.migration"),
        ):
            try:
                with context.begin_transaction():
                    context.run_migrations(**self.arguments)
            except BaseException:
                self._end()
                raise
        self._end()

    def _around(
        self, watch: Watch, on_script: Callable[[Script], None] | None, step: RevisionStep
    ) -> Callable[..., None]:
        script = step.revision
        watched = watch.around(step)

        def call(**arguments: Any) -> None:
            if on_script is not None:
                on_script(script)
            try:
                with self._guarded():
                    watched(**arguments)
            except (ReachesElsewhereError, KeyboardInterrupt, GeneratorExit, CancelledError):
                raise
            except BaseException as error:  # sys.exit() too
                direction = "upgrade" if step.is_upgrade else "downgrade"
                raise ScriptFailedError(script, direction, reason_of(error)) from error

        return call

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Have the guard look at the end of a script, and before each COMMIT of it."""
        if self.guard is None:
            yield
            return
        guard, connection = self.guard, self.connection
        guard.before(connection)
        event.listen(connection, "commit", guard.after)
        try:
            yield
        finally:
            event.remove(connection, "commit", guard.after)
        guard.after(connection)

    def _end(self) -> None:
        """Leave no transaction open, whatever has happened."""
        if self.connection.in_transaction() and not self.connection.invalidated:
            self.connection.rollback()

    def _require_to_stay(self, step: RevisionStep) -> None:
        function = "upgrade" if step.is_upgrade else "downgrade"
        calls = opens_connections(source_of(step.revision), function)
        if calls:
            call = calls[0]
            raise ReachesElsewhereError(
                f"Revision {step.revision.revision}, line {call.line}: {call.source} would reach a "
                "database or a program by itself, and nothing could keep it away from "
                "production. It was not run. Use op.get_bind() in its place."
            )


def _lenient_watch(
    context: MigrationContext, settings: Settings, listeners: Sequence[StepsListener]
) -> Watch:
    """Return a second layer with the gates off, which parks what production's would park."""
    lenient = replace(
        settings,
        mode=Mode.DEV,
        max_risk=100,
        allow_destructive=True,
        preflight=False,
        max_rewrite_rows=None,
        max_scan_rows=None,
        max_lost_rows=None,
        shadow_check=ShadowCheck.OFF,
        shadow_verified=False,
    )
    translate: Translate | None = None
    if settings.destructive_ops is DestructiveOps.PROTECT:
        translate = functools.partial(protect, retention_days=settings.retention_days)
    assert context.connection is not None
    schema = scalar(context.connection, "SELECT pg_catalog.current_schema()")
    context.connection.rollback()
    return Watch(context, lenient, translate, None, Guards(), None, schema, None, listeners)


_SHADOW: ContextVar[Connection | None] = ContextVar("zanith_shadow", default=None)


@contextmanager
def _kept_in(connection: Connection) -> Iterator[None]:
    """Let nothing in the block reach another database by SQLAlchemy than the shadow."""
    token = _SHADOW.set(connection)
    event.listen(Engine, "do_connect", _refuse_to_connect)
    event.listen(Engine, "before_cursor_execute", _refuse_elsewhere)
    event.listen(Pool, "checkout", _refuse_to_take)
    try:
        with drivers_refusing(_by_driver, _is_shadows), hooks.checking_pooled(_refuse_pooled):
            yield
    finally:
        event.remove(Pool, "checkout", _refuse_to_take)
        event.remove(Engine, "do_connect", _refuse_to_connect)
        event.remove(Engine, "before_cursor_execute", _refuse_elsewhere)
        _SHADOW.reset(token)


def _by_driver() -> ReachesElsewhereError:
    return ReachesElsewhereError(
        "A script, or what it imports, connects to a database with a driver, or uses a connection "
        "of one, which could be production's. It was kept from that. Use op.get_bind() in its "
        "place."
    )


def _is_shadows(connection: Any) -> bool:
    kept = _SHADOW.get()
    return kept is None or connection is driver_connection(kept)


def _refuse_pooled(pooled: Any) -> None:
    """Refuse a cursor of a connection that another engine has made, however long ago."""
    kept = _SHADOW.get()
    if kept is not None and pooled._pool is not kept.engine.pool:
        raise ReachesElsewhereError(
            "A script takes the connection of another engine than the shadow's, which could be "
            "production's. It was kept from that. Use op.get_bind() in its place."
        )


# SQLAlchemy looks at the names of the arguments.
def _refuse_to_take(dbapi_connection: Any, connection_record: Any, connection_proxy: Any) -> None:
    _refuse_pooled(connection_proxy)


def _refuse_to_connect(dialect: Any, conn_rec: Any, cargs: Any, cparams: Any) -> None:
    kept = _SHADOW.get()
    if kept is not None and dialect is not kept.dialect:
        raise ReachesElsewhereError(
            "A script connects to a database by itself, which could be production. It was kept "
            "from that. Use op.get_bind() in its place."
        )


def _refuse_elsewhere(
    conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    kept = _SHADOW.get()
    if kept is not None and conn.engine.dialect is not kept.dialect:
        raise ReachesElsewhereError(
            "A script uses another connection than that of the shadow, which could be "
            f"production's, for: {one_line(statement)}. It was kept from that. Use op.get_bind()."
        )
