"""What models declare of extensions and row security, compared with the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations.ops import CreateTableOp, MigrateOperation

from alembic_zanith.declarations import RowSecurity, extensions_of, row_security_of
from alembic_zanith.operations import (
    CreateExtensionOp,
    CreatePolicyOp,
    DisableRlsOp,
    DropExtensionOp,
    DropPolicyOp,
    EnableRlsOp,
)

from .beside_utils import AlembicUtils
from .catalog import Catalog, Table
from .extensions import extension_differences
from .policies import NONE, RowSecurityState, state_of, unlike

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps


def compare_declared(context: AutogenContext, upgrade_ops: UpgradeOps) -> None:
    """Add what it takes to have the database as declared; nothing where nothing is declared.

    Extensions are made before all else and dropped after it; policies go before columns that they
    speak of may be dropped, and are made after columns are added. Read backwards that is an order
    for the downgrade.
    """
    tables = _declaring(context)
    extensions = extensions_of(_metadata(context))
    if not tables and extensions is None:
        return
    assert context.connection is not None
    catalog = Catalog(context.connection, context.dialect.default_schema_name or "public")
    utils = AlembicUtils(upgrade_ops.ops)
    operations = utils.without_drops(
        upgrade_ops.ops,
        [
            (catalog.table(table.schema, table.name), policy.name)
            for table, declared in tables
            for policy in declared.policies
        ],
        [each.name for each in extensions or ()],
    )
    before, after = _row_security(tables, operations, catalog, utils)
    creates: list[CreateExtensionOp] = []
    drops: list[DropExtensionOp] = []
    if extensions is not None:
        creates, drops = extension_differences(
            context, context.connection, extensions, utils.looks_after_extension
        )
    upgrade_ops.ops[:] = [*creates, *before, *operations, *after, *drops]


def _row_security(
    tables: list[tuple[sa.Table, RowSecurity]],
    operations: list[MigrateOperation],
    catalog: Catalog,
    utils: AlembicUtils,
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    """Return what to do before and after the operations, which make some of the tables."""
    made = {
        catalog.table(each.schema, each.table_name)
        for each in operations
        if isinstance(each, CreateTableOp)
    }
    before: list[MigrateOperation] = []
    after: list[MigrateOperation] = []
    for table, declared in tables:
        name = catalog.table(table.schema, table.name)
        state = NONE if name in made else state_of(catalog.connection, name)
        if state is not None:
            differences = _Differences(table, name, declared, state, utils)
            differences.compare(catalog.connection)
            before += differences.before
            after += differences.after
    return before, after


def _metadata(context: AutogenContext) -> list[sa.MetaData]:
    found: Any = context.metadata
    if found is None:
        return []
    return [found] if isinstance(found, sa.MetaData) else list(found)


def _declaring(context: AutogenContext) -> list[tuple[sa.Table, RowSecurity]]:
    """Return the tables that declare something, but for those that env.py has left out."""
    return [
        (table, declared)
        for table, declared in row_security_of(_metadata(context))
        if context.run_object_filters(table, table.name, "table", False, None)
    ]


class _Differences:
    """The row security of one table: what to do before all else, and after it."""

    def __init__(
        self,
        table: sa.Table,
        name: Table,
        declared: RowSecurity,
        state: RowSecurityState,
        utils: AlembicUtils,
    ) -> None:
        self.table_name = str(table.name)
        self.schema = None if table.schema is None else str(table.schema)
        self.name, self.declared, self.state, self.utils = name, declared, state, utils
        self.before: list[MigrateOperation] = []
        self.after: list[MigrateOperation] = []

    def compare(self, connection: sa.Connection) -> None:
        """Work the differences out."""
        if self.state.enabled and not self.declared.enabled:
            self.before.append(self._disable())
        self._compare_policies(connection)
        if self.declared.enabled:
            self._compare_switches()

    def _compare_policies(self, connection: sa.Connection) -> None:
        def is_ours(policy_name: str) -> bool:
            return not self.utils.looks_after_policy(self.name, policy_name)

        declared = {each.name: each for each in self.declared.policies if is_ours(each.name)}
        found = {name: each for name, each in self.state.policies.items() if is_ours(name)}
        pairs = [(declared[name], found[name]) for name in found if name in declared]
        changed = {each.name for each in unlike(connection, self.name, pairs)}
        for name, policy in found.items():
            if name not in declared or name in changed:
                drop = DropPolicyOp(name, self.table_name, schema=self.schema, policy=policy)
                self.before.append(drop)
        for name, policy in declared.items():
            if name not in found or name in changed:
                create = CreatePolicyOp.from_policy(policy, self.table_name, self.schema)
                self.after.append(create)

    def _compare_switches(self) -> None:
        enabled, forced, force = self.state.enabled, self.state.forced, self.declared.force
        if enabled and forced == force:
            return
        back = self._enable(forced) if enabled else None
        self.after.append(self._enable(force or (False if forced else None), back))

    def _enable(self, force: bool | None, back: EnableRlsOp | None = None) -> EnableRlsOp:
        return EnableRlsOp(self.table_name, schema=self.schema, force=force, _reverse=back)

    def _disable(self) -> DisableRlsOp:
        back = self._enable(self.state.forced or None)
        return DisableRlsOp(self.table_name, schema=self.schema, _reverse=back)
