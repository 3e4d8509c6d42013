"""Checkpoints: rows of `_zanith_migration_checkpoints` that say how far a walk has come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.bookkeeping import complete_tables
from alembic_zanith.identifiers import QualifiedName, literal
from alembic_zanith.sql import run

TABLE = "_zanith_migration_checkpoints"


class CheckpointStatus(StrEnum):
    """`running` has rows to do, `done` has none, `applied` belongs to a run that has ended well."""

    RUNNING = "running"
    DONE = "done"
    APPLIED = "applied"


@dataclass(frozen=True)
class Checkpoint:
    """One row. `cursor` is for whoever walks: what the work is, and the place where it stands."""

    id: str
    revision: str | None
    operation: str
    status: CheckpointStatus
    cursor: Mapping[str, Any]
    rows_done: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the run that it belongs to has not come to its end."""
        return self.status is not CheckpointStatus.APPLIED


class Checkpoints:
    """Reads and writes the checkpoints in one schema, by plain SQL for any driver."""

    def __init__(self, connection: Connection, schema: str) -> None:
        self._connection = connection
        self._schema = schema
        self.table = QualifiedName(schema, TABLE)

    def ensure(self) -> None:
        """Make the bookkeeping tables, where they are missing.

        Raises as `complete_tables` does.
        """
        complete_tables(self._connection, self._schema)

    def find(self, checkpoint_id: str) -> Checkpoint | None:
        """Return a checkpoint by its id."""
        found = self._where(f"id = {literal(checkpoint_id)}")
        return found[0] if found else None

    def stamp(self, checkpoint_id: str) -> str:
        """Return a text that is another as soon as a batch was committed with a checkpoint."""
        found = run(
            self._connection,
            "SELECT CAST(extract(epoch FROM updated_at) AS pg_catalog.text)"
            f" FROM {self.table} WHERE id = {literal(checkpoint_id)}",
        )
        return str(found.scalar())

    def running(self, operation: str, revision: str) -> list[Checkpoint]:
        """Return what a revision has begun and not done."""
        return self._where(
            f"operation = {literal(operation)} AND revision = {literal(revision)}"
            f" AND status = {literal(CheckpointStatus.RUNNING)}"
        )

    def of(self, operation: str) -> list[Checkpoint]:
        """Return all checkpoints of an operation."""
        return self._where(f"operation = {literal(operation)}")

    def _where(self, condition: str) -> list[Checkpoint]:
        found: Any = run(
            self._connection,
            "SELECT id, revision, operation, status, CAST(cursor AS pg_catalog.text), rows_done"
            f" FROM {self.table} WHERE {condition} ORDER BY created_at, id",
        )
        return [
            Checkpoint(
                checkpoint_id,
                revision,
                operation,
                CheckpointStatus(status),
                json.loads(cursor or "{}"),
                rows_done,
            )
            for checkpoint_id, revision, operation, status, cursor, rows_done in found
        ]

    def begin(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, in place of an old one with its id."""
        revision = "NULL" if checkpoint.revision is None else literal(checkpoint.revision)
        values = (
            f"{literal(checkpoint.id)}, {revision}, {literal(checkpoint.operation)},"
            f" {literal(checkpoint.status)}, {_json(checkpoint.cursor)}, {checkpoint.rows_done}"
        )
        run(
            self._connection,
            f"INSERT INTO {self.table} AS c (id, revision, operation, status, cursor, rows_done)"
            f" VALUES ({values}) ON CONFLICT (id) DO UPDATE SET status = excluded.status,"
            " cursor = excluded.cursor, rows_done = excluded.rows_done,"
            " created_at = pg_catalog.now(), updated_at = pg_catalog.now()",
        )

    def committing(
        self,
        checkpoint_id: str,
        work: str,
        cursor: Mapping[str, Any],
        status: CheckpointStatus = CheckpointStatus.RUNNING,
    ) -> str:
        """Return one statement that does a piece of work and writes the checkpoint with it.

        `work` is an INSERT, UPDATE or DELETE that returns a row for each row done. A statement is
        atomic by itself where none is open a transaction, whatever driver or pooler sends it. It
        returns how many rows it has done, and how many are done in all.
        https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
        """
        done = "(SELECT pg_catalog.count(*) FROM _zanith_work)"
        return (
            f"WITH _zanith_work AS ({work}) UPDATE {self.table} AS c"
            f" SET rows_done = c.rows_done + {done}, cursor = {_json(cursor)},"
            f" status = {literal(status)}, updated_at = pg_catalog.clock_timestamp()"
            f" WHERE c.id = {literal(checkpoint_id)} RETURNING {done}, c.rows_done"
        )

    def mark(
        self,
        checkpoint_id: str,
        status: CheckpointStatus,
        cursor: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the status of a checkpoint."""
        place = "" if cursor is None else f" cursor = {_json(cursor)},"
        run(
            self._connection,
            f"UPDATE {self.table} SET{place} status = {literal(status)},"
            f" updated_at = pg_catalog.clock_timestamp() WHERE id = {literal(checkpoint_id)}",
        )

    def note(self, checkpoint_id: str, values: Mapping[str, Any]) -> None:
        """Write some values of a cursor, and leave the others as they are."""
        run(
            self._connection,
            f"UPDATE {self.table} SET cursor = cursor OPERATOR(pg_catalog.||) {_json(values)},"
            f" updated_at = pg_catalog.clock_timestamp() WHERE id = {literal(checkpoint_id)}",
        )

    def forgetting(self, checkpoint_id: str) -> str:
        """Return the statement that a person gives to have a checkpoint forgotten."""
        return f"DELETE FROM {self.table} WHERE id = {literal(checkpoint_id)};"


def _json(value: Mapping[str, Any]) -> str:
    return f"CAST({literal(json.dumps(value, sort_keys=True))} AS pg_catalog.jsonb)"
