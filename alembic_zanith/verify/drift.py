"""Production compared with what its own history says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from alembic_zanith.config import ShadowTopology
from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.failures import reason_of
from alembic_zanith.redaction import without_passwords
from alembic_zanith.snapshots import Difference, Snapshot, differences, take_snapshot
from alembic_zanith.sql import reading, scalar
from alembic_zanith.verification import DriftReport, Stage, Verdict

from .production import Production
from .project import ShadowedProject
from .shadow import ShadowRequest, open_shadow
from .shadow.apart import reason_against_schema


def find_drift(production: Production, request: ShadowRequest) -> DriftReport:
    """Replay production's history on a shadow, and return how production differs from that.

    Production is only read. Whatever goes wrong is in the verdict.
    """
    return _Check(production, request).go()


class _Check:
    def __init__(self, production: Production, request: ShadowRequest) -> None:
        self._production = production
        self._request = request
        self._stages = list[Stage]()
        self._where = self._kept = ""
        self._project: ShadowedProject | None = None

    def go(self) -> DriftReport:
        try:
            found = self._differences()
        except ShadowUnreachableError as error:
            return self._report(Verdict.SHADOW_UNREACHABLE, failure=str(error))
        except Exception as error:
            reason = without_passwords(reason_of(error))
            if self._project is not None and self._project.shadow.connection.invalidated:
                reason = f"The connection to the shadow was lost: {reason}"
                return self._report(Verdict.SHADOW_UNREACHABLE, failure=reason)
            return self._report(Verdict.APPLY_FAILED, failure=reason)
        sentences = tuple(without_passwords(described(each)) for each in found)
        return self._report(Verdict.DRIFT if sentences else Verdict.OK, sentences)

    def _report(
        self, verdict: Verdict, found: tuple[str, ...] = (), failure: str = ""
    ) -> DriftReport:
        return DriftReport(
            verdict,
            self._production.label,
            self._where,
            self._production.heads,
            tuple(self._stages),
            found,
            failure,
            self._kept if self._request.keep else "",
        )

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._stages.append(Stage(name, time.perf_counter() - began))

    def _differences(self) -> tuple[Difference, ...]:
        self._refuse_schema()
        with self._stage("connect and reset"):
            opened = open_shadow(self._production.connection, self._request)
            shadow = opened.__enter__()
        try:
            self._where, self._kept = shadow.where, shadow.how_to_look
            self._project = ShadowedProject(self._production, shadow)
            with self._stage("replay"):
                self._project.bring_to_production(from_its_schema=False)
            with self._stage("introspect"):
                history = self._project.snapshot()
                actual = self._of_production(shadow.schema is not None)
            with self._stage("compare"):
                return differences(history, actual)
        finally:
            opened.__exit__(None, None, None)

    def _refuse_schema(self) -> None:
        if self._request.topology is not ShadowTopology.SCHEMA:
            return
        production = self._production
        heads = production.heads
        history = production.scripts.iterate_revisions(heads, "base") if heads else ()
        schema = production.context.version_table_schema
        reason = reason_against_schema((), [*history], schema)
        if reason is not None:
            raise ShadowUnreachableError(
                f"The history cannot be replayed in a schema of production's database: {reason}. "
                "Use --topology database or --shadow-url URL."
            )

    def _of_production(self, only_default_schema: bool) -> Snapshot:
        production = self._production
        connection, context = production.connection, production.context
        with reading(connection):
            default = str(scalar(connection, "SELECT pg_catalog.current_schema()"))
            table_schema = (
                context.version_table_schema or production.workspace.bookkeeping_schema or default
            )
            return take_snapshot(
                connection,
                archive_schema=production.settings.archive_schema,
                schemas=[default] if only_default_schema else None,
                version_tables=[(table_schema, context.version_table)],
            )


def described(difference: Difference) -> str:
    """Return what production has otherwise than its history.

    >>> from alembic_zanith.snapshots import Change
    >>> described(Difference(Change.ADDED, "column", "users.note", None, "text"))
    'column users.note is in production only: text'
    """
    what = f"{difference.kind} {difference.name}"
    match difference.before, difference.after:
        case None, after:
            return f"{what} is in production only" + (f": {after}" if after else "")
        case before, None:
            return f"{what} is missing in production" + (f": {before}" if before else "")
        case before, after:
            return f"{what} is {after!r} in production and {before!r} by its history"
