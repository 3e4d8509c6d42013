"""Reading what has been recorded."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.artifacts import ArtifactStore
from alembic_zanith.bookkeeping import columns_present
from alembic_zanith.errors import AmbiguousTargetError, UnknownObjectError, did_you_mean
from alembic_zanith.identifiers import quote
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.snapshots import Snapshot
from alembic_zanith.sql import moment, rows
from alembic_zanith.workspace import Workspace

from .runs import KindTimes, Run, RunStep

BASE = "base"
"""What stands for the schema before the first revision."""

# As JSON, so that a table of an older version may lack columns, and moments as numbers, which read
# the same whatever the DateStyle of the session.
_RUNS = """
SELECT r.id, CAST(extract(epoch FROM r.started_at) * 1000000 AS bigint),
       pg_catalog.to_jsonb(r)::text
  FROM {table} AS r
 WHERE true {where}
 ORDER BY r.id DESC {limit}
"""
_STEPS = """
SELECT s.migration_id, pg_catalog.to_jsonb(s)::text FROM {table} AS s
 WHERE s.migration_id = ANY (CAST(:ids AS bigint[])) ORDER BY s.migration_id, s.position
"""


def list_runs(
    connection: Connection,
    *,
    workspace: Workspace | None = None,
    since: dt.timedelta | None = None,
    revision: str | None = None,
    limit: int | None = None,
    with_steps: bool = False,
) -> list[Run]:
    """Return the runs of revisions, newest first; none where nothing was ever recorded.

    `since` is how far back, `revision` an id or the beginning of one, `limit` how many at most.

    Raises `UnknownObjectError` where no run is of such a revision, `AmbiguousTargetError` where
    the beginning is that of several, and `MissingPrivilegeError` where the role may not read them.

    Example::

        list_runs(connection, since=dt.timedelta(days=7), with_steps=True)
    """
    return _History(connection, workspace).runs(since, revision, limit, with_steps=with_steps)


def snapshot_at(
    connection: Connection, revision: str, *, workspace: Workspace | None = None
) -> Snapshot:
    """Return the schema as it was when a revision had run last; before all of them for `base`.

    Raises `UnknownObjectError` where there is none, with those that are near.
    """
    return _History(connection, workspace).snapshot(revision)


def kind_times(
    connection: Connection, *, workspace: Workspace | None = None, limit: int = 10
) -> list[KindTimes]:
    """Return the kinds of operations that took longest in all, the longest first."""
    return _History(connection, workspace).kind_times(limit)


class _History:
    def __init__(self, connection: Connection, workspace: Workspace | None) -> None:
        self._connection = connection
        self._schema = ArtifactStore(connection, workspace).schema

    def _table(self, name: str) -> str:
        return f"{quote(self._schema)}.{quote(name)}"

    def _is_there(self) -> bool:
        return "_zanith_migrations" in columns_present(self._connection, self._schema)

    def runs(
        self,
        since: dt.timedelta | None,
        revision: str | None,
        limit: int | None,
        *,
        with_steps: bool,
    ) -> list[Run]:
        with pinned_settings(self._connection):
            if not self._is_there():
                return []
            where, values = "", dict[str, Any]()
            if since is not None:
                where += " AND r.started_at >= pg_catalog.now() - make_interval(secs => :seconds)"
                values["seconds"] = since.total_seconds()
            if revision is not None:
                where += " AND r.revision = :revision"
                values["revision"] = self._resolved(revision)
            query = _RUNS.format(
                table=self._table("_zanith_migrations"),
                where=where,
                limit="" if limit is None else f"LIMIT {int(limit)}",
            )
            found = [_run(*row) for row in rows(self._connection, query, **values)]
            return self._with_steps(found) if with_steps else found

    def _with_steps(self, runs: Iterable[Run]) -> list[Run]:
        runs = list(runs)
        query = _STEPS.format(table=self._table("_zanith_migration_steps"))
        steps = dict[int, list[RunStep]]()
        for owner, text in rows(self._connection, query, ids=[run.id for run in runs]):
            steps.setdefault(owner, []).append(_step(json.loads(text)))
        return [replace(run, steps=tuple(steps.get(run.id, ()))) for run in runs]

    def _resolved(self, revision: str) -> str:
        table = self._table("_zanith_migrations")
        query = f"SELECT DISTINCT r.revision FROM {table} AS r WHERE r.revision IS NOT NULL"
        known = [str(name) for (name,) in rows(self._connection, query)]
        if revision in known:
            return revision
        found = sorted(name for name in known if name.startswith(revision))
        if len(found) == 1:
            return found[0]
        if found:
            shown = ", ".join(found[:5])
            raise AmbiguousTargetError(
                f"{revision!r} is the beginning of several revisions: {shown}. Write more of it."
            )
        raise UnknownObjectError(
            f"No run of a revision {revision!r} is recorded.{did_you_mean(revision, known)} "
            "`alembic zanith-history` lists them."
        )

    # -- snapshots -----------------------------------------------------------------------

    def snapshot(self, revision: str) -> Snapshot:
        with pinned_settings(self._connection):
            if not self._is_there():
                raise UnknownObjectError(
                    "Nothing is recorded yet: no upgrade has run since the package came in."
                )
            digest = self._first() if revision == BASE else self._digest(self._resolved(revision))
            table = self._table("_zanith_schema_snapshots")
            query = f"SELECT s.snapshot::text FROM {table} AS s WHERE s.digest = :digest"
            found = rows(self._connection, query, digest=digest)
            if not found:
                raise UnknownObjectError(
                    f"The snapshot {digest} of revision {revision} is gone from {table}."
                )
            return Snapshot(json.loads(found[0][0]))

    def _first(self) -> str:
        table = self._table("_zanith_migrations")
        query = (
            f"SELECT r.snapshot_before FROM {table} AS r"
            " WHERE r.snapshot_before IS NOT NULL ORDER BY r.id LIMIT 1"
        )
        found = rows(self._connection, query)
        if not found:
            raise UnknownObjectError(_NO_SNAPSHOTS)
        return str(found[0][0])

    def _digest(self, revision: str) -> str:
        table = self._table("_zanith_migrations")
        of_revision = " WHERE r.revision = :revision AND r.outcome = 'succeeded'"
        # What a downgrade began with is what the revision had led to.
        digest = "CASE r.direction WHEN 'upgrade' THEN r.snapshot_after ELSE r.snapshot_before END"
        query = (
            f"SELECT digest FROM (SELECT r.id, {digest} AS digest FROM {table} AS r {of_revision})"
            " AS found WHERE digest IS NOT NULL ORDER BY id DESC LIMIT 1"
        )
        found = rows(self._connection, query, revision=revision)
        if found:
            return str(found[0][0])
        near = (
            f"SELECT r.revision FROM {table} AS r WHERE r.snapshot_after IS NOT NULL"
            f" AND r.run_id IN (SELECT r.run_id FROM {table} AS r {of_revision})"
            " ORDER BY r.id DESC LIMIT 3"
        )
        others = [name for (name,) in rows(self._connection, near, revision=revision)]
        if others:
            raise UnknownObjectError(
                f"There is no snapshot of revision {revision}: it was one of many in its run "
                f"(see the setting snapshot_revisions). That run has one of {', '.join(others)}."
            )
        raise UnknownObjectError(f"There is no snapshot of revision {revision}. {_NO_SNAPSHOTS}")

    # -- sums ----------------------------------------------------------------------------

    def kind_times(self, limit: int) -> list[KindTimes]:
        with pinned_settings(self._connection):
            if not self._is_there():
                return []
            query = f"""
                SELECT s.kind, count(*), max(s.elapsed_seconds), avg(s.elapsed_seconds),
                       sum(s.elapsed_seconds)
                  FROM {self._table("_zanith_migration_steps")} AS s
                 WHERE s.elapsed_seconds IS NOT NULL
                 GROUP BY s.kind ORDER BY 5 DESC, 1 LIMIT {int(limit)}"""
            return [KindTimes(*row) for row in rows(self._connection, query)]


_NO_SNAPSHOTS = "Snapshots are taken by upgrades, unless audit or snapshot_revisions is off."


def _run(id_: int, started_us: int, text: str) -> Run:
    row: dict[str, Any] = json.loads(text)
    texts: dict[str, Any] = {
        name: row.get(name) or ""
        for name in (
            "run_id",
            "description",
            "mode",
            "run_by",
            "database_role",
            "host",
            "application_version",
            "server_version",
            "error",
        )
    }
    return Run(
        id_,
        row.get("revision") or "",
        row["direction"],
        row["outcome"],
        moment(started_us),
        flags=row.get("flags") or {},
        overrides=row.get("overrides") or {},
        snapshot_before=row.get("snapshot_before"),
        snapshot_after=row.get("snapshot_after"),
        elapsed_seconds=row.get("elapsed_seconds"),
        **texts,
    )


def _step(row: dict[str, Any]) -> RunStep:
    return RunStep(
        row["position"],
        row.get("operation") or "",
        row["kind"],
        row.get("object_name") or "",
        row.get("sql") or "",
        row.get("level") or "",
        row.get("score"),
        tuple(row.get("reasons") or ()),
        row["status"],
        row.get("row_count"),
        row.get("elapsed_seconds"),
        row.get("error") or "",
    )
