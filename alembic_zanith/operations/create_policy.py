"""`op.create_policy`: a policy of row security is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

from alembic.autogenerate import render as alembics
from alembic.autogenerate import renderers
from sqlalchemy.sql.elements import quoted_name

from alembic_zanith.catalog import known_names
from alembic_zanith.catalog.known_names import relation
from alembic_zanith.declarations import KEYWORDS, Expression, Policy
from alembic_zanith.errors import NameTakenError, ZanithError, did_you_mean
from alembic_zanith.identifiers import quote
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.row_security import CreatePolicy
from alembic_zanith.risk.reading import reads
from alembic_zanith.risk.statements.functions import calls_in_expression

from .registry import operation
from .rendering import call, given_options, name_literal
from .row_security import RowSecurityOperation, diff_tuple, name_in

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import MigrateOperation, Operations
    from sqlalchemy import Connection


@operation("create_policy")
class CreatePolicyOp(RowSecurityOperation):
    """Represent a new policy. `policy` is its definition, with every expression as SQL."""

    kind = "create_policy"

    def __init__(
        self,
        policy_name: str,
        table_name: str,
        *,
        command: str = "ALL",
        roles: str | Sequence[str] = ("PUBLIC",),
        using: Expression | None = None,
        with_check: Expression | None = None,
        permissive: bool = True,
        schema: str | None = None,
    ) -> None:
        super().__init__(table_name, schema=schema)
        self.policy = Policy(policy_name, command, roles, using, with_check, permissive)

    @classmethod
    def from_policy(cls, policy: Policy, table_name: str, schema: str | None = None) -> Self:
        """Return the operation that makes a policy."""
        made = cls(policy.name, table_name, schema=schema)
        made.policy = policy
        return made

    @property
    def policy_name(self) -> str:
        """Name of the policy."""
        return self.policy.name

    def __str__(self) -> str:
        return f"{self.kind}({str(self.policy_name)!r}, {str(self.table_name)!r})"

    def statement(self, schema: str | None) -> str:
        """Return CREATE POLICY without what is PostgreSQL's default."""
        on = relation(self.table_name, schema)
        return f"CREATE POLICY {quote(self.policy_name)} ON {on}{self.policy.arguments}"

    def explain_on(
        self, connection: Connection, table: str, state: str, reason: str
    ) -> ZanithError | None:
        """Say which role or column there is not, or that the name is taken."""
        if state == "42710":
            return NameTakenError(
                f"{self} changed nothing: {self.table} has a policy {self.policy_name!r} already. "
                "Drop it first with op.drop_policy(), or give the new one another name."
            )
        if state == "42703":
            hint = did_you_mean(name_in(reason), known_names.columns(connection, table))
            return ZanithError(f"{self} changed nothing: {reason}.{hint}")
        if state == "42704":
            known = known_names.roles(connection)
            every = {*known, *known_names.predefined_roles(connection)}
            for role in self.policy.role_names:
                if role not in every:
                    return self.unknown("role", role, did_you_mean(role, known))
        return None

    def reverse(self) -> MigrateOperation:
        """Return the operation that drops it."""
        # That module imports this one.
        from .drop_policy import DropPolicyOp

        return DropPolicyOp(
            self.policy_name, self.table_name, schema=self.schema, policy=self.policy
        )

    def to_diff_tuple(self) -> tuple[object, ...]:
        """Return kind, schema, table and policy, for `alembic check` and `compare_metadata`."""
        return diff_tuple(self, self.policy)

    @classmethod
    def create_policy(
        cls,
        operations: Operations,
        policy_name: str,
        table_name: str,
        *,
        command: str = "ALL",
        roles: str | Sequence[str] = ("PUBLIC",),
        using: Expression | None = None,
        with_check: Expression | None = None,
        permissive: bool = True,
        schema: str | None = None,
    ) -> None:
        """Make a policy: which rows of a table which roles see and write.

        e.g.::

            op.create_policy(
                "own_rows",
                "accounts",
                command="SELECT",
                roles=["app", "reports"],
                using="owner = current_user",
            )

        It has no effect until `op.enable_rls`. A row is seen if one of the permissive policies lets
        it pass, and all of the restrictive ones.

        https://www.postgresql.org/docs/current/sql-createpolicy.html

        :param policy_name: name of the policy, which no other of the table has.
        :param table_name: name of the table.
        :param command: what it is for: ALL, SELECT, INSERT, UPDATE or DELETE.
        :param roles: names of roles, or one of them. PUBLIC, CURRENT_USER, CURRENT_ROLE and
         SESSION_USER are no names, in any case, unless they are a `sqlalchemy.quoted_name`.
        :param using: condition for the rows that are there, as SQL or as an expression of
         SQLAlchemy.
        :param with_check: condition for the rows that are written; by default that of `using`.
        :param permissive: False for a restrictive policy, which only ever takes rows away.
        :param schema: schema of the table; by default the search path finds it.
        :return: None.

        Raises `UnknownObjectError` for a table, schema or role that does not exist,
        `NameTakenError` where the table has such a policy, `ConfigurationError` for arguments that
        make no policy, `ZanithError` for a condition that PostgreSQL does not take,
        `MissingPrivilegeError`, and `UnsupportedDatabaseError` on a database that is not
        PostgreSQL.
        """
        operations.invoke(
            cls(
                policy_name,
                table_name,
                command=command,
                roles=roles,
                using=using,
                with_check=with_check,
                permissive=permissive,
                schema=schema,
            )
        )


@renderers.dispatch_for(CreatePolicyOp)
def render(context: AutogenContext, operation: CreatePolicyOp) -> str:
    policy = operation.policy
    arguments = [name_literal(policy.name), name_literal(operation.table_name)]
    if policy.command != "ALL":
        arguments.append(f"command={policy.command!r}")
    if tuple(policy.roles) != ("PUBLIC",):
        roles = ", ".join(_role(context, role) for role in policy.roles)
        arguments.append(f"roles=[{roles}]")
    options = given_options(policy, "using", "with_check")
    if not policy.permissive:
        options["permissive"] = False
    return call(
        context, operation.kind, arguments, {**options, **given_options(operation, "schema")}
    )


def _role(context: AutogenContext, role: str) -> str:
    # A quoted_name has no other case: its upper() is itself.
    if isinstance(role, quoted_name) and str.upper(role) in KEYWORDS:
        prefix = alembics._sqlalchemy_autogenerate_prefix(context)
        return f"{prefix}quoted_name({str(role)!r}, True)"
    return name_literal(role)


@reads(CreatePolicyOp)
def changes(operation: CreatePolicyOp) -> Iterator[Change]:
    yield CreatePolicy(operation.table, str(operation.policy_name))
    for expression in operation.policy.expressions:
        yield from calls_in_expression(expression)
