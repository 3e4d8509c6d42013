"""`op.soft_drop_table`: a table is renamed and made inert instead of dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alembic_zanith.config import DEFAULT_RETENTION_DAYS
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.parking import SoftDropTable
from alembic_zanith.risk.reading import reads

from .drops import DropTableOperation
from .registry import operation

if TYPE_CHECKING:
    from alembic.operations import Operations

    from alembic_zanith.artifacts import Artifact


@operation("soft_drop_table")
class SoftDropTableOp(DropTableOperation):
    """Represent a soft drop of a table."""

    kind = "soft_drop_table"

    @classmethod
    def soft_drop_table(
        cls,
        operations: Operations,
        table_name: str,
        *,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
    ) -> Artifact:
        """Drop a table so that it can come back: rename it, and take its force from it.

        e.g.::

            def upgrade():
                op.soft_drop_table("audit_log")

            def downgrade():
                op.restore_table("audit_log")

        The table becomes `_zanith_dropped_audit_log_<id>` in its schema; the names of its
        indexes, constraints, sequences and row type are freed as well, so that a new table may
        take them at once. No row is moved. What could hold back a live statement, such as its
        foreign keys, is taken along and comes back with it. What a real DROP TABLE would refuse is
        refused here too, with every dependent object named.

        The data comes back with `op.restore_table` or on the command line with
        `alembic zanith-recover restore-table audit_log`.

        :param table_name: name of the table.
        :param schema: schema of the table; by default the search path finds it.
        :param retention_days: days until `alembic zanith-recover cleanup` may purge the data,
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


@reads(SoftDropTableOp)
def changes(operation: SoftDropTableOp) -> Iterator[Change]:
    yield SoftDropTable(TableRef(operation.table_name, operation.schema))
