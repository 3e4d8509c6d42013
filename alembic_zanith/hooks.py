"""All wrapping of Alembic internals, each with the documented extension point that fell short.

`install()` may be called any number of times, also after this module was loaded anew: what is
wrapped already is unwrapped first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from alembic import op
from alembic.operations import Operations
from alembic.operations.base import AbstractOperations
from alembic.operations.batch import BatchOperationsImpl
from alembic.runtime import plugins
from alembic.runtime.migration import MigrationContext

from .errors import ZanithError

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import MigrateOperation
    from alembic.runtime.migration import RevisionStep

_ORIGINAL = "_zanith_original"
_REVISION = "_zanith_revision"
_IS_DOWNGRADE = "_zanith_is_downgrade"

NameFilter = Callable[[str | None, str, dict[str, Any]], bool]


def install() -> None:
    """Put the wraps in place that `import alembic_zanith` needs."""
    _wrap(MigrationContext, "run_migrations", _noting_revisions)
    _wrap(AbstractOperations, "invoke", _telling_the_watcher)


def _wrap(owner: type, name: str, decorate: Callable[[Callable[..., Any]], Any]) -> None:
    current = getattr(owner, name)
    original = getattr(current, _ORIGINAL, current)
    wrapper = decorate(original)
    setattr(wrapper, _ORIGINAL, original)
    setattr(owner, name, wrapper)


def _noting_revisions(original: Callable[..., None]) -> Callable[..., None]:
    """Wrap `MigrationContext.run_migrations`: while a step runs, the context knows which.

    An operation sees its `MigrationContext`, which does not say whose script is calling it. The
    documented hook for steps, `on_version_apply`, comes only after the step, and has to be given
    to `context.configure()` in env.py.
    """

    @functools.wraps(original)
    def run_migrations(self: MigrationContext, **kw: Any) -> None:
        steps_of = self._migrations_fn
        if steps_of is None:
            original(self, **kw)
            return

        def noted(heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
            for step in steps_of(heads, context):
                setattr(context, _REVISION, step.info.up_revision_id)
                setattr(context, _IS_DOWNGRADE, not step.info.is_upgrade)
                yield step

        self._migrations_fn = noted
        try:
            original(self, **kw)
        finally:
            self._migrations_fn = steps_of
            setattr(self, _REVISION, None)
            setattr(self, _IS_DOWNGRADE, False)

    return run_migrations


Invoke = Callable[[], Any]
Watcher = Callable[["MigrateOperation", Invoke], Any]
_WATCHER: ContextVar[Watcher | None] = ContextVar("zanith_watcher", default=None)


def _telling_the_watcher(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `AbstractOperations.invoke`: who watches is handed each operation, to invoke it or not.

    Every operation goes through here, those of other plugins and of batches too. The documented
    place, a subclass of `Operations`, is never used for the `op` that scripts import.
    """

    @functools.wraps(original)
    def invoke(self: AbstractOperations, operation: MigrateOperation) -> Any:
        watcher = _WATCHER.get()
        if watcher is None:
            return original(self, operation)
        return watcher(operation, functools.partial(original, self, operation))

    return invoke


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Hand every operation that is invoked in the block to a function."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


@contextmanager
def op_of(context: MigrationContext) -> Iterator[None]:
    """Have the `op` that scripts import work on another context while the block runs.

    The documented `Operations.context()` cannot be used inside itself: it leaves no `op` at all
    behind, and does so not even where the block fails.
    """
    outer: Operations | None = getattr(op, "_proxy", None)
    inner = Operations(context)
    inner._install_proxy()
    try:
        yield
    finally:
        inner._remove_proxy()
        if outer is not None:
            outer._install_proxy()


def current_revision(context: MigrationContext) -> str | None:
    """Return the id of the revision whose upgrade() or downgrade() is running, if any."""
    revision: str | None = getattr(context, _REVISION, None)
    return revision


def is_downgrade(context: MigrationContext) -> bool:
    """Tell whether it is the downgrade() of a revision that is running."""
    return bool(getattr(context, _IS_DOWNGRADE, False))


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


def autogenerate_plugin(name: str) -> plugins.Plugin:
    """Return a new Alembic plugin of this name, in place of one from an earlier import.

    `Plugin(name)` refuses a name that is taken, and nothing documented finds the one that has it.
    """
    existing = plugins._all_plugins.get(name)
    if existing is not None:
        existing.remove()
    return plugins.Plugin(name)
