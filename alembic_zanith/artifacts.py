"""The artifacts of one database: rows of `_zanith_migration_artifacts` as values."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Select,
    Table,
    cast,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from . import targets
from .bookkeeping import columns_present, complete_tables
from .errors import UnknownObjectError, ZanithError
from .identifiers import QualifiedName, display_name
from .integrity import pinned_settings
from .models import ArtifactKind, ArtifactStatus, MigrationArtifact
from .privileges import require_right_on_list
from .sql import callers_path, moment, scalar
from .workspace import Workspace

P = ParamSpec("P")
R = TypeVar("R")

_ROWS: Table = MigrationArtifact.__table__  # type: ignore[assignment]  # declared as FromClause


@dataclass(frozen=True)
class Artifact:
    """What one reversible operation parked."""

    id: str
    kind: ArtifactKind
    status: ArtifactStatus
    source_schema: str
    source_table: str
    source_column: str | None
    parked_schema: str
    parked_table: str
    parked_column: str | None
    revision: str | None
    row_count: int | None
    checksum: str
    checksum_algorithm: str
    definition: dict[str, Any]
    recovery_sql: str
    created_at: dt.datetime
    expires_at: dt.datetime | None = None
    restored_at: dt.datetime | None = None
    restored_as: str | None = None
    restore_report: dict[str, Any] | None = None

    @property
    def is_column(self) -> bool:
        return self.source_column is not None

    @property
    def holds_data(self) -> bool:
        """Whether anything is parked still: after a restore only the archive of a column is."""
        is_restored = self.status is ArtifactStatus.RESTORED
        return not is_restored or self.kind is ArtifactKind.ARCHIVE_COLUMN

    @property
    def is_being_archived(self) -> bool:
        """Whether it is parked by an online archive that has not come to its end."""
        return "archiving" in self.definition

    @property
    def source_name(self) -> QualifiedName:
        """The table it was, or whose column it was."""
        return QualifiedName(self.source_schema, self.source_table)

    @property
    def parked_name(self) -> QualifiedName:
        """The relation that holds the data now."""
        return QualifiedName(self.parked_schema, self.parked_table)

    @property
    def source(self) -> str:
        """The source as a target that can be typed: `users.legacy_uuid`, `audit.events`."""
        parts = [self.source_table]
        if self.source_schema != "public":
            parts.insert(0, self.source_schema)
        if self.source_column is not None:
            parts.append(self.source_column)
        return ".".join(display_name(part) for part in parts)

    @property
    def parked(self) -> str:
        """Where the data is now, for people."""
        name = self.parked_name.display
        return name if self.parked_column is None else f"{name}.{display_name(self.parked_column)}"


def _pinned(
    method: Callable[Concatenate[ArtifactStore, P], R],
) -> Callable[Concatenate[ArtifactStore, P], R]:
    """Make a method run under pinned settings: what it calls is PostgreSQL's own for certain."""

    @functools.wraps(method)
    def whole(store: ArtifactStore, /, *args: P.args, **options: P.kwargs) -> R:
        with pinned_settings(store.connection):
            return method(store, *args, **options)

    return whole


