"""`op.archive_table`: a table is moved to the archive schema instead of dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alembic_zanith.config import DEFAULT_RETENTION_DAYS
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.parking import ArchiveTable
from alembic_zanith.risk.reading import reads

from .drops import DropTableOperation
from .registry import operation

if TYPE_CHECKING:
    from alembic.operations import Operations

    from alembic_zanith.artifacts import Artifact


@operation("archive_table")
class ArchiveTableOp(DropTableOperation):
    """Represent the archiving of a table."""

    kind = "archive_table"

    @classmethod
    def archive_table(
        cls,
        operations: Operations,
        table_name: str,
        *,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
    ) -> Artifact:
        """Move a table, with its indexes and sequences, out of its schema into the archive.

        e.g.::

            def upgrade():
                op.archive_table("audit_log")

            def downgrade():
                op.restore_table("audit_log")

        The table becomes `_zanith_archive._zanith_archived_audit_log_<id>`. No row is moved; a
        checksum of its rows is noted, and a restore verifies it before it writes. Unlike after
        `op.soft_drop_table`, the schema that it came from holds nothing of it any more. What
        could hold back a live statement, such as its foreign keys, is taken along and comes back
        with it. What a real DROP TABLE would refuse is refused here too, with every dependent
        object named.

        The data comes back with `op.restore_table` or on the command line with
        `alembic zanith-recover restore-table audit_log`.

        :param table_name: name of the table.
        :param schema: schema of the table; by default the search path finds it.
        :param retention_days: days until `alembic zanith-recover cleanup` may purge the archive,
         30 by default; None keeps it for ever. Nothing is purged by itself.
        :return: the :class:`.Artifact` that says where the data is.

        Raises `UnknownObjectError` for a table that does not exist, `DependentObjectsError` where
        a real DROP would be refused, `MissingPrivilegeError`, `OfflineModeError` in `--sql` mode,
        `TransactionRequiredError` in an autocommit block and `UnsupportedDatabaseError` on a
        database that is not PostgreSQL.
        """
        artifact: Artifact = operations.invoke(
            cls(table_name, schema=schema, retention_days=retention_days)
        )
        return artifact


@reads(ArchiveTableOp)
def changes(operation: ArchiveTableOp) -> Iterator[Change]:
    yield ArchiveTable(TableRef(operation.table_name, operation.schema))
