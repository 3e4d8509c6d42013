"""`op.backfill`: columns get values, in batches that are committed one by one where possible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from alembic.autogenerate import renderers
from alembic.operations import Operations
from alembic.operations.ops import MigrateOperation

from alembic_zanith.errors import ConfigurationError
from alembic_zanith.identifiers import quote
from alembic_zanith.movement.filling import Filling
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.rows import Backfill, UpdateRows
from alembic_zanith.risk.reading import reads

from .naming import check_names
from .pacing import DEFAULT_BATCH_SIZE, checked_batch_size, checked_key, checked_pause
from .registry import operation
from .rendering import call, name_literal

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


@operation("backfill")
class BackfillOp(MigrateOperation):
    """Represent values for columns of rows that are there."""

    kind = "backfill"

    def __init__(
        self,
        table_name: str,
        *,
        set: Mapping[str, str],  # noqa: A002 -- it is called as in SQL
        where: str | None = None,
        schema: str | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        pause: float = 0.0,
        key: str | Sequence[str] | None = None,
    ) -> None:
        check_names(self.kind, table_name=table_name)
        self.table_name = table_name
        self.schema = schema
        self.set = _checked_set(table_name, set)
        self.where = _checked_where(table_name, where)
        _require_expressions(table_name, self.set, self.where)
        self.batch_size = checked_batch_size(self.kind, table_name, batch_size)
        self.pause = checked_pause(self.kind, table_name, pause)
        self.key = checked_key(self.kind, table_name, key)

    def __str__(self) -> str:
        return f"{self.kind}({str(self.table_name)!r}, set={self.set!r})"

    @property
    def filling(self) -> Filling:
        """What it does, whatever it does it on."""
        return Filling(self.set, self.where, self.key)

    @property
    def sql(self) -> str:
        """The one UPDATE that does the same."""
        parts = [self.table_name] if self.schema is None else [self.schema, self.table_name]
        return self.filling.update(".".join(quote(str(part)) for part in parts))

    def reverse(self) -> NoReturn:
        """Raise `NotImplementedError`: what the rows had before is kept nowhere."""
        raise NotImplementedError(
            f"{self} has no reverse: what the rows had before is kept nowhere. Where the column "
            "is new, dropping it is the way back."
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, dict[str, str]]:
        """Return a description in the form that Alembic's own operations have."""
        return ("backfill", self.schema, self.table_name, self.set)

    @classmethod
    def backfill(
        cls,
        operations: Operations,
        table_name: str,
        *,
        set: Mapping[str, str],  # noqa: A002 -- it is called as in SQL
        where: str | None = None,
        schema: str | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        pause: float = 0.0,
        key: str | Sequence[str] | None = None,
    ) -> int | None:
        """Give columns values in the rows that are there.

        e.g.::

            def upgrade():
                with op.get_context().autocommit_block():
                    op.backfill("users", set={"email": "lower(name)"}, where="email IS NULL")

        Where each statement is committed by itself, as in `autocommit_block()`, the table is
        walked by its key in batches. Each is one transaction, with how far it has come in
        `_zanith_migration_checkpoints`: killed at any point, the next upgrade goes on there, no
        row is done twice and none is left out, also when rows are inserted, deleted or get other
        keys meanwhile. In a transaction it is one UPDATE, as it is where the table has no key to
        be walked by; the log says so.

        Unless the condition says `column IS NULL` of the one column that is set, a column
        `_zanith_done_…` is added for as long as it takes, which tells the rows that are done.

        :param table_name: name of the table.
        :param set: an SQL expression for each column to set; columns of the same row may be in it.
        :param where: SQL condition of the rows; all of them by default.
        :param schema: schema of the table; by default the search path finds it.
        :param batch_size: rows that one batch reads, 10,000 by default.
        :param pause: seconds between two batches, 0 by default.
        :param key: column or columns of the unique key to walk by; by default the primary key, or
         another unique key whose columns are NOT NULL.
        :return: how many rows were set, by earlier runs that were broken off too; None in `--sql`
         mode and where a plan is made.

        Raises `UnknownObjectError` for a table or column that does not exist, `UnusableKeyError`
        for a key that is none, `OtherDefinitionError` where an edited script would go on with what
        it has begun otherwise, `BatchFailedError` with the row that it fails on,
        `MissingPrivilegeError`, `ConfigurationError` for arguments of the wrong kind and
        `UnsupportedDatabaseError` on a database that is not PostgreSQL.
        """
        done: int | None = operations.invoke(
            cls(
                table_name,
                set=set,
                where=where,
                schema=schema,
                batch_size=batch_size,
                pause=pause,
                key=key,
            )
        )
        return done


def _wrong(table_name: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"backfill({str(table_name)!r}): {what}.")


def _checked_set(table_name: str, given: object) -> dict[str, str]:
    if isinstance(given, Mapping) and given and all(map(_is_text, (*given, *given.values()))):
        return {str(column): text for column, text in given.items()}
    raise _wrong(
        table_name,
        "set= is not a dict of columns with an SQL expression each, as in "
        "set={'email': 'lower(name)'}",
    )


def _checked_where(table_name: str, given: object) -> str | None:
    if given is None or (isinstance(given, str) and given.strip()):
        return given
    raise _wrong(table_name, "where= is not an SQL condition")


def _require_expressions(table_name: str, values: Mapping[str, str], where: str | None) -> None:
    """Refuse what is not whole in brackets: joined to the conditions of a batch by AND, such as
    `a) OR (b` would do rows of others again and again.
    """
    # Here, because it takes PostgreSQL's grammar along.
    from alembic_zanith.risk.statements.parser import UnreadableSqlError, require_expression

    texts = {f"set= for {column!r}": text for column, text in values.items()}
    for argument, text in {**texts, "where=": where}.items():
        try:
            if text is not None:
                require_expression(text)
        except UnreadableSqlError as error:
            reason = str(error).rstrip(".")
            raise _wrong(
                table_name, f"{argument} is not one whole SQL expression, {text!r}: {reason}"
            ) from error


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


@Operations.implementation_for(BackfillOp)
def backfill(operations: Operations, operation: BackfillOp) -> int | None:
    # Here, because most runs fill nothing.
    from .backfilling import fill

    return fill(operations, operation)


@renderers.dispatch_for(BackfillOp)
def render_backfill(context: AutogenContext, operation: BackfillOp) -> str:
    keywords: dict[str, Any] = {"set": operation.set}
    if operation.where is not None:
        keywords["where"] = operation.where
    if operation.schema:
        keywords["schema"] = str(operation.schema)
    if operation.batch_size != DEFAULT_BATCH_SIZE:
        keywords["batch_size"] = operation.batch_size
    if operation.pause:
        keywords["pause"] = operation.pause
    if operation.key is not None:
        keywords["key"] = operation.key[0] if len(operation.key) == 1 else operation.key
    return call(context, operation.kind, [name_literal(operation.table_name)], keywords)


@reads(BackfillOp)
def changes(operation: BackfillOp) -> Iterator[Change]:
    # Here, because it takes PostgreSQL's grammar along.
    from alembic_zanith.risk.statements import changes_in

    table = TableRef(operation.table_name, operation.schema)
    yield Backfill(table, in_batches=True)
    for change in changes_in(operation.sql):
        if isinstance(change, UpdateRows):
            # Values that are there are lost, unless the plan adds the columns.
            yield UpdateRows(table, some=True, columns=change.columns)
        elif not isinstance(change, Backfill):
            yield change
