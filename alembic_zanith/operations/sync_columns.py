"""`op.sync_columns`: two columns are kept the same, whichever of them is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alembic.autogenerate import renderers
from alembic.operations import Operations

from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.reshaping import SyncColumns
from alembic_zanith.risk.reading import reads

from .registry import operation
from .syncing import SyncOperation, run_block, sync_call

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

    from .unsync_columns import UnsyncColumnsOp


@operation("sync_columns")
class SyncColumnsOp(SyncOperation):
    """Represent the beginning: from here on a trigger keeps two columns the same."""

    kind = "sync_columns"

    def reverse(self) -> UnsyncColumnsOp:
        """Return the end of it, which has the expressions for its own way back."""
        # That module imports this one.
        from .unsync_columns import UnsyncColumnsOp

        return UnsyncColumnsOp(
            self.table_name,
            self.old,
            self.new,
            forward=self.forward,
            backward=self.backward,
            schema=self.schema,
        )

    @classmethod
    def sync_columns(
        cls,
        operations: Operations,
        table_name: str,
        old: str,
        new: str,
        *,
        forward: str,
        backward: str,
        schema: str | None = None,
    ) -> None:
        """Keep two columns of a table the same, whichever of them is written.

        e.g.::

            def upgrade():
                op.add_column("users", sa.Column("name", sa.Text()))
                op.sync_columns("users", "full_name", "name", forward="full_name", backward="name")

        So versions of an application that know one column only run side by side. An INSERT fills
        the column that it does not give from the one that it gives. An UPDATE carries over what
        it changes; where it changes both, or an INSERT gives both, the new column counts. A
        column counts as given where it is not what its default says. Rows that are there stay as
        they are: `op.backfill` fills them.

        It is one function and two triggers, BEFORE INSERT and BEFORE UPDATE for each row, whose
        names begin with `_zanith_sync_`. The lock is SHARE ROW EXCLUSIVE, for a moment.

        :param table_name: name of the table.
        :param old: name of the column that is to go.
        :param new: name of the column that is to stay.
        :param forward: SQL expression of the new column, made of the old one alone.
        :param backward: SQL expression of the old column, made of the new one alone.
        :param schema: schema of the table; by default the search path finds it.
        :return: nothing. In `--sql` mode the statement is written.

        Names in the expressions are looked up on the search path of the migration, also later.

        Raises `UnknownObjectError` for a table or column that does not exist, `NotSyncableError`
        where the two could not be kept the same, or an expression does not work,
        `ConfigurationError` for arguments of the wrong kind, `MissingPrivilegeError` and
        `UnsupportedDatabaseError` on a database that is not PostgreSQL.
        """
        operations.invoke(
            cls(table_name, old, new, forward=forward, backward=backward, schema=schema)
        )


@Operations.implementation_for(SyncColumnsOp)
def sync_columns(operations: Operations, operation: SyncColumnsOp) -> None:
    from alembic_zanith.sync.blocks import sync_block

    run_block(operations, operation, sync_block)


@renderers.dispatch_for(SyncColumnsOp)
def render_sync_columns(context: AutogenContext, operation: SyncColumnsOp) -> str:
    return sync_call(context, operation)


@reads(SyncColumnsOp)
def changes(operation: SyncColumnsOp) -> Iterator[Change]:
    table = TableRef(operation.table_name, operation.schema)
    yield SyncColumns(table, operation.old, operation.new)
