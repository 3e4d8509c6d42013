"""What the recovery functions return: plain values that a report can render."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alembic_zanith.artifacts import Artifact


@dataclass(frozen=True)
class InvalidForeignKey:
    """A foreign key that came back NOT VALID, because parent rows are gone by now.

    `count` is the number of rows without a parent; `sample` shows a few of them.
    """

    name: str
    count: int
    sample: tuple[str, ...] = ()


@dataclass(frozen=True)
class RestoreReport:
    """What a restore did, or with `dry_run` would do.

    `restored_as` is the name it came back under, as a person types it. `statements` is the SQL as
    it was run, in order. `rows_without_value` are the live rows that had no archived value,
    `orphaned_rows` the archived rows whose key no longer exists. `not_valid` are foreign keys with
    rows that have no parent, `left_out` the constraints that `relax` gave up, `renamed` the parts
    whose name was taken, as (old, new).
    """

    artifact: Artifact
    restored_as: str
    dry_run: bool = False
    already_restored: bool = False
    statements: tuple[str, ...] = ()
    row_count: int | None = None
    rows_without_value: int = 0
    orphaned_rows: int = 0
    not_valid: tuple[InvalidForeignKey, ...] = ()
    left_out: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON types, without the artifact, as its row stores it."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        del fields["artifact"]
        fields["not_valid"] = [
            {"name": key.name, "count": key.count, "sample": list(key.sample)}
            for key in self.not_valid
        ]
        fields["renamed"] = [list(pair) for pair in self.renamed]
        for name in ("statements", "left_out", "warnings"):
            fields[name] = list(fields[name])
        return fields


@dataclass(frozen=True)
class ReshapeReport:
    """What splitting or merging columns did.

    `rows` is how many rows were given values, `restored` the columns that came back from what this
    revision had parked, `parked` where those are that the values came from.
    """

    rows: int
    restored: tuple[RestoreReport, ...] = ()
    parked: tuple[Artifact, ...] = ()


@dataclass(frozen=True)
class ArtifactSummary:
    """One line of `list`.

    `size_bytes` is None where it cannot be told: the column of a live table has no size of its
    own. `present` is False when what was parked no longer exists. `row_estimate` stands in for
    `artifact.row_count` where the rows were not counted, as for soft drops. `rows_back` are
    those of an online restore that has not come to its end; None where there is none.
    """

    artifact: Artifact
    size_bytes: int | None
    present: bool
    row_estimate: int | None = None
    rows_back: int | None = None


@dataclass(frozen=True)
class Inspection:
    """One artifact in full: the way back as SQL, and whether its data is what was parked.

    `actual_checksum` is None when nothing is there to compute it from, `rows_back` as in `list`.
    """

    artifact: Artifact
    plan_sql: str
    expected_checksum: str
    actual_checksum: str | None
    matches: bool
    size_bytes: int | None
    present: bool
    rows_back: int | None = None


@dataclass(frozen=True)
class ExportReport:
    """How many rows and bytes an export wrote."""

    artifact: Artifact
    rows: int
    bytes: int


@dataclass(frozen=True)
class PurgeReport:
    """One artifact that was purged, or with `dry_run` would be.

    `dropped` is False when there was nothing left to drop, or nothing was done. `error` says why
    this one stayed, where a cleanup went on with the next. `warnings` tell of copies elsewhere.
    """

    artifact: Artifact
    size_bytes: int | None
    rows: int | None
    dropped: bool
    dry_run: bool = False
    error: str | None = None
    warnings: tuple[str, ...] = ()
