"""Runs that no gate is in the way of, recorded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from alembic.runtime.migration import RevisionStep

from alembic_zanith.audit.garbage import seldom_collected
from alembic_zanith.audit.recorder import Recorder
from alembic_zanith.config import Settings
from alembic_zanith.steps import Steps, listening

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, StampStep

    from alembic_zanith.hooks import Run, StepsOf


def recorded(context: MigrationContext, settings: Settings, steps_of: StepsOf, run: Run) -> None:
    """Run migrations and record them."""
    with ExitStack() as stack:
        recorders = list[Recorder]()

        def watched(heads: Any, context: MigrationContext) -> Iterator[RevisionStep | StampStep]:
            given = list(steps_of(heads, context))
            scripts = [step for step in given if isinstance(step, RevisionStep)]
            if not scripts:
                yield from given
                return
            recorder = Recorder(context, settings, len(scripts))
            recorders.append(recorder)
            recorder.open()
            stack.enter_context(listening())
            for step in given:
                if isinstance(step, RevisionStep):
                    step.migration_fn = _around(step, context, recorder)
                yield step
            recorder.flush()

        with failure_recorded(recorders), seldom_collected():
            run(watched)


def _around(
    step: RevisionStep, context: MigrationContext, recorder: Recorder
) -> Callable[..., None]:
    call = step.migration_fn
    steps = Steps(context, [recorder])

    @functools.wraps(call)
    def watched(**arguments: Any) -> None:
        recorder.begin(step.revision, not step.is_upgrade)
        with steps.watching():
            call(**arguments)
        recorder.end()

    return watched


@contextmanager
def failure_recorded(recorders: list[Recorder]) -> Iterator[None]:
    """Tell recorders of the error that ends a block; a list, for they are made in it."""
    try:
        yield
    except BaseException as error:
        for recorder in recorders:
            recorder.failed(error)
        raise
