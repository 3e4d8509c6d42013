"""The recording pass: scripts are called once with a connection that runs nothing."""

from __future__ import annotations

import copy
import gc
import io
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from traceback import walk_tb
from typing import Any, NoReturn

from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import CreateTableOp, ExecuteSQLOp
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import ExecutableDDLElement

from alembic_zanith import hooks
from alembic_zanith.failures import raised
from alembic_zanith.risk import operations as _entries  # noqa: F401 -- registers them
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.plan_facts import PlanFacts
from alembic_zanith.risk.reading import changes_of, is_registered
from alembic_zanith.risk.schemas import Schemas
from alembic_zanith.risk.statements import changes_in

from .model import Plan, PlannedOperation, PlannedRevision, PossibleCall
from .scripts import (
    changes_in_schemas,
    is_plain_sql,
    line_in,
    operation_name,
    schemas_of,
    source_of,
)
from .source import possible_calls, reaches_around
from .stand_in import NeedsDatabase, RecordingContext, StandIn, no_database
from .suppressions import Suppressions, read_suppressions

_BEHIND = "it stands behind the place where the recording of the script ended"

Translate = Callable[[MigrateOperation, PlanFacts], MigrateOperation]


@dataclass(frozen=True)
class Recording:
    """How scripts are to be recorded.

    `context` is the one that they will be run in, where there is one: its naming conventions and
    other options hold. `arguments` are what env.py hands to `run_migrations()`, and Alembic to the
    scripts.
    `translate` returns what will be run in place of an operation, after what the plan has done so
    far. `default_schema` is where names without a schema are looked up, as SELECT
    current_schema() says. `with_sql` tells of which operations the SQL is wanted: to write it takes
    most of the time.
    """

    dialect: Dialect
    is_downgrade: bool = False
    context: MigrationContext | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    translate: Translate | None = None
    with_sql: Callable[[Assessment], bool] = lambda _: True
    default_schema: str | None = "public"

    @property
    def function(self) -> str:
        """The function of a script that is called."""
        return "downgrade" if self.is_downgrade else "upgrade"

    @cached_property
    def schemas(self) -> Schemas:
        """The schemas that SQLAlchemy puts in place of those that scripts name."""
        return schemas_of(self.context)

    def translated(self, operation: MigrateOperation, facts: PlanFacts) -> MigrateOperation:
        """Return what will be run in place of an operation."""
        if self.translate is None or (self.schemas and isinstance(operation, ExecuteSQLOp)):
            return operation
        return self.translate(operation, facts)

    def changes_of(self, operation: MigrateOperation) -> tuple[Change, ...]:
        """Return what an operation changes in the schemas that it will be run in."""
        return changes_in_schemas(operation, self.schemas)


def record(scripts: Iterable[Script], recording: Recording) -> Plan:
    """Call `upgrade()` (or `downgrade()`) of each script once, and return what it would do.

    Nothing is executed, whatever the script tries. One that needs a database is recorded up to
    there; so is one that raises. What it prints is not shown, and it does not sleep.

    Example::

        record(directory.walk_revisions(), Recording(postgresql.dialect()))
    """
    facts = PlanFacts(recording.default_schema)
    with no_database(), hooks.watching_cursors(_refuse_cursor), quietly(), _uncollected():
        written = io.StringIO()
        context = _offline(recording, written)
        if recording.context is None or not recording.context.as_sql:
            context.looks_online()
        recorded = tuple(
            _Recorder(script, recording, context, written, facts).run() for script in scripts
        )
    return Plan(recorded, recording.is_downgrade)


def _offline(recording: Recording, written: io.StringIO) -> RecordingContext:
    """Return a context that writes SQL where the real one runs it."""
    real = recording.context
    options = {} if real is None else {**real.opts, "fn": None, "starting_rev": None}
    options.pop("output_encoding", None)
    options |= {"as_sql": True, "output_buffer": written}
    return RecordingContext(
        _plain(recording.dialect), None, options, None if real is None else real.environment_context
    )


