"""All wrapping of Alembic internals, each with the documented extension point that fell short.

`install()` may be called any number of times, also after this module was loaded anew: what is
wrapped already is unwrapped first.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from alembic import context as environment_proxy
from alembic import op
from alembic.operations import Operations
from alembic.operations.base import AbstractOperations
from alembic.operations.batch import BatchOperationsImpl
from alembic.runtime import plugins
from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.pool.base import _ConnectionFairy

from .errors import ZanithError

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import MigrateOperation
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import StampStep

_ORIGINAL = "_zanith_original"
_REVISION = "_zanith_revision"
_IS_DOWNGRADE = "_zanith_is_downgrade"
_AT_END = "_zanith_at_end"

NameFilter = Callable[[str | None, str, dict[str, Any]], bool]


Steps = Iterable["RevisionStep | StampStep"]
StepsOf = Callable[[Any, "MigrationContext"], Steps]
Run = Callable[[StepsOf], None]
AroundRun = Callable[["MigrationContext", StepsOf, Run, "dict[str, Any]"], None]


def install(around_run: AroundRun | None = None) -> None:
    """Put the wraps in place that `import alembic_zanith` needs.

    `around_run` is called in place of every run of migrations, with the context, the function
    that gives the steps, one that runs what such a function gives, and what env.py hands to the
    scripts.
    """
    _wrap(MigrationContext, "run_migrations", functools.partial(_noting_revisions, around_run))
    _wrap(AbstractOperations, "invoke", _telling_the_watcher)
    _wrap(_ConnectionFairy, "cursor", _watching_cursors)


def _wrap(owner: type, name: str, decorate: Callable[[Callable[..., Any]], Any]) -> None:
    current = getattr(owner, name)
    original = getattr(current, _ORIGINAL, current)
    wrapper = decorate(original)
    setattr(wrapper, _ORIGINAL, original)
    setattr(owner, name, wrapper)


def _noting_revisions(
    around_run: AroundRun | None, original: Callable[..., None]
) -> Callable[..., None]:
    """Wrap `MigrationContext.run_migrations`: it is the one place that all runs go through.

    Something has to come before the current revision is read, and before each script: the
    documented hook for steps, `on_version_apply`, comes only after the step, and has to be given
    to `context.configure()` in env.py. And while a step runs, the context knows which: an
    operation sees its `MigrationContext`, which does not say whose script is calling it.
    """

    @functools.wraps(original)
    def run_migrations(self: MigrationContext, **kw: Any) -> None:
        steps_of = self._migrations_fn
        if steps_of is None:
            original(self, **kw)
            return

        def run(given: StepsOf) -> None:
            def noted(heads: Any, context: MigrationContext) -> Iterator[RevisionStep | StampStep]:
                for step in given(heads, context):
                    setattr(context, _REVISION, step.info.up_revision_id)
                    setattr(context, _IS_DOWNGRADE, not step.info.is_upgrade)
                    if isinstance(step, RevisionStep):
                        step.migration_fn = _with_its_end(step.migration_fn, context)
                    yield step

            self._migrations_fn = noted  # type: ignore[assignment]  # stamps have steps as well
            try:
                original(self, **kw)
            finally:
                self._migrations_fn = steps_of
                setattr(self, _REVISION, None)
                setattr(self, _IS_DOWNGRADE, False)
                setattr(self, _AT_END, None)

        if around_run is None:
            run(steps_of)
        else:
            around_run(self, steps_of, run, kw)

    return run_migrations


def _with_its_end(call: Callable[..., Any], context: MigrationContext) -> Callable[..., Any]:
    """Have what operations have put off done behind the function of a script.

    It is done in the transaction in which Alembic then writes the version. `on_version_apply`
    comes after that, and belongs to env.py.
    """

    @functools.wraps(call)
    def whole(*args: Any, **kw: Any) -> None:
        put_off: dict[str, Callable[[], None]] = {}
        setattr(context, _AT_END, put_off)
        try:
            call(*args, **kw)
        except PendingRollbackError as error:
            # The end of an `autocommit_block()`, which works on a connection that is lost by then.
            meant = _own_error_behind(error)
            if meant is None:
                raise
            raise meant from meant.__cause__
        for work in put_off.values():
            work()

    return whole


def _own_error_behind(error: BaseException) -> ZanithError | None:
    """Return the error of ours that another one came after, and hides."""
    behind = error.__context__
    while behind is not None and not isinstance(behind, ZanithError):
        behind = behind.__context__
    return behind


def at_end_of_revision(context: MigrationContext) -> dict[str, Callable[[], None]] | None:
    """Return what is put off until the function of the running script has come to its end.

    Whoever puts something there does so under a name, which tells whether it is there already.
    None where no script is running.
    """
    found: dict[str, Callable[[], None]] | None = getattr(context, _AT_END, None)
    return found


Invoke = Callable[["MigrateOperation"], Any]
Watcher = Callable[["MigrateOperation", Invoke], Any]
_WATCHER: ContextVar[Watcher | None] = ContextVar("zanith_watcher", default=None)


def _telling_the_watcher(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `AbstractOperations.invoke`: who watches is handed each operation, to invoke it, another
    one or none.

    Every operation goes through here, those of other plugins and of batches too. The documented
    place, a subclass of `Operations`, is never used for the `op` that scripts import.
    """

    @functools.wraps(original)
    def invoke(self: AbstractOperations, operation: MigrateOperation) -> Any:
        watcher = _WATCHER.get()
        if watcher is None:
            return original(self, operation)
        return watcher(operation, functools.partial(original, self))

    return invoke


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Hand every operation that is invoked in the block to a function."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


