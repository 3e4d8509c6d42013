"""What has run, as values."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunStep:
    """One operation of a run; see `alembic_zanith.models.MigrationStep`."""

    position: int
    operation: str
    kind: str
    object_name: str
    sql: str
    level: str
    score: int | None
    reasons: tuple[str, ...]
    status: str
    rows: int | None
    elapsed_seconds: float | None
    error: str


@dataclass(frozen=True)
class Run:
    """One run of one revision, as `alembic_zanith.models.Migration`; empty is what is not known."""

    id: int
    revision: str
    direction: str
    outcome: str
    started_at: dt.datetime
    run_id: str = ""
    description: str = ""
    mode: str = ""
    run_by: str = ""
    database_role: str = ""
    host: str = ""
    application_version: str = ""
    server_version: str = ""
    flags: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    snapshot_before: str | None = None
    snapshot_after: str | None = None
    error: str = ""
    elapsed_seconds: float | None = None
    steps: tuple[RunStep, ...] = ()


@dataclass(frozen=True)
class KindTimes:
    """How long the operations of a kind took, in seconds."""

    kind: str
    operations: int
    longest: float
    average: float
    in_all: float
