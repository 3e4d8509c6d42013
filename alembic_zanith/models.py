"""The five bookkeeping tables, as SQLAlchemy declarative models.

They live in the schema that holds `alembic_version`. The models carry no schema of their own:
statements are run with `schema_translate_map={None: schema}` (see `alembic_zanith.artifacts`).
The names of tables and columns are public: people query them with plain SQL.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

from sqlalchemy import (
    BigInteger,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .outcomes import RunOutcome as RunOutcome
from .outcomes import StepStatus as StepStatus


class ArtifactKind(StrEnum):
    """How something was dropped, hence how it comes back."""

    SOFT_DROP_COLUMN = "soft_drop_column"
    SOFT_DROP_TABLE = "soft_drop_table"
    ARCHIVE_COLUMN = "archive_column"
    ARCHIVE_TABLE = "archive_table"
    REBUILD_TABLE = "rebuild_table"

    @property
    def is_column(self) -> bool:
        return self in (ArtifactKind.SOFT_DROP_COLUMN, ArtifactKind.ARCHIVE_COLUMN)


class ArtifactStatus(StrEnum):
    """`live` can be restored, `restored` has been, `purged` is gone for good."""

    LIVE = "live"
    RESTORED = "restored"
    PURGED = "purged"


# As names: SQLAlchemy 2.0.0 does not find a type for an annotation with brackets inside brackets.
JsonObject: TypeAlias = dict[str, Any]
JsonArray: TypeAlias = list[Any]


class Base(DeclarativeBase):
    """Registry of its own, so that no project's metadata ever sees these tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        dt.datetime: DateTime(timezone=True),
        JsonObject: JSONB(),
        JsonArray: JSONB(),
    }


class Migration(Base):
    """One run of one revision, upgrade or downgrade.

    `run_id` is the same for all revisions of one `alembic upgrade`. `run_by` is who ran it, by
    the setting of that name or as the operating system says; `database_role` is who the database
    says. `flags` are the command-line flags that were given, `overrides` what lets more pass than
    the mode does: laxer settings, and the suppressions of the script. `snapshot_before` and
    `snapshot_after` are digests in `_zanith_schema_snapshots`.
    """

    __tablename__ = "_zanith_migrations"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    run_id: Mapped[str | None]
    revision: Mapped[str | None]
    description: Mapped[str | None]
    direction: Mapped[str]
    outcome: Mapped[str]
    mode: Mapped[str | None]
    run_by: Mapped[str | None]
    database_role: Mapped[str | None]
    host: Mapped[str | None]
    application_version: Mapped[str | None]
    server_version: Mapped[str | None]
    flags: Mapped[JsonObject | None]
    overrides: Mapped[JsonObject | None]
    snapshot_before: Mapped[str | None]
    snapshot_after: Mapped[str | None]
    error: Mapped[str | None]
    started_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    elapsed_seconds: Mapped[float | None] = mapped_column(Float)

    __table_args__ = (Index("_zanith_migrations_started_at_idx", started_at),)


class MigrationStep(Base):
    """One operation of a run, or one statement that its script sent by itself.

    `row_count` is how many rows it wrote, where it wrote any.
    """

    __tablename__ = "_zanith_migration_steps"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    migration_id: Mapped[int] = mapped_column(ForeignKey(Migration.id, ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    operation: Mapped[str | None]
    kind: Mapped[str]
    object_name: Mapped[str | None]
    sql: Mapped[str | None]
    level: Mapped[str | None]
    score: Mapped[int | None] = mapped_column(Integer)
    reasons: Mapped[JsonArray | None]
    status: Mapped[str]
    row_count: Mapped[int | None] = mapped_column(BigInteger)
    elapsed_seconds: Mapped[float | None] = mapped_column(Float)
    error: Mapped[str | None]

    __table_args__ = (Index("_zanith_migration_steps_migration_id_idx", migration_id, position),)


class SchemaSnapshot(Base):
    """The schema as it was, stored once for each distinct digest."""

    __tablename__ = "_zanith_schema_snapshots"

    digest: Mapped[str] = mapped_column(primary_key=True)
    snapshot: Mapped[JsonObject]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class MigrationArtifact(Base):
    """What one reversible operation parked, and all that is needed to bring it back."""

    __tablename__ = "_zanith_migration_artifacts"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=ArtifactStatus.LIVE.value)
    source_schema: Mapped[str]
    source_table: Mapped[str]
    source_column: Mapped[str | None]
    parked_schema: Mapped[str]
    parked_table: Mapped[str]
    parked_column: Mapped[str | None]
    revision: Mapped[str | None]
    row_count: Mapped[int | None] = mapped_column(BigInteger)
    checksum: Mapped[str]
    checksum_algorithm: Mapped[str]
    definition: Mapped[JsonObject]
    recovery_sql: Mapped[str]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[dt.datetime | None]
    restored_at: Mapped[dt.datetime | None]
    restored_as: Mapped[str | None]
    restore_report: Mapped[JsonObject | None]


class MigrationCheckpoint(Base):
    """How far a batched data movement has come."""

    __tablename__ = "_zanith_migration_checkpoints"

    id: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[str | None]
    operation: Mapped[str]
    cursor: Mapped[JsonObject | None]
    rows_done: Mapped[int] = mapped_column(BigInteger, server_default="0")
    status: Mapped[str]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


BOOKKEEPING_TABLES = frozenset(table.name for table in Base.metadata.sorted_tables)
"""Names of the five tables, for filters."""
