"""What is recorded of one run of a revision, as it goes into the tables."""

from __future__ import annotations

import datetime as dt
import getpass
import re
import socket
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from alembic_zanith.config import Settings
from alembic_zanith.config.overrides import overrides
from alembic_zanith.config.sources import flag_values
from alembic_zanith.errors import RefusedError
from alembic_zanith.failures import reason_of
from alembic_zanith.outcomes import RunOutcome, StepStatus
from alembic_zanith.redaction import without_passwords, without_secrets
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.steps import Step

if TYPE_CHECKING:
    from alembic.config import Config

    from alembic_zanith.plan.model import PlannedOperation, PlannedRevision

_LONGEST_SQL = 20_000
_LONGEST_ERROR = 4_000

# What operations of this package ask on their way.
_QUESTION = re.compile(r"\s*(SELECT|SHOW|SET|SAVEPOINT|RELEASE|ROLLBACK TO|LOCK)\b", re.IGNORECASE)

# https://www.postgresql.org/docs/current/sql-rollback-to.html
_OF_TRANSACTION = re.compile(
    r"""\s*(?:SAVEPOINT\s+(?P<made>[^\s;]+)
      | (?P<commit>COMMIT|END)(?:\s+(?:WORK|TRANSACTION))?\s*(?:;|\Z)
      | (?:ROLLBACK|ABORT)(?:\s+(?:WORK|TRANSACTION))?\s*
        (?:\bTO\s+(?:SAVEPOINT\s+)?(?P<back>[^\s;]+)|;|\Z))""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Circumstances:
    """What all revisions of one command have in common."""

    run_id: str
    mode: str
    run_by: str
    host: str
    application_version: str | None
    flags: dict[str, object]
    overrides: dict[str, object]

    @classmethod
    def of(cls, run_id: str, settings: Settings, config: Config | None) -> Circumstances:
        """Return them as settings, command line and operating system say."""
        return cls(
            run_id,
            settings.mode.value,
            settings.run_by or _user(),
            socket.gethostname(),
            settings.application_version,
            flag_values(config),
            overrides(settings, config),
        )


@cache
def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user need not have a name
        return "unknown"


@dataclass
class RunRecord:
    """One run of a revision; `steps` as they came."""

    circumstances: Circumstances
    revision: str
    description: str
    is_downgrade: bool
    started_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    began: float = field(default_factory=time.perf_counter)
    elapsed_seconds: float | None = None
    outcome: RunOutcome = RunOutcome.SUCCEEDED
    error: BaseException | None = None
    steps: list[Step] = field(default_factory=list)
    savepoints: dict[str, int] = field(default_factory=dict)
    """How many steps there were when each was made."""
    planned: PlannedRevision | None = None
    refused: tuple[PlannedOperation, ...] = ()
    """Those of the plan that a gate did not let pass, before anything ran."""
    snapshot_before: str | None = None
    snapshot_after: str | None = None

    def sending(self, statement: str) -> None:
        """Note what a statement does to the steps before it: keep them, or undo them."""
        found = _OF_TRANSACTION.match(statement)
        if found is None:
            return
        if found["made"]:
            self.savepoints[found["made"].lower()] = len(self.steps)
        elif found["commit"]:
            self.committed()
        elif found["back"]:
            self.rolled_back(self.savepoints.get(found["back"].lower(), len(self.steps)))
        else:
            self.rolled_back()

    def committed(self) -> None:
        """Note that what was done is there to stay."""
        for step in self.steps:
            step.is_committed = not step.is_rolled_back

    def rolled_back(self, first: int = 0) -> None:
        """Note that what was done from a step on is undone, as far as it was not committed."""
        for step in self.steps[first:]:
            step.is_rolled_back = not step.is_committed

    def restart(self) -> None:
        """Forget the steps of a revision that is tried again."""
        self.steps.clear()
        self.savepoints.clear()

    def end(self) -> None:
        """Stop the clock."""
        self.elapsed_seconds = time.perf_counter() - self.began

    def row(self) -> dict[str, Any]:
        """Return the row of `_zanith_migrations`, and those of its steps."""
        return {
            "run_id": self.circumstances.run_id,
            "revision": self.revision,
            "description": self.description,
            "direction": "downgrade" if self.is_downgrade else "upgrade",
            "outcome": self.outcome.value,
            "mode": self.circumstances.mode,
            "run_by": self.circumstances.run_by,
            "host": self.circumstances.host,
            "application_version": self.circumstances.application_version,
            "flags": self.circumstances.flags,
            "overrides": self._overrides(),
            "snapshot_before": self.snapshot_before,
            "snapshot_after": self.snapshot_after,
            "error": None if self.error is None else error_text(self.error),
            "started_at": self.started_at.isoformat(),
            "elapsed_seconds": self.elapsed_seconds,
            "steps": [*self._rows_of_steps()],
        }

    def _overrides(self) -> dict[str, object]:
        allowed = [
            {"line": each.line, "code": each.code, "why": each.why}
            for each in dict.fromkeys(each for step in self.steps for each in step.allowed_by)
        ]
        found = self.circumstances.overrides
        return {**found, "suppressions": allowed} if allowed else found

    def _rows_of_steps(self) -> Any:
        rows = [self._row_of(step) for step in self.steps]
        if self.outcome in (RunOutcome.FAILED, RunOutcome.REFUSED):
            rows += [
                {
                    **_of_assessment(each.assessment),
                    "sql": _shortened(without_secrets(each.sql)) or None,
                    "status": self._status_planned(each).value,
                }
                for each in self._not_run()
            ]
        for position, row in enumerate(rows, 1):
            yield {"position": position, **row}

    def _row_of(self, step: Step) -> dict[str, Any]:
        assert step.assessment is not None
        return {
            **_of_assessment(step.assessment),
            "operation": step.operation,
            "sql": sql_of(step) or None,
            "status": self._status_of(step).value,
            "row_count": step.rows,
            "elapsed_seconds": step.elapsed_seconds,
            "error": None if step.error is None else error_text(step.error),
        }

    def _status_of(self, step: Step) -> StepStatus:
        if step.error is not None:
            if is_refusal(step.error):
                return StepStatus.REFUSED
            return StepStatus.FAILED
        if step.is_rolled_back:
            return StepStatus.ROLLED_BACK
        if self.outcome is RunOutcome.SUCCEEDED or step.is_committed:
            return StepStatus.SUCCEEDED
        return StepStatus.ROLLED_BACK

    def _status_planned(self, operation: PlannedOperation) -> StepStatus:
        is_refused = any(each is operation for each in self.refused)
        return StepStatus.REFUSED if is_refused else StepStatus.NOT_RUN

    def _not_run(self) -> tuple[PlannedOperation, ...]:
        """Return what the plan says would have come after what has run."""
        planned = () if self.planned is None else self.planned.operations
        done = [each.operation for each in self.steps]
        if done != [each.assessment.operation for each in planned[: len(done)]]:
            return ()
        return planned[len(done) :]


def is_refusal(error: BaseException) -> bool:
    """Whether it was a gate that did not let it pass."""
    return isinstance(error, RefusedError)


def _of_assessment(assessment: Assessment) -> dict[str, Any]:
    worst = assessment.worst
    return {
        "operation": assessment.operation,
        "kind": assessment.kind,
        "object_name": None if worst is None else worst.change.subject or None,
        "level": assessment.level.word,
        "score": assessment.score,
        "reasons": [str(reason) for reason in assessment.reasons],
    }


def sql_of(step: Step) -> str:
    """Return the statements of a step, as far as they are not questions on its way."""
    statements = step.statements
    if step.is_own:
        statements = [each for each in statements if not _QUESTION.match(each)]
    return _shortened(without_secrets(";\n".join(each.strip() for each in statements)))


def error_text(error: BaseException) -> str:
    """Return what an error says: the server's words where it has said any, never parameters."""
    text = str(error) if is_refusal(error) else reason_of(error)
    if isinstance(error, SystemExit):  # all that sys.exit(3) says is 3
        text = f"SystemExit: {text}"
    return without_passwords(without_secrets(text))[:_LONGEST_ERROR]


def _shortened(sql: str) -> str:
    if len(sql) <= _LONGEST_SQL:
        return sql
    return f"{sql[:_LONGEST_SQL]}\n-- and {len(sql) - _LONGEST_SQL:,} characters more"
