"""The beginning of an archive made online: the column is parked, its archive there and empty."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.relation import Relation, columns, tree
from alembic_zanith.catalog.unique_keys import unique_keys
from alembic_zanith.errors import KeyChangedError, NoKeyError, NotDroppableError
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.movement.keys import Key, choose_key
from alembic_zanith.recovery.archive_schema import ensure_archive_schema
from alembic_zanith.recovery.carriers import database_id
from alembic_zanith.recovery.column_archive import ColumnArchive, archive_key
from alembic_zanith.recovery.definition import Archiving, Definition
from alembic_zanith.recovery.park_column import begin, park, rename
from alembic_zanith.recovery.plan import recovery_sql
from alembic_zanith.recovery.record import Ticket


def park_for_archive(
    store: ArtifactStore,
    table: str,
    column: str,
    schema: str | None,
    retention_days: int | None,
    call: str,
) -> tuple[Artifact, Key]:
    """Park a column and make its archive; return the artifact, and the key to walk the table by.

    Call it in a transaction. The artifact is that of a soft drop, which also says what it will be
    once the values are copied.
    """
    connection = store.connection
    relation, original = begin(store, table, column, schema, "SHARE UPDATE EXCLUSIVE")
    key = archive_key(connection, relation, original, call)
    if original.generated:
        raise NotDroppableError(
            f"{call} changed nothing: {relation.name.display}.{original.name} is generated, so "
            "that its values are made of others and need no batches. Leave out online=True, or use "
            "op.soft_drop_column, which copies nothing."
        )
    walked_by = walking_key(connection, relation, original.name, call)
    ticket = Ticket.draw(store, retention_days)
    archive = ColumnArchive.of(key, relation, original, ticket.id, store.workspace.archive_schema)
    ensure_archive_schema(connection, archive.table.schema)
    with pinned_settings(connection):
        replace(archive, working_name=original.name).create(connection, with_data=False)
        archive.complete(connection)
    definition = replace(
        _definition(connection, archive), database_id=database_id(connection, store.table)
    )
    # From here on the table is locked against everybody.
    archiving = Archiving(archive.table, definition)
    return park(store, relation, original, ticket, archiving), walked_by


def _definition(connection: Connection, archive: ColumnArchive) -> Definition:
    """Capture what an archive needs of a column as it is, before it is parked.

    The savepoint gives back the lock that the rename needs.
    https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """
    with connection.begin_nested() as trial:
        rename(connection, archive.relation, archive.original.name, archive.working_name)
        with pinned_settings(connection):
            definition = archive.definition(connection)
        trial.rollback()
    return definition


def walking_key(connection: Connection, relation: Relation, column: str, call: str) -> Key:
    """Return the key to walk a table by, to copy a column of it.

    Raises `NoKeyError` where it has none.
    """
    found = choose_key(connection, relation, (column,))
    if isinstance(found, Key):
        return found
    raise NoKeyError(
        f"{call} cannot copy in batches: {relation.name.display} has no key to walk by, because "
        f"{found}. Nothing of it has changed now. Leave out online=True, or use "
        f"op.soft_drop_column({relation.name.name!r}, {column!r}), which needs no key."
    )


def require_same_key(
    connection: Connection, relation: Relation, artifact: Artifact, call: str
) -> None:
    """Make sure that rows are told by what they were told by when their column was parked.

    Raises `KeyChangedError`.
    """
    key = archiving_of(artifact).definition.key
    now = {each.name: (each.number, each.type_oid) for each in columns(connection, relation)}
    names = [each.name for each in key]
    has_heirs = not relation.is_partitioned and len(tree(connection, relation)) > 1
    if any(now.get(each.name) != (each.number, each.type_oid) for each in key):
        reason = "it is another column now, or has another type, or is gone"
    elif has_heirs:
        reason = "other tables inherit from it now, whose rows it does not tell apart"
    elif not any(
        each.is_not_null and {*each.columns} <= {*names}
        for each in unique_keys(connection, relation)
    ):
        reason = "no primary key and no unique index over NOT NULL columns has it now"
    else:
        return
    raise KeyChangedError(
        f"{call} cannot go on: its values are told by {', '.join(names)} of "
        f"{relation.name.display}, and {reason}. The column is parked (artifact {artifact.id}), "
        "and all of its values are there. Put the key back as it was and run the upgrade again, or "
        f"bring the column back: alembic zanith-recover restore-column {artifact.source}"
    )


def rewritten(store: ArtifactStore, artifact: Artifact) -> Artifact:
    """Write the row of an artifact anew, with the SQL that brings it back, and return it."""
    artifact = replace(artifact, recovery_sql=recovery_sql(artifact, store.table))
    store.rewrite(artifact)
    return artifact


def archiving_of(artifact: Artifact) -> Archiving:
    """Return the archive that a parked column is on its way to."""
    found = Definition.from_json(artifact.definition).archiving
    assert found is not None, "it was parked by park_for_archive"
    return found
