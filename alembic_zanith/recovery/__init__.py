"""Park, restore, export, purge: functions that take a SQLAlchemy Connection in a transaction.

None of them commits. Each raises a subclass of `alembic_zanith.errors.ZanithError` and leaves the
database as it was when it cannot do what it was asked for.
"""

from __future__ import annotations

from alembic_zanith.errors import NothingParkedError

from .archive_column import archive_column
from .export import export_artifact
from .inspection import inspect_artifact
from .listing import list_artifacts
from .meanwhile import Meanwhile
from .park_column import soft_drop_column
from .park_table import archive_table, soft_drop_table
from .purge import cleanup, purge
from .report import (
    ArtifactSummary,
    ExportReport,
    Inspection,
    InvalidForeignKey,
    PurgeReport,
    ReshapeReport,
    RestoreReport,
)
from .restore import restore_column, restore_table

__all__ = [
    "ArtifactSummary",
    "ExportReport",
    "Inspection",
    "InvalidForeignKey",
    "Meanwhile",
    "NothingParkedError",
    "PurgeReport",
    "ReshapeReport",
    "RestoreReport",
    "archive_column",
    "archive_table",
    "cleanup",
    "export_artifact",
    "inspect_artifact",
    "list_artifacts",
    "purge",
    "restore_column",
    "restore_table",
    "soft_drop_column",
    "soft_drop_table",
]