Cursors = Callable[[Any], Any]
_CURSORS: ContextVar[Cursors | None] = ContextVar("zanith_cursors", default=None)
Check = Callable[[Any], None]
_CHECK: ContextVar[Check | None] = ContextVar("zanith_pooled", default=None)


def _watching_cursors(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the `cursor()` of pooled connections: who watches is handed each one of the driver's.

    `before_cursor_execute`, the documented event, does not see what a script sends with a cursor
    that it has got by `op.get_bind().connection.cursor()`. SQLAlchemy's own come from here too.
    """

    @functools.wraps(original)
    def cursor(self: Any, *args: Any, **kw: Any) -> Any:
        watcher, check = _CURSORS.get(), _CHECK.get()
        if watcher is None and check is None:
            return original(self, *args, **kw)
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller.startswith(("sqlalchemy.", "alembic_zanith.")):
            return original(self, *args, **kw)
        if check is not None:
            check(self)
        made = original(self, *args, **kw)
        return made if watcher is None else watcher(made)

    return cursor


@contextmanager
def watching_cursors(watcher: Cursors) -> Iterator[None]:
    """Hand every cursor that a script makes for itself in the block to a function."""
    token = _CURSORS.set(watcher)
    try:
        yield
    finally:
        _CURSORS.reset(token)


@contextmanager
def checking_pooled(check: Check) -> Iterator[None]:
    """Call a function with each pooled connection that a script wants a cursor of in the block."""
    token = _CHECK.set(check)
    try:
        yield
    finally:
        _CHECK.reset(token)


@contextmanager
def op_of(context: MigrationContext) -> Iterator[None]:
    """Have the `op` and `context` that scripts import work on another context in the block.

    The documented `Operations.context()` cannot be used inside itself: it leaves no `op` at all
    behind, and does so not even where the block fails. And nothing documented hands another
    `MigrationContext` to an `EnvironmentContext` than `configure()`, which makes a new one.
    """
    outer: Operations | None = getattr(op, "_proxy", None)
    environment: EnvironmentContext | None = getattr(environment_proxy, "_proxy", None)
    outer_context = None if environment is None else environment._migration_context
    inner = Operations(context)
    inner._install_proxy()
    if environment is not None:
        environment._migration_context = context
    try:
        yield
    finally:
        inner._remove_proxy()
        if outer is not None:
            outer._install_proxy()
        if environment is not None:
            environment._migration_context = outer_context


def current_revision(context: MigrationContext) -> str | None:
    """Return the id of the revision whose upgrade() or downgrade() is running, if any."""
    revision: str | None = getattr(context, _REVISION, None)
    return revision


def is_downgrade(context: MigrationContext) -> bool:
    """Tell whether it is the downgrade() of a revision that is running."""
    return bool(getattr(context, _IS_DOWNGRADE, False))


def begins_own_transaction(context: MigrationContext) -> bool:
    """Tell whether env.py has begun the transaction, as that of the template multidb does.

    `autocommit_block()` fails there with an AssertionError, and nothing documented tells before.
    """
    return bool(context._in_external_transaction)


def flush_batch(operations: AbstractOperations, operation: str) -> None:
    """Run what a batch has queued so far, so that an operation of ours comes after it.

    `batch_alter_table` queues its operations until the block ends, as calls of methods that
    Alembic's own implementation has. There is no documented way to queue anything else.

    Raises `ZanithError` for a batch that will copy the table: the copy would have none of what
    was parked.
    """
    batch = operations.impl
    if not isinstance(batch, BatchOperationsImpl):
        return
    if batch._should_recreate():
        raise ZanithError(
            f"{operation} cannot run in a batch with recreate={batch.recreate!r} on "
            f"{batch.table_name!r}: the table is copied, and what is parked would be lost with "
            "the old one. Move the call out of the batch, or leave out recreate."
        )
    batch.flush()
    batch.batch.clear()


def add_name_filter(context: AutogenContext, keep: NameFilter) -> None:
    """Hide names from autogenerate, beside what the project's own `include_name` hides.

    The documented way, `include_name`, belongs to env.py and is read before the first comparator
    of a plugin runs.
    """
    context._name_filters.append(keep)


def writes_a_revision(context: MigrationContext) -> bool:
    """Tell whether it is `alembic revision` that compares, and not `alembic check` or another.

    Both run env.py with the same arguments but for the function that is called for each database,
    and nothing documented says which command it is of: a program that calls `alembic.command` has
    no command line.
    """
    environment = context.environment_context
    asking = None if environment is None else environment.context_opts.get("fn")
    where = (getattr(asking, "__module__", ""), getattr(asking, "__qualname__", ""))
    return where == ("alembic.command", "revision.<locals>.retrieve_migrations")


def autogenerate_plugin(name: str) -> plugins.Plugin:
    """Return a new Alembic plugin of this name, in place of one from an earlier import.

    `Plugin(name)` refuses a name that is taken, and nothing documented finds the one that has it.
    """
    existing = plugins._all_plugins.get(name)
    if existing is not None:
        existing.remove()
    return plugins.Plugin(name)
