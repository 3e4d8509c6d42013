"""`op.unsync_columns`: two columns are no longer kept the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alembic.autogenerate import renderers
from alembic.operations import Operations

from alembic_zanith.hooks import is_downgrade
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.reshaping import UnsyncColumns
from alembic_zanith.risk.reading import reads

from .registry import operation
from .sync_columns import SyncColumnsOp
from .syncing import SyncOperation, run_block, sync_call

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


@operation("unsync_columns")
class UnsyncColumnsOp(SyncOperation):
    """Represent the end: each of two columns is on its own again."""

    kind = "unsync_columns"

    def reverse(self) -> SyncColumnsOp:
        """Return the beginning, with the expressions.

        Raises `NotImplementedError` where the operation has none.
        """
        if self.forward is None or self.backward is None:
            raise NotImplementedError(
                f"{self} has no reverse: it does not say what each column is made of. Write "
                "forward= and backward= into it, as op.sync_columns has them."
            )
        return SyncColumnsOp(
            self.table_name,
            self.old,
            self.new,
            forward=self.forward,
            backward=self.backward,
            schema=self.schema,
        )

    @classmethod
    def unsync_columns(
        cls,
        operations: Operations,
        table_name: str,
        old: str,
        new: str,
        *,
        forward: str | None = None,
        backward: str | None = None,
        schema: str | None = None,
        force: bool = False,
    ) -> None:
        """No longer keep two columns the same: drop what `op.sync_columns` has made.

        e.g.::

            def upgrade():
                op.unsync_columns("users", "full_name", "name")
                op.soft_drop_column("users", "full_name")

        Both columns stay, with what they have. All rows are read before, as what was written with
        the triggers switched off is in one column alone. Then the lock is ACCESS EXCLUSIVE, for a
        moment.

        :param table_name: name of the table.
        :param old: name of the column that was to go, as in `op.sync_columns`.
        :param new: name of the column that was to stay.
        :param forward: as in `op.sync_columns`; needed for nothing but the reverse.
        :param backward: the same.
        :param schema: schema of the table; by default the search path finds it.
        :param force: True ends it whatever the rows have, and reads none.
        :return: nothing. In `--sql` mode the statement is written.

        Raises `NotInStepError` where the columns have values that are not made of each other, with
        their number, some of them, and the UPDATE that puts them right; `UnknownObjectError`
        where there is no such table, or the two are not kept the same,
        `MissingPrivilegeError`, and `UnsupportedDatabaseError` on a database that is not
        PostgreSQL.
        """
        operations.invoke(
            cls(
                table_name,
                old,
                new,
                forward=forward,
                backward=backward,
                schema=schema,
                force=force,
            )
        )


@Operations.implementation_for(UnsyncColumnsOp)
def unsync_columns(operations: Operations, operation: UnsyncColumnsOp) -> None:
    from alembic_zanith.sync.blocks import unsync_block

    # Rows that were never filled lose nothing where the new column goes.
    unfilled_too = not is_downgrade(operations.migration_context)
    run_block(
        operations, operation, lambda pair: unsync_block(pair, not operation.force, unfilled_too)
    )


@renderers.dispatch_for(UnsyncColumnsOp)
def render_unsync_columns(context: AutogenContext, operation: UnsyncColumnsOp) -> str:
    return sync_call(context, operation)


@reads(UnsyncColumnsOp)
def changes(operation: UnsyncColumnsOp) -> Iterator[Change]:
    table = TableRef(operation.table_name, operation.schema)
    yield UnsyncColumns(table, operation.old, operation.new)
