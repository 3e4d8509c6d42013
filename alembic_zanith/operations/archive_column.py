"""`op.archive_column`: key and value are copied to an archive table, then the column goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alembic_zanith.config import DEFAULT_RETENTION_DAYS
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.parking import ArchiveColumn
from alembic_zanith.risk.reading import reads

from .drops import DropColumnOperation
from .registry import operation

if TYPE_CHECKING:
    from alembic.operations import BatchOperations, Operations

    from alembic_zanith.artifacts import Artifact


@operation("archive_column", batch=True)
class ArchiveColumnOp(DropColumnOperation):
    """Represent the archiving of a column."""

    kind = "archive_column"

    @classmethod
    def archive_column(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
    ) -> Artifact:
        """Copy a column to the archive schema, by the key of its table, and drop it.

        e.g.::

            def upgrade():
                op.archive_column("orders", "fax_number")

            def downgrade():
                op.restore_column("orders", "fax_number")

        The archive table `_zanith_archive._zanith_archived_fax_number_<id>` holds the key and the
        value of each row, with a row count and a checksum that a restore verifies before it
        writes. The live table is free of the column for good, unlike after
        `op.soft_drop_column`, which leaves the data where it is; in return the rows are copied,
        under a lock on the table.

        The data comes back with `op.restore_column` or on the command line with
        `alembic zanith-recover restore-column orders.fax_number`, as the last column of the table.

        :param table_name: name of the table, which needs a primary key or a unique constraint
         over columns that are NOT NULL.
        :param column_name: name of the column, which may not be part of that key.
        :param schema: schema of the table; by default the search path finds it.
        :param retention_days: days until `alembic zanith-recover cleanup` may purge the archive,
         30 by default; None keeps it for ever. Nothing is purged by itself.
        :return: the :class:`.Artifact` that says where the data is.

        Raises `NoKeyError` for a table without a key (`op.soft_drop_column` needs none),
        `UnknownObjectError` for a table or column that does not exist, `DependentObjectsError`
        where a real DROP would be refused, `MissingPrivilegeError`, `OfflineModeError` in
        `--sql` mode, `TransactionRequiredError` in an autocommit block and
        `UnsupportedDatabaseError` on a database that is not PostgreSQL.
        """
        artifact: Artifact = operations.invoke(
            cls(table_name, column_name, schema=schema, retention_days=retention_days)
        )
        return artifact

    @classmethod
    def batch_archive_column(
        cls,
        operations: BatchOperations,
        column_name: str,
        *,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
    ) -> Artifact:
        """Copy a column of the batch's table to the archive schema, and drop it.

        What the batch has queued before it runs first. A batch with `recreate="always"` is
        refused.

        .. seealso::

            `op.archive_column`
        """
        return cls._in_batch(operations, column_name, retention_days)


@reads(ArchiveColumnOp)
def changes(operation: ArchiveColumnOp) -> Iterator[Change]:
    yield ArchiveColumn(TableRef(operation.table_name, operation.schema), operation.column_name)
