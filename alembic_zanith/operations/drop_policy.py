"""`op.drop_policy`: a policy of row security goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alembic.autogenerate import renderers

from alembic_zanith.catalog import known_names
from alembic_zanith.catalog.known_names import relation
from alembic_zanith.declarations import Policy
from alembic_zanith.errors import NotReversibleError, ZanithError, did_you_mean
from alembic_zanith.identifiers import quote
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.row_security import DropPolicy
from alembic_zanith.risk.reading import reads

from .create_policy import CreatePolicyOp
from .naming import check_names
from .registry import operation
from .rendering import call, given_options, name_literal
from .row_security import RowSecurityOperation, diff_tuple

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import Operations
    from sqlalchemy import Connection


@operation("drop_policy")
class DropPolicyOp(RowSecurityOperation):
    """Represent a policy that goes. `policy` is its definition, where autogenerate saw it."""

    kind = "drop_policy"

    def __init__(
        self,
        policy_name: str,
        table_name: str,
        *,
        schema: str | None = None,
        policy: Policy | None = None,
    ) -> None:
        super().__init__(table_name, schema=schema)
        check_names(self.kind, policy_name=policy_name)
        self.policy_name = policy_name
        self.policy = policy

    def __str__(self) -> str:
        return f"{self.kind}({str(self.policy_name)!r}, {str(self.table_name)!r})"

    def statement(self, schema: str | None) -> str:
        """Return DROP POLICY; nothing can depend on a policy."""
        return f"DROP POLICY {quote(self.policy_name)} ON {relation(self.table_name, schema)}"

    def explain_on(
        self, connection: Connection, table: str, state: str, reason: str
    ) -> ZanithError | None:
        """Say that the table has no such policy, and which ones it has."""
        if state != "42704":
            return None
        hint = did_you_mean(self.policy_name, known_names.policies(connection, table))
        return self.unknown(f"policy on {self.table} of the name", self.policy_name, hint)

    def reverse(self) -> CreatePolicyOp:
        """Return the operation that makes it again.

        Raises `NotReversibleError` where its definition is not known.
        """
        if self.policy is None:
            raise NotReversibleError(
                f"{self} cannot be reversed: it does not know what the policy said. Write "
                "op.create_policy() yourself, with what \\d shows in psql."
            )
        return CreatePolicyOp.from_policy(self.policy, self.table_name, self.schema)

    def to_diff_tuple(self) -> tuple[object, ...]:
        """Return kind, schema, table and name, for `alembic check` and `compare_metadata`."""
        return diff_tuple(self, str(self.policy_name))

    @classmethod
    def drop_policy(
        cls,
        operations: Operations,
        policy_name: str,
        table_name: str,
        *,
        schema: str | None = None,
    ) -> None:
        """Drop a policy.

        e.g.::

            op.drop_policy("own_rows", "accounts")

        While row security is on, rows that only this policy let pass are seen by nobody any more,
        and rows that only this one held back, if it was restrictive, are seen.

        :param policy_name: name of the policy.
        :param table_name: name of the table.
        :param schema: schema of the table; by default the search path finds it.
        :return: None.

        Raises `UnknownObjectError` for a policy or table that does not exist,
        `MissingPrivilegeError`, and `UnsupportedDatabaseError` on a database that is not
        PostgreSQL.
        """
        operations.invoke(cls(policy_name, table_name, schema=schema))


@renderers.dispatch_for(DropPolicyOp)
def render(context: AutogenContext, operation: DropPolicyOp) -> str:
    arguments = [name_literal(operation.policy_name), name_literal(operation.table_name)]
    return call(context, operation.kind, arguments, given_options(operation, "schema"))


@reads(DropPolicyOp)
def changes(operation: DropPolicyOp) -> Iterator[Change]:
    yield DropPolicy(operation.table, str(operation.policy_name))
