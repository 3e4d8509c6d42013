"""Copy a column's values to an archive table, then drop the column for real."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.errors import ZanithError
from alembic_zanith.identifiers import quote
from alembic_zanith.integrity import CHECKSUM_ALGORITHM, Content, pinned_settings, roomy_memory
from alembic_zanith.models import ArtifactKind
from alembic_zanith.sql import one, run
from alembic_zanith.workspace import Workspace

from .archive_schema import ensure_archive_schema
from .column_archive import ColumnArchive, archive_key
from .park_column import begin, rename
from .record import Proof, Ticket, record
from .session import atomic


@atomic
def archive_column(
    connection: Connection,
    table: str,
    column: str,
    *,
    schema: str | None = None,
    retention_days: int | None = 30,
    workspace: Workspace | None = None,
) -> Artifact:
    """Copy key and value of every row to an archive table, check the copy, drop the column.

    The table must have a primary key, or a unique index over NOT NULL columns, that the column is
    not part of. `retention_days` is how many days until `cleanup` may purge the archive; None
    keeps it for ever.

    Raises `NoKeyError` for a table without such a key, and otherwise what `soft_drop_column`
    raises.

    >>> archive_column(connection, "orders", "discount_code").row_count    # doctest: +SKIP
    50000
    """
    store = ArtifactStore(connection, workspace)
    relation, original = begin(store, table, column, schema)
    key = archive_key(connection, relation, original, f"archive_column({table!r}, {column!r})")
    ticket = Ticket.draw(store, retention_days)
    archive = ColumnArchive.of(key, relation, original, ticket.id, store.workspace.archive_schema)
    ensure_archive_schema(connection, archive.table.schema)
    rename(connection, relation, column, archive.working_name)
    with pinned_settings(connection):
        stored = _filled(connection, archive)
        definition = archive.definition(connection)
        run(connection, f"ALTER TABLE {relation.name} DROP COLUMN {quote(archive.working_name)}")
    return record(
        store,
        ticket,
        ArtifactKind.ARCHIVE_COLUMN,
        source=relation.name,
        column=column,
        parked=archive.table,
        proof=Proof(stored.checksum, CHECKSUM_ALGORITHM, stored.row_count),
        definition=definition,
    )


def _filled(connection: Connection, archive: ColumnArchive) -> Content:
    """Fill the archive table, and prove that nothing is missing from it."""
    copied = archive.create(connection, with_data=True)
    relation = archive.relation.name
    if copied < 0:  # a driver that does not pass the number on
        copied = int(one(connection, f"SELECT pg_catalog.count(*) FROM {relation}")[0])
    with roomy_memory(connection):
        archive.complete(connection)
    stored = archive.content(connection)
    if stored.row_count != copied:
        raise ZanithError(
            f"The archive of {relation.display} holds {stored.row_count} rows where the table "
            f"has {copied}. Nothing has changed."
        )
    return stored
