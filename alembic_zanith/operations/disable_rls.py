"""`op.disable_rls`: row security is switched off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alembic.autogenerate import renderers
from alembic.operations.ops import MigrateOperation

from alembic_zanith.catalog.known_names import relation
from alembic_zanith.errors import NotReversibleError
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.row_security import DisableRowSecurity
from alembic_zanith.risk.reading import reads

from .registry import operation
from .rendering import call, given_options, name_literal
from .row_security import RowSecurityOperation, diff_tuple

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import Operations


@operation("disable_rls")
class DisableRlsOp(RowSecurityOperation):
    """Represent row security that is switched off. `_reverse` is how it was on, if known."""

    kind = "disable_rls"

    def __init__(
        self,
        table_name: str,
        *,
        schema: str | None = None,
        _reverse: MigrateOperation | None = None,
    ) -> None:
        super().__init__(table_name, schema=schema)
        self._reverse = _reverse

    def statement(self, schema: str | None) -> str:
        """Return ALTER TABLE that leaves nothing behind, FORCE neither."""
        off = "DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"
        return f"ALTER TABLE {relation(self.table_name, schema)} {off}"

    def reverse(self) -> MigrateOperation:
        """Return the operation that switches it on as it was.

        Raises `NotReversibleError` where nobody said if it was forced for the owner.
        """
        if self._reverse is None:
            raise NotReversibleError(
                f"{self} cannot be reversed: it does not know if row security was forced for the "
                f"owner of {self.table}. Write op.enable_rls() yourself, with force=True if it was."
            )
        return self._reverse

    def to_diff_tuple(self) -> tuple[object, ...]:
        """Return kind, schema and table, for `alembic check` and `compare_metadata`."""
        return diff_tuple(self)

    @classmethod
    def disable_rls(
        cls, operations: Operations, table_name: str, *, schema: str | None = None
    ) -> None:
        """Switch row security off: every role sees and writes all rows that its grants let it.

        e.g.::

            op.disable_rls("accounts")

        The policies stay, and hold again after `op.enable_rls`. If it was forced for the owner of
        the table, it no longer is.

        :param table_name: name of the table.
        :param schema: schema of the table; by default the search path finds it.
        :return: None.

        Raises `UnknownObjectError` for a table that does not exist, `MissingPrivilegeError`, and
        `UnsupportedDatabaseError` on a database that is not PostgreSQL.
        """
        operations.invoke(cls(table_name, schema=schema))


@renderers.dispatch_for(DisableRlsOp)
def render(context: AutogenContext, operation: DisableRlsOp) -> str:
    options = given_options(operation, "schema")
    return call(context, operation.kind, [name_literal(operation.table_name)], options)


@reads(DisableRlsOp)
def changes(operation: DisableRlsOp) -> Iterator[Change]:
    yield DisableRowSecurity(operation.table)
