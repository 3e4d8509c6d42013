"""A run of migrations that no gate is in the way of, because it is on a shadow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from alembic.runtime.migration import RevisionStep

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, StampStep

    from alembic_zanith.hooks import Run, StepsOf

Around = Callable[[RevisionStep], Callable[..., None]]
_AROUND: ContextVar[Around | None] = ContextVar("zanith_rehearsal", default=None)


@contextmanager
def rehearsing(around: Around) -> Iterator[None]:
    """Have the scripts that are run in the block called by what `around` returns for each."""
    token = _AROUND.set(around)
    try:
        yield
    finally:
        _AROUND.reset(token)


def is_rehearsal() -> bool:
    """Whether migrations are run on a shadow."""
    return _AROUND.get() is not None


def rehearse(steps_of: StepsOf, run: Run) -> None:
    """Run migrations as who rehearses wants it."""
    around = _AROUND.get()
    assert around is not None

    def given(heads: Any, context: MigrationContext) -> Iterator[RevisionStep | StampStep]:
        for step in steps_of(heads, context):
            if isinstance(step, RevisionStep):
                step.migration_fn = around(step)
            yield step

    run(given)