class ArtifactStore:
    """Reads and writes the artifacts of the database behind a connection.

    Every method raises `MissingPrivilegeError` where the role lacks a right on their table.

    >>> store = ArtifactStore(connection, Workspace())      # doctest: +SKIP
    >>> store.resolve("users.legacy_uuid").parked           # doctest: +SKIP
    'public.users._zanith_dropped_legacy_uuid_a4c09f1e'
    """

    def __init__(self, connection: Connection, workspace: Workspace | None = None) -> None:
        self.connection = connection
        self.workspace = workspace or Workspace()
        self._schema = self.workspace.bookkeeping_schema

    @property
    def schema(self) -> str:
        """The schema that holds the bookkeeping tables."""
        if self._schema is None:
            self._schema = self.current_schema
        return self._schema

    @property
    def table(self) -> QualifiedName:
        return QualifiedName(self.schema, MigrationArtifact.__tablename__)

    @_pinned
    def exists(self) -> bool:
        """Tell whether anything was ever parked here: whether the bookkeeping table exists."""
        return self._columns_present(MigrationArtifact.__tablename__) != set()

    @_pinned
    def ensure(self) -> None:
        """Create the five tables, or add the columns that a newer version brought.

        Safe when several processes do it at once: the slow path runs under a transaction-level
        advisory lock, because `CREATE TABLE IF NOT EXISTS` alone can still fail with a unique
        violation in the system catalogs when two sessions race.

        Raises `UnknownObjectError` when the schema for them does not exist, and
        `MissingPrivilegeError` when the role may not create tables in it, or add to the list.
        """
        self._complete()
        self._require("INSERT")

    def _require(self, right: str) -> None:
        require_right_on_list(self.connection, self.table, right)

    def _complete(self) -> None:
        complete_tables(self.connection, self.schema)

    def _columns_present(self, table: str) -> set[str]:
        return columns_present(self.connection, self.schema).get(table, set())

    def _select(self) -> Select[Any]:
        """Select the columns that there are: an older version may have made the table."""
        self._require("SELECT")
        return _select(self._columns_present(MigrationArtifact.__tablename__))

    @property
    def _options(self) -> dict[str, Any]:
        return {"schema_translate_map": {None: self.schema}}

    @_pinned
    def add(self, artifact: Artifact) -> None:
        """Write the row of a new artifact, in the current transaction."""
        self.connection.execute(insert(_ROWS), _values(artifact), execution_options=self._options)

    @_pinned
    def all(self, statuses: Collection[ArtifactStatus] | None = None) -> list[Artifact]:
        """Return the artifacts, newest first; none when nothing was ever parked."""
        if not self.exists():
            return []
        query = self._select().order_by(_ROWS.c.created_at.desc(), _ROWS.c.id)
        if statuses is not None:
            query = query.where(_ROWS.c.status.in_([status.value for status in statuses]))
        result = self.connection.execute(query, execution_options=self._options)
        return [_artifact(row._mapping) for row in result]

    @_pinned
    def get(self, artifact_id: str) -> Artifact | None:
        """Return the artifact with exactly this id."""
        query = self._select().where(_ROWS.c.id == artifact_id)
        row = self.connection.execute(query, execution_options=self._options).first()
        return None if row is None else _artifact(row._mapping)

    @_pinned
    def lock(self, artifact_id: str) -> Artifact | None:
        """Return the artifact with its row locked, so that two restores cannot run at once."""
        self._require("UPDATE")
        query = self._select().where(_ROWS.c.id == artifact_id).with_for_update()
        row = self.connection.execute(query, execution_options=self._options).first()
        return None if row is None else _artifact(row._mapping)

    @_pinned
    def mark_restored(self, artifact_id: str, restored_as: str, report: dict[str, Any]) -> None:
        """Note that the data is back."""
        self._complete()
        self._require("UPDATE")
        statement = (
            update(_ROWS)
            .where(_ROWS.c.id == artifact_id)
            .values(
                status=ArtifactStatus.RESTORED.value,
                restored_at=text("pg_catalog.now()"),
                restored_as=restored_as,
                restore_report=report,
            )
        )
        self.connection.execute(statement, execution_options=self._options)

    @_pinned
    def rewrite(self, artifact: Artifact) -> None:
        """Write the row of an artifact anew, in the current transaction."""
        self._require("UPDATE")
        values = _values(artifact)
        statement = update(_ROWS).where(_ROWS.c.id == values.pop("id")).values(values)
        self.connection.execute(statement, execution_options=self._options)

    @_pinned
    def delete(self, artifact_id: str) -> None:
        """Remove the row of an artifact."""
        self._require("DELETE")
        statement = delete(_ROWS).where(_ROWS.c.id == artifact_id)
        self.connection.execute(statement, execution_options=self._options)

    def resolve(
        self,
        target: str,
        *,
        kinds: Collection[ArtifactKind] | None = None,
        statuses: Collection[ArtifactStatus] | None = None,
    ) -> Artifact:
        """Return the newest artifact that a target names.

        `target` is an artifact id, an unambiguous prefix of one (four characters or more), or a
        name: `table`, `schema.table`, `table.column`, `schema.table.column`. What it names does
        not depend on `statuses`, which only choose among the artifacts of that source.

        Raises `UnknownObjectError` (with the close names) when nothing matches, and
        `AmbiguousTargetError` when an id prefix or a name without a schema fits several sources.
        """
        for found in self.named(target, kinds=kinds):
            if statuses is None or found.status in statuses:
                return found
        raise UnknownObjectError(f"No artifact of {target!r} is {' or '.join(statuses or ())}.")

    def named(
        self, target: str, *, kinds: Collection[ArtifactKind] | None = None
    ) -> list[Artifact]:
        """Return the artifacts of the one source that a target names, newest first.

        Raises as `resolve` does.
        """
        candidates = [found for found in self.all() if kinds is None or found.kind in kinds]
        return targets.named(candidates, target, lambda: self.current_schema)

    @property
    def current_schema(self) -> str:
        """The schema that a name without one is looked for in first."""
        with callers_path(self.connection):
            schema = scalar(self.connection, "SELECT pg_catalog.current_schema()")
        if schema is None:
            raise ZanithError(
                "No schema on the search_path of this connection exists, so there is none to keep "
                "artifacts in. Mend search_path, or set version_table_schema in env.py."
            )
        return str(schema)


def _select(present: Collection[str]) -> Select[Any]:
    """Select columns, moments as microseconds: drivers read other forms of them, or fail,
    depending on the DateStyle of the session."""
    return select(
        *(
            cast(func.extract("epoch", column) * 1_000_000, BigInteger).label(column.name)
            if isinstance(column.type, DateTime)
            else column
            for column in _ROWS.c
            if column.name in present
        )
    )


def _values(artifact: Artifact) -> dict[str, Any]:
    values = {field.name: getattr(artifact, field.name) for field in fields(artifact)}
    return {**values, "kind": artifact.kind.value, "status": artifact.status.value}


def _artifact(row: Any) -> Artifact:
    values = {field.name: row.get(field.name) for field in fields(Artifact)}
    for name in ("created_at", "expires_at", "restored_at"):
        values[name] = None if values[name] is None else moment(values[name])
    values["kind"] = ArtifactKind(values["kind"])
    values["status"] = ArtifactStatus(values["status"])
    return Artifact(**values)
