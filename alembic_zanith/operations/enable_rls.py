"""`op.enable_rls`: row security is switched on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alembic.autogenerate import renderers
from alembic.operations.ops import MigrateOperation

from alembic_zanith.catalog.known_names import relation
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.row_security import DisableRowSecurity, EnableRowSecurity
from alembic_zanith.risk.reading import reads

from .registry import operation
from .rendering import call, given_options, name_literal
from .row_security import RowSecurityOperation, diff_tuple

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import Operations


@operation("enable_rls")
class EnableRlsOp(RowSecurityOperation):
    """Represent row security that is switched on. `_reverse` is what it was before, if known."""

    kind = "enable_rls"

    def __init__(
        self,
        table_name: str,
        *,
        schema: str | None = None,
        force: bool | None = None,
        _reverse: MigrateOperation | None = None,
    ) -> None:
        super().__init__(table_name, schema=schema)
        self.force = force
        self._reverse = _reverse

    def statement(self, schema: str | None) -> str:
        """Return ALTER TABLE with one command, or with two where `force` is said."""
        commands = ["ENABLE ROW LEVEL SECURITY"]
        if self.force is not None:
            commands.append(f"{'' if self.force else 'NO '}FORCE ROW LEVEL SECURITY")
        return f"ALTER TABLE {relation(self.table_name, schema)} {', '.join(commands)}"

    def reverse(self) -> MigrateOperation:
        """Return the operation that switches it off, or brings back what was before, if known."""
        if self._reverse is not None:
            return self._reverse
        # That module imports this one.
        from .disable_rls import DisableRlsOp

        return DisableRlsOp(self.table_name, schema=self.schema, _reverse=self)

    def to_diff_tuple(self) -> tuple[object, ...]:
        """Return kind, schema, table and `force`, for `alembic check` and `compare_metadata`."""
        return diff_tuple(self, self.force)

    @classmethod
    def enable_rls(
        cls,
        operations: Operations,
        table_name: str,
        *,
        schema: str | None = None,
        force: bool | None = None,
    ) -> None:
        """Switch row security on: who reads or writes a table meets its policies from now on.

        e.g.::

            def upgrade():
                op.create_policy("own_rows", "accounts", using="owner = current_user")
                op.enable_rls("accounts")

            def downgrade():
                op.disable_rls("accounts")
                op.drop_policy("own_rows", "accounts")

        Create the policies first: without one, nobody but the owner of the table and superusers
        sees a row or can write one. The policies do not hold for the owner either, who often is
        whom the application connects as; `force` is for that. Partitions and children do not
        inherit it.

        https://www.postgresql.org/docs/current/ddl-rowsecurity.html

        :param table_name: name of the table.
        :param schema: schema of the table; by default the search path finds it.
        :param force: True to have it hold for the owner of the table, too; False to have it not. By
         default that stays as it is.
        :return: None.

        Raises `UnknownObjectError` for a table that does not exist, `MissingPrivilegeError`, and
        `UnsupportedDatabaseError` on a database that is not PostgreSQL.
        """
        operations.invoke(cls(table_name, schema=schema, force=force))


@renderers.dispatch_for(EnableRlsOp)
def render(context: AutogenContext, operation: EnableRlsOp) -> str:
    options = given_options(operation, "schema")
    if operation.force is not None:
        options["force"] = operation.force
    return call(context, operation.kind, [name_literal(operation.table_name)], options)


@reads(EnableRlsOp)
def changes(operation: EnableRlsOp) -> Iterator[Change]:
    yield EnableRowSecurity(operation.table)
    if operation.force is False:
        yield DisableRowSecurity(operation.table)
