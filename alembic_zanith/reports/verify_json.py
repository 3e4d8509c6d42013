"""A rehearsal for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from alembic_zanith.verification import Verification


def verifications_json(found: Sequence[Verification]) -> str:
    """Return all rehearsals of a project as one JSON document."""
    document = {"version": 1, "databases": [_one(each) for each in found]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _one(found: Verification) -> dict[str, Any]:
    return {
        "database": found.database,
        "verdict": found.verdict.word,
        "exit_status": found.verdict.exit_status,
        "next_step": found.next_step,
        "topology": found.topology,
        "where": found.where,
        "production_version": found.production_version,
        "server_version": found.server_version,
        "heads": [*found.heads],
        "pending": [*found.pending],
        "stages": [asdict(each) for each in found.stages],
        "drift": [*found.drift],
        "findings": [{**asdict(each), "kind": each.kind.value} for each in found.findings],
        "operations": [asdict(each) for each in found.observations],
        "sample": [asdict(each) for each in found.sample],
        "failure": found.failure or None,
        "failed_revision": found.failed_revision,
        "kept": found.kept or None,
        "receipt": found.receipt,
    }
