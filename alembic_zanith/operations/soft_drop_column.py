"""`op.soft_drop_column`: a column is renamed and made inert instead of dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alembic_zanith.config import DEFAULT_RETENTION_DAYS
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.parking import SoftDropColumn
from alembic_zanith.risk.reading import reads

from .drops import DropColumnOperation
from .registry import operation

if TYPE_CHECKING:
    from alembic.operations import BatchOperations, Operations

    from alembic_zanith.artifacts import Artifact


@operation("soft_drop_column", batch=True)
class SoftDropColumnOp(DropColumnOperation):
    """Represent a soft drop of a column."""

    kind = "soft_drop_column"

    @classmethod
    def soft_drop_column(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
    ) -> Artifact:
        """Drop a column so that it can come back: rename it, and take its force from it.

        e.g.::

            def upgrade():
                op.soft_drop_column("users", "legacy_uuid")

            def downgrade():
                op.restore_column("users", "legacy_uuid")

        The column becomes `_zanith_dropped_legacy_uuid_<id>`. No row is moved, so that it takes
        the same short time on a table of any size. To live rows it is as if the column were
        gone: it accepts NULL, and its foreign keys, checks, unique constraints and indexes are
        taken along and come back with it. What a real DROP COLUMN would refuse is refused here
        too, with every dependent object named.

        The data comes back with `op.restore_column` or on the command line with
        `alembic zanith-recover restore-column users.legacy_uuid`.

        :param table_name: name of the table.
        :param column_name: name of the column.
        :param schema: schema of the table; by default the search path finds it.
        :param retention_days: days until `alembic zanith-recover cleanup` may purge the data,
         30 by default; None keeps it for ever. Nothing is purged by itself.
        :return: the :class:`.Artifact` that says where the data is.

        Raises `UnknownObjectError` for a table or column that does not exist,
        `DependentObjectsError` where a real DROP would be refused, `MissingPrivilegeError`,
        `OfflineModeError` in `--sql` mode, `TransactionRequiredError` in an autocommit block and
        `UnsupportedDatabaseError` on a database that is not PostgreSQL.
        """
        artifact: Artifact = operations.invoke(
            cls(table_name, column_name, schema=schema, retention_days=retention_days)
        )
        return artifact

    @classmethod
    def batch_soft_drop_column(
        cls,
        operations: BatchOperations,
        column_name: str,
        *,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
    ) -> Artifact:
        """Drop a column of the batch's table so that it can come back.

        What the batch has queued before it runs first. A batch with `recreate="always"` is
        refused.

        .. seealso::

            `op.soft_drop_column`
        """
        return cls._in_batch(operations, column_name, retention_days)


@reads(SoftDropColumnOp)
def changes(operation: SoftDropColumnOp) -> Iterator[Change]:
    yield SoftDropColumn(TableRef(operation.table_name, operation.schema), operation.column_name)
