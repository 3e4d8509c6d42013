"""A column that an online restore has made and not finished: found, and taken away again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.bookkeeping import columns_present
from alembic_zanith.catalog.column_parts import OwnedSequence, SequenceFill
from alembic_zanith.catalog.relation import Relation, tree
from alembic_zanith.errors import BusyError, MissingPrivilegeError
from alembic_zanith.identifiers import quote
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.models import ArtifactKind
from alembic_zanith.movement.checkpoints import TABLE, Checkpoint, Checkpoints
from alembic_zanith.privileges import may_read
from alembic_zanith.sql import rows, run, run_all, scalar

from .carriers import known_oid
from .definition import Definition
from .members import as_they_are_now
from .names import Name, under_names
from .plan import Place

OPERATION = "restore_column"

_LOCK_SPACE = 0x7A616E << 32


@dataclass(frozen=True)
class HalfMade:
    """An online restore that has begun. `names` are those that parts got because theirs was taken.

    >>> HalfMade.checkpoint_id("a4c09f1e")
    'restore-a4c09f1e'
    """

    artifact: Artifact
    checkpoint: Checkpoint

    @staticmethod
    def checkpoint_id(artifact_id: str) -> str:
        return f"restore-{artifact_id}"

    @property
    def names(self) -> dict[Name, str]:
        return {Name(*name): new for *name, new in self.checkpoint.cursor.get("names", ())}

    def definition(self, connection: Connection, relation: Relation) -> Definition:
        """Return the definition with the names that it was begun with."""
        members = tree(connection, relation)
        same_database = known_oid(connection, self.artifact) is not None
        captured = Definition.from_json(self.artifact.definition)
        followed = as_they_are_now(captured, members, same_database=same_database)
        return under_names(followed, Place(relation.name, ""), self.names)

    def taken_away(self, dry_run: bool) -> str:
        """Return what to say of it in the report of an ordinary restore."""
        done = f"{self.checkpoint.rows_done:,} rows were back"
        was = "would be" if dry_run else "was"
        return f"What an unfinished online restore had made ({done}) {was} taken away first."


def half_made(store: ArtifactStore, artifact: Artifact) -> HalfMade | None:
    """Return the online restore of an artifact that has begun and not come to its end, if any."""
    if artifact.kind is not ArtifactKind.ARCHIVE_COLUMN:
        return None
    connection = store.connection
    with pinned_settings(connection):
        if TABLE not in columns_present(connection, store.schema):
            return None
        checkpoints = Checkpoints(connection, store.schema)
        if not may_read(connection, checkpoints.table):
            _refuse_if_begun(connection, artifact, checkpoints)
            return None
        found = checkpoints.find(HalfMade.checkpoint_id(artifact.id))
    return None if found is None else HalfMade(artifact, found)


def _refuse_if_begun(connection: Connection, artifact: Artifact, checkpoints: Checkpoints) -> None:
    """Raise where a column is half made, of which this role may not know how far."""
    name = Definition.from_json(artifact.definition).working_name
    there = (
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c"
        " ON c.oid = a.attrelid WHERE a.attname = :name AND NOT a.attisdropped"
        " AND c.relkind IN ('r', 'p'))"
    )
    if scalar(connection, there, name=name):
        role = str(scalar(connection, "SELECT CAST(current_user AS text)"))
        raise MissingPrivilegeError(
            f"An online restore of {artifact.source} is unfinished, and role {role} may not read "
            f"how far it is. Nothing has changed. Let the owner of {checkpoints.table.display} "
            f"run:\n  GRANT SELECT, INSERT, UPDATE, DELETE ON {checkpoints.table} TO {quote(role)};"
        )


def rows_back(store: ArtifactStore) -> dict[str, int]:
    """Return how many rows unfinished online restores have brought back, by artifact id.

    Nothing for a role that may not know.
    """
    connection = store.connection
    with pinned_settings(connection):
        checkpoints = Checkpoints(connection, store.schema)
        is_there = TABLE in columns_present(connection, store.schema)
        if not is_there or not may_read(connection, checkpoints.table):
            return {}
        found = checkpoints.of(OPERATION)
    return {each.cursor["artifact"]: each.rows_done for each in found}


def take_away(store: ArtifactStore, begun: HalfMade, relation: Relation | None) -> None:
    """Undo what an online restore has made: the column, its sequences, and the checkpoint.

    `relation` is None where the table is gone. For use in a transaction.

    Raises `BusyError` while another session is at it.
    """
    connection = store.connection
    with pinned_settings(connection):
        if not scalar(connection, f"SELECT {trying_to_lock(begun.artifact)}"):
            raise busy(connection, begun.artifact)
        undo(store, begun, relation)


def undo(store: ArtifactStore, begun: HalfMade, relation: Relation | None) -> None:
    """Do the same for a session that keeps others away already. For use under pinned settings."""
    connection = store.connection
    if relation is not None:
        run_all(connection, _undoing(begun, begun.definition(connection, relation), relation))
    run(connection, Checkpoints(connection, store.schema).forgetting(begun.checkpoint.id))


def _undoing(begun: HalfMade, definition: Definition, relation: Relation) -> Iterator[str]:
    for holding, part in reversed([*definition.parts()]):
        if isinstance(part, OwnedSequence):
            yield from part.park(holding.name)
    column = quote(str(definition.working_name))
    yield f"ALTER TABLE {relation.name} DROP COLUMN IF EXISTS {column}"
    for holding, part in definition.parts():
        if isinstance(part, SequenceFill) and part.create is not None:
            yield f"DROP SEQUENCE IF EXISTS {holding.name.renamed(part.sequence)}"


# -- one at a time -----------------------------------------------------------------------


def _key(artifact: Artifact) -> int:
    return _LOCK_SPACE | int(artifact.id, 16)


def trying_to_lock(artifact: Artifact) -> str:
    """Return the call that asks for the lock of an online restore, for the transaction.

    https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
    """
    return f"pg_catalog.pg_try_advisory_xact_lock({_key(artifact)})"


_HOLDER = """
SELECT l.pid FROM pg_catalog.pg_locks l
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND CAST(l.classid AS bigint) = :high AND CAST(l.objid AS bigint) = :low
   AND l.database = (SELECT oid FROM pg_catalog.pg_database
                      WHERE datname = pg_catalog.current_database())
"""


def busy(connection: Connection, artifact: Artifact) -> BusyError:
    """Return the error for an artifact that another session is bringing back."""
    key = _key(artifact)
    found = rows(connection, _HOLDER, high=key >> 32, low=key & 0xFFFFFFFF)
    who = f" (pid {found[0].pid})" if found else ""
    return BusyError(
        f"Another session{who} is bringing {artifact.source} back online. Nothing has changed. "
        "Wait for it, or end it: what it has done stays, and restore-column --online goes on there."
    )
