"""`op.archive_column`: key and value are copied to an archive table, then the column goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations

from alembic_zanith.config import DEFAULT_RETENTION_DAYS
from alembic_zanith.errors import ConfigurationError
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.parking import ArchiveColumn
from alembic_zanith.risk.reading import reads

from .drops import DropColumnOperation, park_column
from .pacing import DEFAULT_BATCH_SIZE, checked_batch_size, checked_pause
from .registry import operation
from .rendering import given_options
from .running import log_parked

if TYPE_CHECKING:
    from alembic.operations import BatchOperations

    from alembic_zanith.artifacts import Artifact


@operation("archive_column", batch=True)
class ArchiveColumnOp(DropColumnOperation):
    """Represent the archiving of a column."""

    kind = "archive_column"

    def __init__(
        self,
        table_name: str,
        column_name: str,
        *,
        online: bool = False,
        batch_size: int = DEFAULT_BATCH_SIZE,
        pause: float = 0,
        **options: Any,
    ) -> None:
        super().__init__(table_name, column_name, **options)
        self.online = online
        self.batch_size = checked_batch_size(self.kind, table_name, batch_size)
        self.pause = checked_pause(self.kind, table_name, pause)
        if not online and (batch_size, pause) != (DEFAULT_BATCH_SIZE, 0):
            raise ConfigurationError(
                f"{self}: batch_size= and pause= are for online=True. Without it all rows are "
                "copied at once."
            )

    @property
    def options(self) -> dict[str, object]:
        """What was asked for beyond names and retention, for rendering."""
        sizes = {"batch_size": self.batch_size} if self.batch_size != DEFAULT_BATCH_SIZE else {}
        return {**given_options(self, "online"), **sizes, **given_options(self, "pause")}

    @classmethod
    def archive_column(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
        online: bool = False,
        batch_size: int = DEFAULT_BATCH_SIZE,
        pause: float = 0,
    ) -> Artifact | None:
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

        A large table is better archived `online`, outside of a transaction::

            def upgrade():
                with op.get_context().autocommit_block():
                    op.archive_column("orders", "fax_number", online=True)

        Then the column is parked first, as by `op.soft_drop_column`, which takes a moment; its
        values are copied in batches while others read and write; and it is dropped when each row's
        value is in the archive. Killed at any point, the next upgrade goes on there, and until the
        end the column comes back as any that is soft-dropped.

        The data comes back with `op.restore_column` or on the command line with
        `alembic zanith-recover restore-column orders.fax_number`, as the last column of the table.

        :param table_name: name of the table, which needs a primary key or a unique constraint
         over columns that are NOT NULL.
        :param column_name: name of the column, which may not be part of that key.
        :param schema: schema of the table; by default the search path finds it.
        :param retention_days: days until `alembic zanith-recover cleanup` may purge the archive,
         30 by default; None keeps it for ever. Nothing is purged by itself.
        :param online: copy in batches, each committed by itself, without a long lock; it needs
         autocommit.
        :param batch_size: rows that one batch reads, 10,000 by default; for `online`.
        :param pause: seconds between two batches, 0 by default; for `online`.
        :return: the :class:`.Artifact` that says where the data is; None where an earlier run of
         the revision has done it `online`, and the artifact was purged since.

        Raises `NoKeyError` for a table without a key (`op.soft_drop_column` needs none),
        `UnknownObjectError` for a table or column that does not exist, `DependentObjectsError`
        where a real DROP would be refused, `NotDroppableError` for a generated column and
        `KeyChangedError` where the key changes meanwhile, both `online`, `MissingPrivilegeError`,
        `OfflineModeError` in `--sql` mode, `TransactionRequiredError` in an autocommit block
        without `online`, `AutocommitRequiredError` outside of one with it, and
        `UnsupportedDatabaseError` on a database that is not PostgreSQL.
        """
        artifact: Artifact | None = operations.invoke(
            cls(
                table_name,
                column_name,
                schema=schema,
                retention_days=retention_days,
                online=online,
                batch_size=batch_size,
                pause=pause,
            )
        )
        return artifact

    @classmethod
    def batch_archive_column(
        cls,
        operations: BatchOperations,
        column_name: str,
        *,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
        online: bool = False,
        batch_size: int = DEFAULT_BATCH_SIZE,
        pause: float = 0,
    ) -> Artifact:
        """Copy a column of the batch's table to the archive schema, and drop it.

        What the batch has queued before it runs first. A batch with `recreate="always"` is
        refused.

        .. seealso::

            `op.archive_column`
        """
        return cls._in_batch(
            operations,
            column_name,
            retention_days,
            online=online,
            batch_size=batch_size,
            pause=pause,
        )


@Operations.implementation_for(ArchiveColumnOp)
def archive_column(operations: Operations, operation: ArchiveColumnOp) -> Artifact | None:
    if not operation.online:
        return park_column(operations, operation)
    # Here, because most runs archive nothing.
    from .archiving import archived_online

    artifact = archived_online(operations, operation)
    if artifact is not None:
        log_parked(artifact)
    return artifact


@reads(ArchiveColumnOp)
def changes(operation: ArchiveColumnOp) -> Iterator[Change]:
    yield ArchiveColumn(TableRef(operation.table_name, operation.schema), operation.column_name)
