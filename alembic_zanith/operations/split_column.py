"""`op.split_column`: the values of one column go into several new ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from alembic.autogenerate import renderers
from alembic.operations.ops import MigrateOperation

from alembic_zanith.config import DEFAULT_RETENTION_DAYS
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.reshaping import SplitColumn
from alembic_zanith.risk.reading import reads

from .registry import operation
from .rendering import name_literal
from .reshape import (
    ReshapeOperation,
    Target,
    Then,
    as_list,
    as_mapping,
    calls_of_expressions,
    rendered_target,
    reshape_call,
)

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import BatchOperations, Operations

    from alembic_zanith.recovery import ReshapeReport


@operation("split_column", batch=True)
class SplitColumnOp(ReshapeOperation):
    """Represent a column whose values go into several others."""

    kind = "split_column"
    is_from_one = True

    def __init__(
        self,
        table_name: str,
        column_name: str,
        *,
        into: Sequence[Target],
        using: Mapping[str, str] | None,
        reverse: str | None = None,
        then: Then = "soft_drop",
        into_exists: bool = False,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
        _reverse: MigrateOperation | None = None,
    ) -> None:
        super().__init__(
            table_name,
            [column_name],
            as_list(self.kind, "into", into),
            as_mapping(self.kind, "using", using),
            as_mapping(self.kind, "reverse", reverse, str(column_name)),
            then=then,
            into_exists=into_exists,
            schema=schema,
            retention_days=retention_days,
            _reverse=_reverse,
        )

    @property
    def column_name(self) -> str:
        """The column that is split."""
        return self.sources[0]

    def reverse(self) -> MigrateOperation:
        """Return the merge that takes the values back: the operation it came from, if known."""
        if self._reverse is not None:
            return self._reverse
        # That module imports this one.
        from .merge_columns import MergeColumnsOp

        return MergeColumnsOp(
            self.table_name,
            self.targets,
            into=self.column_name,
            using=None if self.back is None else self.back[self.column_name],
            reverse=self.values,
            **self.reversed_options(),
        )

    @classmethod
    def split_column(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        into: Sequence[Target],
        using: Mapping[str, str] | None,
        reverse: str | None = None,
        then: Then = "soft_drop",
        into_exists: bool = False,
        schema: str | None = None,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
    ) -> ReshapeReport:
        """Take the values of a column into several new ones, and park it.

        e.g.::

            def upgrade():
                op.split_column(
                    "users",
                    "full_name",
                    into=[sa.Column("first", sa.Text, nullable=False), sa.Column("last", sa.Text)],
                    using={
                        "first": "split_part(full_name, ' ', 1)",
                        "last": "nullif(substr(full_name, strpos(full_name || ' ', ' ') + 1), '')",
                    },
                    reverse="concat_ws(' ', first, last)",
                )

            def downgrade():
                op.merge_columns(
                    "users",
                    ["first", "last"],
                    into="full_name",
                    using="concat_ws(' ', first, last)",
                    reverse={
                        "first": "split_part(full_name, ' ', 1)",
                        "last": "nullif(substr(full_name, strpos(full_name || ' ', ' ') + 1), '')",
                    },
                )

        The columns are added, all rows are filled by one UPDATE, NOT NULL comes last, then the old
        column is parked; all in one transaction, under a lock on the table. Columns that this
        revision itself has parked, as its own downgrade() does, come back instead: with the
        values that they had, but for rows that were written since, which get those of `using`.
        What `reverse` is for is to tell these rows.

        :param table_name: name of the table.
        :param column_name: name of the column to split.
        :param into: the columns to make, as `sqlalchemy.Column`; a name alone is enough for one
         that comes back.
        :param using: an SQL expression for each of them; columns of the same row may be in it.
         None where they come back and no row was written since.
        :param reverse: the SQL expression that gives the old value from the new ones. Without it
         this is one-way: no row that is written from now on can be taken back.
        :param then: what becomes of the old column: `"soft_drop"`, `"archive"` or `"keep"`.
        :param into_exists: the columns are there already, since `op.merge_columns(then="keep")`
         has kept them; rows in which they differ from what `using` says are written.
        :param schema: schema of the table; by default the search path finds it.
        :param retention_days: days until `alembic zanith-recover cleanup` may purge what is
         parked, 30 by default; None keeps it for ever. Nothing is purged by itself.
        :return: a :class:`.ReshapeReport`: how many rows were given values, what came back, what
         is parked.

        Raises `ExpressionError` with the row that an expression fails on, `OneWayError` where rows
        were written since and no expression is given for them, `ConstraintConflictError` where
        one gives no value to a NOT NULL column, `NameTakenError` for a column that exists,
        `UnknownObjectError`, `DependentObjectsError` where a real DROP of the old column would be
        refused, `ConfigurationError` for arguments of the wrong kind, `MissingPrivilegeError`,
        `OfflineModeError` in `--sql` mode, `TransactionRequiredError` in an autocommit block and
        `UnsupportedDatabaseError` on a database that is not PostgreSQL. Then nothing has changed.
        """
        report: ReshapeReport = operations.invoke(
            cls(
                table_name,
                column_name,
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
    def batch_split_column(
        cls,
        operations: BatchOperations,
        column_name: str,
        *,
        into: Sequence[Target],
        using: Mapping[str, str] | None,
        reverse: str | None = None,
        then: Then = "soft_drop",
        into_exists: bool = False,
        retention_days: int | None = DEFAULT_RETENTION_DAYS,
    ) -> ReshapeReport:
        """Take the values of a column of the batch's table into several new ones, and park it.

        What the batch has queued before it runs first. A batch with `recreate="always"` is
        refused.

        .. seealso::

            `op.split_column`
        """
        report: ReshapeReport = operations.invoke(
            cls(
                operations.impl.table_name,
                column_name,
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


@renderers.dispatch_for(SplitColumnOp)
def render_split_column(context: AutogenContext, operation: SplitColumnOp) -> str:
    targets = [rendered_target(context, operation, name) for name in operation.targets]
    return reshape_call(
        context,
        operation,
        name_literal(operation.column_name),
        f"[{', '.join(targets)}]",
        operation.values,
        None if operation.back is None else operation.back[operation.column_name],
    )


@reads(SplitColumnOp)
def changes(operation: SplitColumnOp) -> Iterator[Change]:
    table = TableRef(operation.table_name, operation.schema)
    yield SplitColumn(table, operation.column_name, operation.targets)
    yield from calls_of_expressions(operation)
