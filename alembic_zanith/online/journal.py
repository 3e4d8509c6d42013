"""Where an online restore stands: its checkpoint, in which steps are noted as they are done."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.errors import DataMissingError
from alembic_zanith.identifiers import QualifiedName
from alembic_zanith.locking.retrying import RetryPolicy
from alembic_zanith.movement.checkpoints import Checkpoint, Checkpoints
from alembic_zanith.recovery.half_made import HalfMade
from alembic_zanith.sql import run_all

from .sessions import keep_vacuum_out, pinned_transaction


@dataclass
class Journal:
    """The checkpoint of one online restore.

    Each step is a transaction that locks the row of the artifact first and looks what is done: the
    server may still be at a step of a client that is gone.
    """

    store: ArtifactStore
    artifact: Artifact
    policy: RetryPolicy
    cursor: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.checkpoints = Checkpoints(self.store.connection, self.store.schema)
        self.id = HalfMade.checkpoint_id(self.artifact.id)

    def find(self) -> Checkpoint:
        """Return the checkpoint as it is now, and take its cursor up.

        Raises `DataMissingError` where it is gone.
        """
        found = self.checkpoints.find(self.id)
        if found is None:
            raise self.gone()
        self.cursor = dict(found.cursor)
        return found

    def gone(self) -> DataMissingError:
        """Return the error for an artifact that others have brought back, or purged."""
        return DataMissingError(
            f"{self.artifact.source} was brought back or purged by another session while this one "
            "was bringing it back. See `alembic zanith-recover list --all`."
        )

    def is_done(self, name: str) -> bool:
        return name in self.cursor.get("done", ())

    @property
    def left_out(self) -> list[str]:
        """The labels of parts that are not coming back."""
        return list(self.cursor.get("left_out", ()))

    def step(self, what: str, name: str, work: Callable[[], object]) -> None:
        """Do a step in a transaction of its own, unless it is done; `what` is for the log."""

        def once() -> None:
            self.store.lock(self.artifact.id)
            self.find()
            if self.is_done(name):
                return
            work()
            done = [*self.cursor.get("done", ()), name]
            self.checkpoints.note(self.id, {"done": done})
            self.cursor["done"] = done

        pinned_transaction(self.store.connection, what, self.policy, once)

    def undo(
        self, what: str, names: Collection[str], statements: Collection[str], table: QualifiedName
    ) -> None:
        """Run what takes steps away again from a table, and note that they are not done."""

        def once() -> None:
            self.store.lock(self.artifact.id)
            self.find()
            if statements:
                keep_vacuum_out(self.store.connection, table)
            run_all(self.store.connection, statements)
            done = [each for each in self.cursor.get("done", ()) if each not in names]
            self.checkpoints.note(self.id, {"done": done})
            self.cursor["done"] = done

        pinned_transaction(self.store.connection, what, self.policy, once)

    def leave_out(self, label: str, name: str) -> None:
        """Note that a part is not coming back."""
        self.step(
            "A note", name, lambda: self.checkpoints.note(self.id, {"left_out": self._with(label)})
        )
        self.cursor["left_out"] = self._with(label)

    def _with(self, label: str) -> list[str]:
        return list(dict.fromkeys([*self.left_out, label]))
