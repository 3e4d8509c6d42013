"""The checkpoint of an operation that goes on where an earlier run of its script was broken off."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from alembic_zanith.hooks import at_end_of_revision, current_revision, is_downgrade
from alembic_zanith.movement.checkpoints import Checkpoints, CheckpointStatus
from alembic_zanith.sql import scalar, unheard

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection

    from alembic_zanith.workspace import Workspace


@dataclass(frozen=True)
class RunCheckpoint:
    """The checkpoint of one call in a script; `id` is the same whenever the script is run again."""

    context: MigrationContext
    checkpoints: Checkpoints
    id: str
    revision: str | None

    @classmethod
    def of(
        cls,
        context: MigrationContext,
        connection: Connection,
        place: Workspace,
        kind: str,
        *names: str,
    ) -> Self:
        """Return the checkpoint of an operation on what has these names.

        Equal calls of one script are told apart by their number.
        """
        schema = place.bookkeeping_schema
        if schema is None:
            with unheard():
                schema = str(scalar(connection, "SELECT pg_catalog.current_schema()"))
        revision, put_off = current_revision(context), at_end_of_revision(context) or {}
        ordinal = 0
        while True:
            parts = [kind, revision, is_downgrade(context), *names, ordinal]
            checkpoint_id = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
            if checkpoint_id not in put_off:
                return cls(context, Checkpoints(connection, schema), checkpoint_id, revision)
            ordinal += 1

    def mark_applied(self) -> None:
        """Have it count as applied when the script has come to its end."""
        put_off = at_end_of_revision(self.context)

        def mark() -> None:
            with unheard():
                self.checkpoints.mark(self.id, CheckpointStatus.APPLIED)

        if put_off is None:
            mark()
        else:
            put_off[self.id] = mark