def _plain(dialect: Dialect) -> Dialect:
    """Return a dialect whose SQL is as people read it: drivers want each % twice."""
    plain = copy.copy(dialect)
    plain.paramstyle, plain.positional = "named", False
    plain.identifier_preparer = plain.preparer(plain)
    return plain


def written(operation: MigrateOperation, context: MigrationContext) -> str:
    """Return the SQL that Alembic writes for an operation; empty where it cannot."""
    text = io.StringIO()
    with quietly(), suppress(Exception):
        offline = _offline(Recording(context.dialect, context=context), text)
        Operations(offline).invoke(operation)
    return text.getvalue().strip()


def _refuse_cursor(cursor: Any) -> NoReturn:
    raise NeedsDatabase("it uses a cursor of the driver")


@contextmanager
def quietly() -> Iterator[None]:
    """Show nothing that the block prints or Alembic logs, and let it not sleep."""
    chatter = logging.getLogger("alembic.runtime.migration")
    was_disabled, chatter.disabled = chatter.disabled, True
    sleep, recording = time.sleep, threading.get_ident()
    time.sleep = lambda seconds: None if threading.get_ident() == recording else sleep(seconds)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        time.sleep = sleep
        chatter.disabled = was_disabled


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let nobody look for garbage: nearly all that is made in the block lasts longer than it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Recorder:
    """Records one script."""

    def __init__(
        self,
        script: Script,
        recording: Recording,
        context: RecordingContext,
        written: io.StringIO,
        facts: PlanFacts,
    ) -> None:
        self._script = script
        self._written = written
        self._recording = recording
        self._facts = facts
        self._operations: list[PlannedOperation] = []
        self._depth = 0
        self._last_line = 0
        self._context = context
        # What op.get_bind() returns, and all other ways to it.
        stand_in = StandIn(recording.dialect, self._statement, self._ended)
        context.ended = self._ended
        context.connection = context.impl.connection = stand_in  # type: ignore[assignment]

    def run(self) -> PlannedRevision:
        """Return what the script does. One that may go around all this is not called."""
        source, function = source_of(self._script), self._recording.function
        if reaches_around(source, function):
            # Here, because most scripts do not.
            from .from_text import read_script

            return read_script(self._script, self._recording, self._facts)
        ended = None
        call: Callable[..., Any] = getattr(self._script.module, self._recording.function)
        with hooks.op_of(self._context), hooks.watching(self._operation):
            try:
                call(**self._recording.arguments)
            except NeedsDatabase as reason:
                ended = str(reason)
                stopped = self._stopped_at(reason)
            except (KeyboardInterrupt, GeneratorExit):
                raise
            except BaseException as error:  # of the script: anything at all
                ended = raised(error)
                stopped = self._stopped_at(error)
        if ended is not None:
            self._note_what_is_behind(stopped)
            self._facts.lose_track()
        used = {each for operation in self._operations for each in operation.allowed_by}
        return PlannedRevision(
            self._script.revision,
            self._script.path,
            self._script.doc,
            tuple(self._operations),
            ended,
            () if ended is None else self._possible(),
            self._suppressions.complaints(used if ended is None else self._suppressions.all),
        )

    def _stopped_at(self, error: BaseException) -> int:
        """Return the line of the script's function where its recording ended."""
        lines = [
            number
            for frame, number in walk_tb(error.__traceback__)
            if frame.f_code.co_filename == self._script.path
            and frame.f_code.co_name == self._recording.function
        ]
        return lines[-1] if lines else self._last_line

    def _note_what_is_behind(self, line: int) -> None:
        """Note what the text says of the rest, as far as nothing decides whether it runs."""
        # Here, because most scripts are recorded to their end.
        from .static import operations_in

        function, dialect = self._recording.function, self._recording.dialect
        found = operations_in(source_of(self._script), function, self._script.path, dialect)
        for each in found.operations:
            if each.line <= line or each.under is not None:
                continue
            operation = self._recording.translated(each.operation, self._facts)
            name = "connection.execute" if each.is_statement else operation_name(operation)
            changes = self._recording.changes_of(operation)
            assessment = self._assess(name, changes)
            findings = tuple(finding.noted(_BEHIND) for finding in assessment.findings)
            assessment = replace(assessment, findings=findings)
            self._append(assessment, each.sql, changes, each.line, is_behind=True)

    def _operation(self, operation: MigrateOperation, invoke: hooks.Invoke) -> Any:
        if self._depth:  # what the implementation of another operation calls
            return invoke(operation)
        operation = self._recording.translated(operation, self._facts)
        if not is_registered(operation):
            # Its SQL says what it does.
            result, sql = self._written_by(operation, invoke)
            self._note(
                operation_name(operation), changes_in(sql) if sql else changes_of(operation), sql
            )
            return result
        changes = self._recording.changes_of(operation)
        assessment = self._assess(operation_name(operation), changes)
        result, sql = None, ""
        # Others refuse to be written as SQL, and none of their results is needed.
        if is_plain_sql(operation):
            if self._recording.with_sql(assessment):
                # Some cannot be written, such as rows of a type without literals.
                with suppress(Exception):
                    result, sql = self._written_by(operation, invoke)
            elif isinstance(operation, CreateTableOp):  # whose result scripts use
                result = operation.to_table(self._context)
        self._append(assessment, sql, changes)
        return result

    def _written_by(self, operation: MigrateOperation, invoke: hooks.Invoke) -> tuple[Any, str]:
        start = self._written.tell()
        self._depth += 1
        try:
            result = invoke(operation)
            if self._written.tell() == start:  # a batch writes when its block ends
                Operations(self._context).invoke(operation)
        finally:
            self._depth -= 1
        # Alembic ends what it writes, a script may have done so, too.
        self._written.seek(start)
        text = self._written.read().strip()
        return result, f"{text.rstrip('; ')};" if text else ""

    def _statement(self, statement: Any) -> str:
        sql = self._text(statement)
        if self._depth:  # a type that an operation creates along with its table
            self._written.write(f"{sql};\n\n")
            return sql
        operation = self._recording.translated(ExecuteSQLOp(statement), self._facts)
        self._note("connection.execute", self._recording.changes_of(operation), sql)
        return sql

    def _ended(self, rolled_back: bool) -> None:
        self._facts.end_transaction(rolled_back=rolled_back)

    def _text(self, statement: Any) -> str:
        if isinstance(statement, ExecutableDDLElement):
            # Types of PostgreSQL have no words in SQLAlchemy's default dialect.
            return str(statement.compile(dialect=self._recording.dialect)).strip()
        return str(statement)

    def _note(self, name: str, changes: tuple[Change, ...], sql: str) -> None:
        self._append(self._assess(name, changes), sql, changes)

    def _assess(self, name: str, changes: Iterable[Change]) -> Assessment:
        return self._facts.refine(Assessment.of(name, changes), self._script.revision)

    def _append(
        self,
        assessment: Assessment,
        sql: str,
        changes: tuple[Change, ...],
        line: int | None = None,
        *,
        is_behind: bool = False,
    ) -> None:
        line = line_in(self._script.path) if line is None else line
        self._last_line = max(self._last_line, line or 0)
        allowed_by = self._suppressions.allowing(line, assessment)
        self._operations.append(
            PlannedOperation(
                assessment,
                sql,
                line,
                allowed_by=allowed_by,
                changes=changes,
                is_behind=is_behind,
            )
        )

    @cached_property
    def _suppressions(self) -> Suppressions:
        return read_suppressions(source_of(self._script))

    def _possible(self) -> tuple[PossibleCall, ...]:
        source = source_of(self._script)
        return possible_calls(source, self._recording.function, self._last_line)
