"""The four stages of a rehearsal, and what is rehearsed besides."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alembic.runtime.migration import MigrationStep
from sqlalchemy.exc import DBAPIError

from alembic_zanith.config import ShadowTopology
from alembic_zanith.enforcement.run import plan_steps
from alembic_zanith.errors import ShadowUnreachableError, ZanithError
from alembic_zanith.failures import reason_of, sqlstate
from alembic_zanith.plan.model import Plan
from alembic_zanith.redaction import without_passwords
from alembic_zanith.risk.change import TableRef
from alembic_zanith.snapshots import Snapshot
from alembic_zanith.sql import reading
from alembic_zanith.steps import StepsListener
from alembic_zanith.verification import (
    Finding,
    FindingKind,
    SampleLine,
    Stage,
    Verdict,
    Verification,
)

from .compare import drift, has_models
from .observe import Observer
from .production import Production
from .project import ShadowedProject
from .rehearse import Restores
from .replay import ScriptFailedError
from .round_trip import there_and_back
from .sampling import copy_sample
from .shadow import ShadowRequest, open_shadow
from .shadow.apart import reason_against_schema
from .shadow.connecting import server_version

if TYPE_CHECKING:
    from alembic.runtime.migration import RevisionStep
    from alembic.script import Script

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_GONE = ("08", "57P")


def _is_lost(error: DBAPIError) -> bool:
    # The connection itself says so no more once it has been rolled back.
    return error.connection_invalidated or sqlstate(error).startswith(_GONE)


@dataclass(frozen=True)
class VerifyRequest:
    """What is to be rehearsed, and how.

    `sample` is how many rows of each affected table are copied, 0 for none. With `from_production`
    the shadow starts from production's schema as it is, else from the history of revisions.
    `is_strict` makes a finding count as drift. Without `rehearses` nothing is brought back and no
    downgrade is run.
    """

    shadow: ShadowRequest = field(default_factory=ShadowRequest)
    sample: int = 0
    from_production: bool = False
    is_strict: bool = False
    rehearses: bool = True


def verify(
    production: Production, pending: Sequence[RevisionStep], request: VerifyRequest
) -> Verification:
    """Rehearse pending revisions on a shadow, and return what was found out.

    Production is only read. Whatever goes wrong is in the verdict; nothing is raised but what ends
    a program, such as an interrupt.
    """
    return _Run(production, [step.revision for step in pending], request).go()


class _Run:
    def __init__(
        self, production: Production, scripts: Sequence[Script], request: VerifyRequest
    ) -> None:
        self._production = production
        self._scripts = scripts
        self._request = request
        self._stages = list[Stage]()
        self._findings = list[Finding]()
        self._observer: Observer | None = None
        self._restores: Restores | None = None
        self._project: ShadowedProject | None = None
        self._drift: tuple[str, ...] = ()
        self._sample: tuple[SampleLine, ...] = ()
        self._failure = ""
        self._failed: str | None = None
        self._plan = Plan(())

    def go(self) -> Verification:
        verdict = Verdict.OK
        try:
            with ExitStack() as stack:
                self._connect(stack)
                self._apply()
                after = self._introspect()
                self._compare()
                if self._request.rehearses and self._scripts:
                    self._findings += self._there_and_back(after)
            self._look_at_production()
        except ShadowUnreachableError as error:
            verdict, self._failure = Verdict.SHADOW_UNREACHABLE, str(error)
        except Exception as error:
            verdict = self._failed_by(error)
        if verdict is Verdict.OK and (self._drift or (self._request.is_strict and self._all)):
            verdict = Verdict.DRIFT
        return self._verification(verdict)

    @contextmanager
    def _stage(self, name: str, note: str = "") -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._stages.append(Stage(name, time.perf_counter() - began, note))

    def _failed_by(self, error: Exception) -> Verdict:
        """Return the verdict that an error amounts to."""
        if isinstance(error, ScriptFailedError):
            self._failed = error.script.revision
        self._failure = without_passwords(reason_of(error))
        if not isinstance(error, ZanithError | DBAPIError):
            self._failure = f"{type(error).__name__}: {self._failure}"
        cause = error.__cause__ or error
        is_gone = self._project is not None and (
            self._project.shadow.connection.invalidated
            or (isinstance(cause, DBAPIError) and _is_lost(cause))
        )
        if is_gone:
            self._failure = f"The connection to the shadow was lost: {self._failure}"
            return Verdict.SHADOW_UNREACHABLE
        return Verdict.APPLY_FAILED

    # -- the stages ----------------------------------------------------------------------

    def _connect(self, stack: ExitStack) -> None:
        with self._stage("connect and reset"):
            self._plan = self._planned()
            self._refuse_schema()
            shadow = stack.enter_context(
                open_shadow(self._production.connection, self._request.shadow)
            )
            self._project = ShadowedProject(self._production, shadow)
            self._note_majors(shadow.server_version)

    def _planned(self) -> Plan:
        """Return what the pending scripts are predicted to do."""
        if not self._scripts:
            return Plan(())
        production = self._production
        revisions = production.scripts.revision_map
        steps = [MigrationStep.upgrade_from_script(revisions, each) for each in self._scripts]
        with reading(production.connection):
            plan, _ = plan_steps(
                production.context,
                production.settings,
                steps,
                dict(production.arguments),
                production.heads,
            )
        return plan

    def _refuse_schema(self) -> None:
        request = self._request
        if request.shadow.topology is not ShadowTopology.SCHEMA:
            return
        reason: str | None = None
        if request.from_production:
            reason = "--schema-from-production needs a database of its own"
        else:
            production = self._production
            known = {each.revision for each in self._scripts}
            heads = production.heads
            history = production.scripts.iterate_revisions(heads, "base") if heads else ()
            scripts = [*self._scripts, *(each for each in history if each.revision not in known)]
            schema = production.context.version_table_schema
            reason = reason_against_schema(self._plan.revisions, scripts, schema)
        if reason is not None:
            raise ShadowUnreachableError(
                f"This cannot be rehearsed in a schema of production's database: {reason}. Use "
                "--topology database or --shadow-url URL."
            )

    def _note_majors(self, version: str) -> None:
        with reading(self._production.connection):
            own = server_version(self._production.connection)
        self._production_version = own
        if own.partition(".")[0] != version.partition(".")[0]:
            self._find(
                FindingKind.OTHER_MAJOR,
                f"Production runs PostgreSQL {own}, the shadow {version}: what is true of one need "
                "not be of the other.",
            )

    _production_version = ""

    def _apply(self) -> None:
        project = self._project
        assert project is not None
        with self._stage("replay and apply", self._how()):
            project.bring_to_production(from_its_schema=self._request.from_production)
            # What the history or the dump has set for its session is not set in the next deploy's.
            project.begin_anew()
            if self._request.sample:
                self._copy_rows(project)
            self._before = project.snapshot()
            connection = project.shadow.connection
            self._observer = Observer(connection, [self._production.context.version_table])
            self._restores = Restores(connection, project.workspace, project.snapshot)
            listeners: list[StepsListener] = [self._observer]
            if self._request.rehearses:
                listeners.append(self._restores)
            project.run(project.upgrades(self._scripts), listeners, self._begin)

    def _how(self) -> str:
        if self._request.from_production:
            return "from production's schema"
        return "from the first revision"

    def _begin(self, script: Script) -> None:
        assert self._observer is not None
        assert self._restores is not None
        self._observer.begin(script.revision)
        self._restores.begin(script.revision)

    def _copy_rows(self, project: ShadowedProject) -> None:
        tables = dict[TableRef, None]()
        for _, operation in self._plan.operations:
            for finding in operation.assessment.findings:
                if finding.change.on is not None:
                    tables[finding.change.on] = None
        self._sample = copy_sample(
            self._production.connection,
            project.shadow.connection,
            [*tables],
            self._request.sample,
            shadow_schema=project.shadow.schema,
        )
        for line in self._sample:
            if line.note:
                self._find(FindingKind.SAMPLE, f"The sample of {line.table}: {line.note}.")

    def _introspect(self) -> Snapshot:
        assert self._project is not None
        with self._stage("introspect"):
            return self._project.snapshot()

    def _compare(self) -> None:
        assert self._project is not None
        context = self._project.context()
        if not has_models(context):
            self._stages.append(
                Stage("compare with the models", 0.0, "env.py has no target_metadata")
            )
            self._find(
                FindingKind.NOT_COMPARED,
                "env.py has no target_metadata, so there was nothing to compare the result with.",
            )
            return
        with self._stage("compare with the models"):
            try:
                self._drift = drift(context)
            finally:
                connection = self._project.shadow.connection
                if not connection.invalidated:
                    connection.rollback()

    # -- besides -------------------------------------------------------------------------

    def _there_and_back(self, after: Snapshot) -> list[Finding]:
        assert self._project is not None
        return [*there_and_back(self._project, self._scripts, self._before, after)]

    def _look_at_production(self) -> None:
        """See whether production is still where it was when this began."""
        context = self._production.context
        now = context.get_current_heads()
        if set(now) != set(self._production.heads):
            self._find(
                FindingKind.PRODUCTION_MOVED,
                f"Production was at {', '.join(self._production.heads) or 'base'} and is at "
                f"{', '.join(now) or 'base'} now.",
            )

    def _find(self, kind: FindingKind, text: str, revision: str | None = None) -> None:
        self._findings.append(Finding(kind, text, revision))

    @property
    def _all(self) -> tuple[Finding, ...]:
        observed = () if self._observer is None else self._observer.findings
        restored = () if self._restores is None else self._restores.findings
        return (*observed, *restored, *self._findings)

    def _verification(self, verdict: Verdict) -> Verification:
        shadow = None if self._project is None else self._project.shadow
        return Verification(
            verdict,
            database=self._production.label,
            topology="" if shadow is None else shadow.topology.value,
            where="" if shadow is None else shadow.where,
            production_version=self._production_version,
            server_version="" if shadow is None else shadow.server_version,
            heads=self._production.heads,
            pending=tuple(each.revision for each in self._scripts),
            stages=tuple(self._stages),
            drift=self._drift,
            findings=self._all,
            observations=() if self._observer is None else tuple(self._observer.observations),
            sample=self._sample,
            failure=self._failure,
            failed_revision=self._failed,
            kept=shadow.how_to_look if shadow is not None and self._request.shadow.keep else "",
            is_strict=self._request.is_strict,
        )
