"""Tells one step from the next while a script runs."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from alembic_zanith import hooks
from alembic_zanith.plan.model import Suppression
from alembic_zanith.plan.scripts import (
    changes_in_schemas,
    is_ours,
    operation_name,
    schemas_of,
)
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.raw import Harmless
from alembic_zanith.risk.reading import is_registered
from alembic_zanith.sql import counting_rows, is_unheard

from .cursors import WatchedCursor
from .events import Hears, heard_by
from .model import Step
from .statements import changes_of_statement

if TYPE_CHECKING:
    from alembic.operations import MigrateOperation
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection


class StepsListener(Protocol):
    """Who wants to know of each step. `ended` is told of those only that may change something."""

    def began(self, step: Step) -> None:
        """Hear that a step has begun."""

    def sending(self, step: Step, statement: str) -> None:
        """Hear of a statement before it is sent, or refuse it."""

    def ended(self, step: Step) -> None:
        """Hear that it is over; `step.error` says if it failed."""


class Guard(Hears, Protocol):
    """Who has a say in what is run: the second layer of the gates."""

    def operation(self, operation: MigrateOperation, invoke: hooks.Invoke) -> Any:
        """Invoke an operation, or another one in its place, or refuse it."""

    def statement_of_cursor(self, statement: str) -> None:
        """Refuse a statement that a script sends with a cursor of the driver's own, or do not."""


class Steps:
    """The steps of one script after the other.

    A `guard`, where there is one, is asked before anything is run.
    """

    def __init__(
        self,
        context: MigrationContext,
        listeners: Sequence[StepsListener],
        guard: Guard | None = None,
    ) -> None:
        self._context = context
        self._listeners = listeners
        self._guard = guard
        self._schemas = schemas_of(context)
        self._open: Step | None = None
        self._is_statement = False
        self._paused = 0
        # What batches have put off until their block ends, with what is still to come of each.
        self._put_off = list[tuple[Step, Counter[Change]]]()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what is done in the block, which is that of one script."""
        self._put_off.clear()
        with (
            heard_by(self),
            hooks.watching(self._operation),
            hooks.watching_cursors(functools.partial(WatchedCursor, self._cursor)),
        ):
            yield

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out what is asked in the block: it is not the script's."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1

    def judged(self, assessment: Assessment, allowed_by: tuple[Suppression, ...] = ()) -> None:
        """Note what the step that is going on amounts to, or one more statement of it."""
        step = self._open
        if step is None:
            return
        if step.assessment is not None:
            findings = (*step.assessment.findings, *assessment.findings)
            assessment = replace(step.assessment, findings=findings)
        step.assessment = assessment
        step.allowed_by += allowed_by

    # -- operations ----------------------------------------------------------------------

    def _operation(self, operation: MigrateOperation, invoke: hooks.Invoke) -> Any:
        if self._open is not None or self._paused:  # what another operation calls
            return self._guarded(operation, invoke)
        step = self._begin(Step(operation_name(operation), operation, is_own=is_ours(operation)))
        try:
            with counting_rows(step.add_rows):
                result = self._guarded(operation, invoke)
        except BaseException as error:
            self._end(step, error)
            raise
        self._end(step)
        return result

    def _guarded(self, operation: MigrateOperation, invoke: hooks.Invoke) -> Any:
        return (
            invoke(operation) if self._guard is None else self._guard.operation(operation, invoke)
        )

    def _begin(self, step: Step) -> Step:
        self._open, self._is_statement = step, False
        for listener in self._listeners:
            listener.began(step)
        return step

    def _end(self, step: Step, error: BaseException | None = None) -> None:
        self._open = None
        step.end(error)
        if step.assessment is None:
            step.assessment = Assessment.of(step.operation, self._changes(step))
        if error is None and not step.statements and step.source is not None:
            changes = Counter(each.change for each in step.assessment.findings)
            if changes:
                self._put_off.append((step, changes))
        else:
            step.source = None  # it may hold whole tables
        findings = step.assessment.findings
        if error is not None or not all(type(each.change) is Harmless for each in findings):
            for listener in self._listeners:
                listener.ended(step)

    def _changes(self, step: Step) -> tuple[Change, ...]:
        if step.source is not None and is_registered(step.source):
            return changes_in_schemas(step.source, self._schemas)
        dialect = self._context.dialect
        return tuple(c for text in step.statements for c in changes_of_statement(text, dialect))

    # -- statements ----------------------------------------------------------------------

    def statement(self, connection: Connection, statement: str) -> str:
        """See a statement off; see `Hears`."""
        if self._paused or (is_unheard() and self._open is not None and self._open.is_own):
            return statement
        if self._open is not None:
            return self._let_pass(connection, statement, self._open)
        step = self._resumed(connection, statement) or self._begin(Step("connection.execute"))
        try:
            passed = self._let_pass(connection, statement, step)
        except BaseException as error:
            self._close_statement(step, error)
            raise
        # Only now: what a guard does in its place has statements too.
        self._is_statement = True
        return passed

    def _let_pass(self, connection: Connection, statement: str, step: Step) -> str:
        self._tell(step, statement)
        return statement if self._guard is None else self._guard.statement(connection, statement)

    def _tell(self, step: Step, statement: str) -> None:
        step.statements.append(statement)
        for listener in self._listeners:
            listener.sending(step, statement)

    def _resumed(self, connection: Connection, statement: str) -> Step | None:
        """Return the operation of a batch that a statement belongs to, if there is one."""
        if not self._put_off:
            return None
        changes = changes_of_statement(statement, connection.dialect)
        for number, (step, rest) in enumerate(self._put_off):
            if any(change in rest for change in changes):
                rest.subtract(changes)
                if not +rest:
                    del self._put_off[number]
                step.resume()
                self._open, self._is_statement = step, False
                return step
        return None

    def executed(self, statement: str, rows: int) -> None:
        """Hear that a statement is done."""
        if self._guard is not None:
            self._guard.executed(statement, rows)
        if self._paused or self._open is None:
            return
        self._open.count(statement, rows)
        if self._is_statement:
            self._close_statement(self._open)

    def failed(self, error: BaseException) -> None:
        """Hear that a statement has failed."""
        if self._guard is not None:
            self._guard.failed(error)
        if not self._paused and self._open is not None and self._is_statement:
            self._close_statement(self._open, error)

    def _close_statement(self, step: Step, error: BaseException | None = None) -> None:
        if step.source is None:
            self._end(step, error)
            return
        # Its listeners have heard of it when it was put off.
        self._open = None
        step.end(error)

    def ended(self, *, rolled_back: bool) -> None:
        """Hear that a transaction has ended."""
        if self._guard is not None and not self._paused:
            self._guard.ended(rolled_back=rolled_back)

    def _cursor(self, statement: str, cursor: Any, send: Any) -> Any:
        if self._open is not None or self._paused:
            if self._guard is not None:
                self._guard.statement_of_cursor(statement)
            return send()
        step = self._begin(Step("cursor.execute"))
        try:
            self._tell(step, statement)
            if self._guard is not None:
                self._guard.statement_of_cursor(statement)
            result = send()
        except BaseException as error:
            self._end(step, error)
            raise
        step.count(statement, getattr(cursor, "rowcount", -1))
        self._end(step)
        return result
