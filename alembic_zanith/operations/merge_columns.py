"""`op.merge_columns`: the values of several columns go into a new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from alembic.autogenerate import renderers
from alembic.operations.ops import MigrateOperation

from alembic_zanith.config import DEFAULT_RETENTION_DAYS
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.reshaping import MergeColumns
from alembic_zanith.risk.reading import reads

from .registry import operation
from .reshape import (
    ReshapeOperation,
    Target,
    Then,
    as_list,
    as_mapping,
    calls_of_expressions,
    rendered_target,
    reshape_call,
    target_name,
)
from .split_column import SplitColumnOp

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import BatchOperations, Operations

    from alembic_zanith.recovery import ReshapeReport


@operation("merge_columns", batch=True)
class MergeColumnsOp(ReshapeOperation):
    """Represent columns whose values go into one."""

    kind = "merge_columns"
    is_from_one = False

    def __init__(
        self,
        table_name: str,
        column_names: Sequence[str],
        *,
        into: Target,
        using: str | None,
        reverse: Mapping[str, str] | None = None,
        then: Then = "soft_drop",
        into_exists: bool = False,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
        _reverse: MigrateOperation | None = None,
    ) -> None:
        super().__init__(
            table_name,
            as_list(self.kind, "columns", column_names),
            [into],
            as_mapping(self.kind, "using", using, target_name(into)),
            as_mapping(self.kind, "reverse", reverse),
            then=then,
            into_exists=into_exists,
            schema=schema,
            retention_days=retention_days,
            _reverse=_reverse,
        )

    @property
    def into(self) -> str:
        """The name of the column that the values go into."""
        return self.targets[0]

    def reverse(self) -> MigrateOperation:
        """Return the split that takes the values back: the operation it came from, if known."""
        if self._reverse is not None:
            return self._reverse
        return SplitColumnOp(
            self.table_name,
            self.into,
            into=self.sources,
            using=self.back,
            reverse=None if self.values is None else self.values[self.into],
            **self.reversed_options(),
        )

    @classmethod
    def merge_columns(
        cls,
        operations: Operations,
        table_name: str,
        column_names: Sequence[str],
        *,
        into: Target,
        using: str | None,
        reverse: Mapping[str, str] | None = None,
        then: Then = "soft_drop",
        into_exists: bool = False,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
    ) -> ReshapeReport:
        """Take the values of several columns into a new one, and park them.

        e.g.::

            def upgrade():
                op.merge_columns(
                    "phones",
                    ["prefix", "number"],
                    into=sa.Column("e164", sa.Text, nullable=False),
                    using="'+' || prefix || number",
                    reverse={"prefix": "substr(e164, 2, 2)", "number": "substr(e164, 4)"},
                )

            def downgrade():
                op.split_column(
                    "phones",
                    "e164",
                    into=["prefix", "number"],
                    using={"prefix": "substr(e164, 2, 2)", "number": "substr(e164, 4)"},
                    reverse="'+' || prefix || number",
                )

        The column is added, all rows are filled by one UPDATE, NOT NULL comes last, then the old
        columns are parked; all in one transaction, under a lock on the table. A column that this
        revision itself has parked, as `op.split_column` in its upgrade() does, comes back instead:
        with the values that it had, but for rows that were written since, which get that of
        `using`. What `reverse` is for is to tell these rows.

        :param table_name: name of the table.
        :param column_names: names of the columns to merge.
        :param into: the column to make, as `sqlalchemy.Column`; a name alone is enough for one
         that comes back.
        :param using: its SQL expression; columns of the same row may be in it. None where it
         comes back and no row was written since.
        :param reverse: the SQL expressions that give each old column from the new one. Without
         them this is one-way: no row that is written from now on can be taken back.
        :param then: what becomes of the old columns: `"soft_drop"`, `"archive"` or `"keep"`.
        :param into_exists: the column is there already, since `op.split_column(then="keep")` has
         kept it; rows in which it differs from what `using` says are written.
        :param schema: schema of the table; by default the search path finds it.
        :param retention_days: days until `alembic zanith-recover cleanup` may purge what is
         parked, 30 by default; None keeps it for ever. Nothing is purged by itself.
        :return: a :class:`.ReshapeReport`: how many rows were given values, what came back, what
         is parked.

        Raises what `op.split_column` raises. Then nothing has changed.
        """
        report: ReshapeReport = operations.invoke(
            cls(
                table_name,
                column_names,
                into=into,
                using=using,
                reverse=reverse,
                then=then,
                into_exists=into_exists,
                schema=schema,
                retention_days=retention_days,
            )
        )
        return report

    @classmethod
    def batch_merge_columns(
        cls,
        operations: BatchOperations,
        column_names: Sequence[str],
        *,
        into: Target,
        using: str | None,
        reverse: Mapping[str, str] | None = None,
        then: Then = "soft_drop",
        into_exists: bool = False,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
    ) -> ReshapeReport:
        """Take the values of several columns of the batch's table into a new one, and park them.

        What the batch has queued before it runs first. A batch with `recreate="always"` is
        refused.

        .. seealso::

            `op.merge_columns`
        """
        report: ReshapeReport = operations.invoke(
            cls(
                operations.impl.table_name,
                column_names,
                into=into,
                using=using,
                reverse=reverse,
                then=then,
                into_exists=into_exists,
                schema=operations.impl.schema,
                retention_days=retention_days,
            )
        )
        return report


@renderers.dispatch_for(MergeColumnsOp)
def render_merge_columns(context: AutogenContext, operation: MergeColumnsOp) -> str:
    return reshape_call(
        context,
        operation,
        repr(list(operation.sources)),
        rendered_target(context, operation, operation.into),
        None if operation.values is None else operation.values[operation.into],
        operation.back,
    )


@reads(MergeColumnsOp)
def changes(operation: MergeColumnsOp) -> Iterator[Change]:
    table = TableRef(operation.table_name, operation.schema)
    yield MergeColumns(table, operation.sources, operation.into)
    yield from calls_of_expressions(operation)
