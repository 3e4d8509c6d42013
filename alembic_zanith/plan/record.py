"""The recording pass: scripts are called once with a connection that runs nothing."""

from __future__ import annotations

import inspect
import io
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from alembic.operations import MigrateOperation
from alembic.operations.ops import ExecuteSQLOp
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy.engine import Dialect

from alembic_zanith import hooks
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.plan_facts import PlanFacts
from alembic_zanith.risk.reading import changes_of, is_registered
from alembic_zanith.risk.statements import changes_in

from .model import Plan, PlannedOperation, PlannedRevision
from .source import possible_calls
from .stand_in import NeedsDatabase, StandIn


def record(scripts: Iterable[Script], dialect: Dialect, *, is_downgrade: bool = False) -> Plan:
    """Call `upgrade()` (or `downgrade()`) of each script, and return what it would do.

    Nothing is executed. A script that needs a database is recorded up to there.
    """
    facts = PlanFacts()
    function = "downgrade" if is_downgrade else "upgrade"
    recorded = (_Recorder(script, function, dialect, facts).run() for script in scripts)
    return Plan(tuple(recorded), is_downgrade)


class _Recorder:
    """Records one script."""

    def __init__(self, script: Script, function: str, dialect: Dialect, facts: PlanFacts) -> None:
        self._script = script
        self._function = function
        self._facts = facts
        self._operations: list[PlannedOperation] = []
        self._written = io.StringIO()
        self._depth = 0
        self._last_line = 0
        self._context = MigrationContext(
            dialect, None, {"as_sql": True, "output_buffer": self._written}
        )
        # What op.get_bind() returns, and all other ways to it.
        self._context.connection = StandIn(dialect, self._statement)  # type: ignore[assignment]

    def run(self) -> PlannedRevision:
        """Return what the script does."""
        ended = None
        call: Callable[[], Any] = getattr(self._script.module, self._function)
        with hooks.op_of(self._context), hooks.watching(self._operation):
            try:
                call()
            except NeedsDatabase as reason:
                ended = str(reason)
            except Exception as error:  # of the script: anything at all
                ended = f"it raises {type(error).__name__}: {error}"
        return PlannedRevision(
            self._script.revision,
            self._script.path,
            self._script.doc,
            tuple(self._operations),
            ended,
            () if ended is None else self._possible(),
        )

    def _operation(self, operation: MigrateOperation, invoke: Callable[[], Any]) -> Any:
        if self._depth:  # what the implementation of another operation calls
            return invoke()
        known = is_registered(operation)
        start = self._written.tell()
        self._depth += 1
        try:
            # Operations of ours refuse to be written as SQL, and none of their results is needed.
            result = invoke() if not hasattr(operation, "kind") else None
        finally:
            self._depth -= 1
        sql = self._written.getvalue()[start:].strip()
        self._note(
            operation_name(operation),
            changes_of(operation) if known or not sql else changes_in(sql),
            sql,
        )
        return result

    def _statement(self, statement: Any) -> str:
        sql = str(statement)
        self._note("connection.execute", changes_of(ExecuteSQLOp(statement)), sql)
        return sql

    def _note(self, name: str, changes: Any, sql: str) -> None:
        line = self._line()
        self._last_line = max(self._last_line, line or 0)
        assessment = self._facts.refine(Assessment.of(name, changes), self._script.revision)
        self._operations.append(PlannedOperation(assessment, sql, line))

    def _line(self) -> int | None:
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if frame.f_code.co_filename == self._script.path:
                return frame.f_lineno
            frame = frame.f_back
        return None

    def _possible(self) -> Any:
        try:
            source = Path(self._script.path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            source = inspect.getsource(self._script.module)
        return possible_calls(source, self._function, self._last_line)


def operation_name(operation: MigrateOperation) -> str:
    """Return the name of an operation on `op`: `drop_column` of a `DropColumnOp`."""
    name = type(operation).__name__.removesuffix("Op")
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
