"""`op.drop_extension`: an extension goes, unless something needs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alembic.autogenerate import renderers

from alembic_zanith.catalog import known_names
from alembic_zanith.catalog.dependents import dependents_of
from alembic_zanith.catalog.extension_rows import rows_of_extension
from alembic_zanith.declarations import Extension
from alembic_zanith.errors import (
    DependentObjectsError,
    NotDroppableError,
    NotReversibleError,
    UnknownObjectError,
    ZanithError,
    did_you_mean,
)
from alembic_zanith.identifiers import quote
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.extensions import DropExtension
from alembic_zanith.risk.reading import reads
from alembic_zanith.sql import is_autocommit, unheard

from .create_extension import CreateExtensionOp
from .naming import check_names
from .plain_sql import PlainSqlOperation
from .registry import operation
from .rendering import call, given_options, name_literal

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import Operations
    from sqlalchemy import Connection


@operation("drop_extension")
class DropExtensionOp(PlainSqlOperation):
    """Represent an extension that goes. `extension` is its definition, where it is known."""

    kind = "drop_extension"

    def __init__(
        self,
        extension_name: str,
        *,
        if_exists: bool = False,
        extension: Extension | None = None,
    ) -> None:
        check_names(self.kind, extension_name=extension_name)
        self.extension_name = extension_name
        self.if_exists = if_exists
        self.extension = extension

    def __str__(self) -> str:
        return f"{self.kind}({str(self.extension_name)!r})"

    def statement(self, schema: str | None) -> str:
        """Return DROP EXTENSION, never with CASCADE."""
        exists = "IF EXISTS " if self.if_exists else ""
        return f"DROP EXTENSION {exists}{quote(self.extension_name)}"

    def check(self, connection: Connection) -> None:
        """Refuse where rows that somebody has written would go along."""
        with unheard():
            found = rows_of_extension(connection, str(self.extension_name))
        if not found:
            return
        listing = "\n".join(f"  - {table}: {count:,} rows" for table, count in found)
        raise NotDroppableError(
            f"{self} changed nothing: tables that belong to the extension have rows, which "
            f"would go along and be kept nowhere:\n{listing}\n"
            "Export what is needed. To drop them on purpose, write "
            f"op.execute({self.statement(None)!r}) instead, and run it with --allow-destructive."
        )

    def explain(self, connection: Connection, state: str, reason: str) -> ZanithError | None:
        """Name every object that needs it, or the extensions that there are."""
        nothing = f"{self} changed nothing"
        if state == "42704":
            hint = did_you_mean(self.extension_name, known_names.extensions(connection))
            return UnknownObjectError(
                f"{nothing}: there is no extension {str(self.extension_name)!r}.{hint}"
            )
        if state != "2BP01":
            return None
        # In a transaction PostgreSQL can be asked again, for the lines that drivers do not all hand
        # on.
        alone = is_autocommit(connection)
        found = [reason] if alone else dependents_of(connection, self.statement(None))
        listing = "\n".join(f"  - {line}" for line in found)
        return DependentObjectsError(
            f"{nothing}: other objects need the extension:\n{listing}\n"
            "Drop or change them in an earlier step of this migration.",
            found,
        )

    def reverse(self) -> CreateExtensionOp:
        """Return the operation that makes it again.

        Raises `NotReversibleError` where its schema and version are not known.
        """
        if self.extension is None:
            raise NotReversibleError(
                f"{self} cannot be reversed: it does not know the schema and version of the "
                "extension. Write op.create_extension() yourself, with what \\dx shows in psql."
            )
        return CreateExtensionOp.from_extension(self.extension)

    def to_diff_tuple(self) -> tuple[object, ...]:
        """Return kind and name, for `alembic check` and `compare_metadata`."""
        return (self.kind, str(self.extension_name))

    @classmethod
    def drop_extension(
        cls, operations: Operations, extension_name: str, *, if_exists: bool = False
    ) -> None:
        """Drop an extension that nothing outside of it needs.

        e.g.::

            op.drop_extension("pg_trgm")

        Columns of its types, indexes with its operators, functions and views that call it keep it:
        they are named, and nothing happens. There is no `cascade`, because it would take them
        along, values and all. Drop or park what is not needed any more in a step before.

        Tables that belong to the extension go with it, so none of them may have rows that somebody
        has written, such as the jobs of pg_cron. `--sql` cannot tell.

        :param extension_name: name of the extension.
        :param if_exists: True accepts that there is none.
        :return: None.

        Raises `DependentObjectsError` where other objects need it, `NotDroppableError` where tables
        of its own have rows, `UnknownObjectError` for an
        extension that does not exist, `MissingPrivilegeError`, and `UnsupportedDatabaseError` on a
        database that is not PostgreSQL.
        """
        operations.invoke(cls(extension_name, if_exists=if_exists))


@renderers.dispatch_for(DropExtensionOp)
def render(context: AutogenContext, operation: DropExtensionOp) -> str:
    options = given_options(operation, "if_exists")
    return call(context, operation.kind, [name_literal(operation.extension_name)], options)


@reads(DropExtensionOp)
def changes(operation: DropExtensionOp) -> Iterator[Change]:
    yield DropExtension(str(operation.extension_name))
