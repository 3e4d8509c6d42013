"""Reports as JSON types. Keys are public; new ones may be added, none changes its meaning."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alembic_zanith.artifacts import Artifact
    from alembic_zanith.recovery.report import (
        ArtifactSummary,
        Inspection,
        PurgeReport,
        RestoreReport,
    )


def dumps(value: Any) -> str:
    """Return indented JSON text."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def artifact_json(artifact: Artifact, database: str) -> dict[str, Any]:
    """Return what identifies an artifact, in short."""
    return {
        "id": artifact.id,
        "database": database,
        "kind": artifact.kind.value,
        "status": artifact.status.value,
        "source": artifact.source,
        "source_schema": artifact.source_schema,
        "source_table": artifact.source_table,
        "source_column": artifact.source_column,
        "parked": artifact.parked,
        "parked_schema": artifact.parked_schema,
        "parked_table": artifact.parked_table,
        "parked_column": artifact.parked_column,
        "revision": artifact.revision,
        "row_count": artifact.row_count,
        "created_at": _iso(artifact.created_at),
        "expires_at": _iso(artifact.expires_at),
        "restored_at": _iso(artifact.restored_at),
        "restored_as": artifact.restored_as,
        "is_being_archived": artifact.is_being_archived,
    }


def summary_json(summary: ArtifactSummary, database: str) -> dict[str, Any]:
    """Return one line of `list`."""
    return {
        **artifact_json(summary.artifact, database),
        "row_estimate": summary.row_estimate,
        "rows_back": summary.rows_back,
        "size_bytes": summary.size_bytes,
        "present": summary.present,
    }


def inspection_json(inspection: Inspection, database: str) -> dict[str, Any]:
    """Return all that `inspect` knows."""
    artifact = inspection.artifact
    return {
        **artifact_json(artifact, database),
        "size_bytes": inspection.size_bytes,
        "present": inspection.present,
        "rows_back": inspection.rows_back,
        "checksum_algorithm": artifact.checksum_algorithm,
        "checksum": inspection.expected_checksum,
        "actual_checksum": inspection.actual_checksum,
        "matches": inspection.matches,
        "definition": artifact.definition,
        "plan_sql": inspection.plan_sql,
        "restore_report": artifact.restore_report,
    }


def restore_json(report: RestoreReport, database: str) -> dict[str, Any]:
    """Return what a restore did or would do."""
    return {"artifact": artifact_json(report.artifact, database), **report.as_dict()}


def purge_json(report: PurgeReport, database: str) -> dict[str, Any]:
    """Return one purge."""
    return {
        **artifact_json(report.artifact, database),
        "size_bytes": report.size_bytes,
        "dropped": report.dropped,
        "dry_run": report.dry_run,
        "error": report.error,
        "warnings": list(report.warnings),
    }


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(dt.UTC).isoformat()
