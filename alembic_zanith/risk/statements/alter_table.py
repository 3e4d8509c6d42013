"""ALTER TABLE and what shares its grammar: indexes, views, sequences, composite types."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from alembic_zanith.risk.change import Change, Lock, TableRef
from alembic_zanith.risk.changes import columns, constraints, objects, row_security, tables
from alembic_zanith.risk.changes.columns import Default

from .constraints import add_constraint
from .functions import calls, may_call
from .parser import Node, Statement, enum_name, unwrap
from .registry import statement
from .values import cascades, default_of, is_constant, is_serial, table, type_text

Command = Callable[[TableRef, Node], Iterator[Change]]
COMMANDS: dict[str, Command] = {}
"""The reader of each command of ALTER TABLE, by its name in the grammar."""

NEVER_WRITTEN = frozenset(
    {
        # PostgreSQL makes these for itself while it works on others; no SQL parses to them.
        "AT_AddColumnToView",
        "AT_CookedColumnDefault",
        "AT_AddIndex",
        "AT_ReAddIndex",
        "AT_ReAddConstraint",
        "AT_ReAddDomainConstraint",
        "AT_AddIndexConstraint",
        "AT_ReAddComment",
        "AT_ReplaceRelOptions",
        "AT_ReAddStatistics",
    }
)


def command(*names: str) -> Callable[[Command], Command]:
    """Register the reader of commands of these names."""

    def register(reader: Command) -> Command:
        COMMANDS.update(dict.fromkeys(names, reader))
        return reader

    return register


@statement("alter_table_stmt")
def alter_table(each: Statement) -> Iterator[Change]:
    on = table(each.node.relation)
    has_calls = may_call(each)
    for node in each.node.cmds:
        _, cmd = unwrap(node)
        yield from COMMANDS[enum_name(cmd, "subtype")](on, cmd)
        if has_calls and cmd.HasField("def"):
            yield from calls(cmd)  # in a default, a USING, a CHECK: run for the rows that are there


@command("AT_AddColumn")
def add_column(on: TableRef, cmd: Node) -> Iterator[Change]:
    _, column = unwrap(getattr(cmd, "def"))
    nullable, default, generated = True, Default.NONE, None
    if is_serial(column.type_name):
        nullable, default = False, Default.VOLATILE
    further: list[Change] = []
    for node in column.constraints:
        _, constraint = unwrap(node)
        match enum_name(constraint, "contype"):
            case "CONSTR_NOTNULL":
                nullable = False
            case "CONSTR_DEFAULT":
                default = default_of(constraint.raw_expr)
            case "CONSTR_IDENTITY":
                nullable, default = False, Default.VOLATILE
            case "CONSTR_GENERATED":
                generated = constraint
            case "CONSTR_PRIMARY":
                nullable = False
                further.extend(add_constraint(on, constraint, column.colname))
            case "CONSTR_CHECK" | "CONSTR_UNIQUE" | "CONSTR_FOREIGN":
                further.extend(add_constraint(on, constraint, column.colname))
            case _:  # NULL, DEFERRABLE and the like
                pass
    if generated is not None:
        # Without a word it is virtual from 18 on, and refused before:
        # https://www.postgresql.org/docs/current/ddl-generated-columns.html
        stored = generated.generated_kind != "v"
        yield columns.AddGeneratedColumn(on, column.colname, stored)
    else:
        yield columns.AddColumn(on, column.colname, nullable, default, cmd.missing_ok)
    yield from further


@command("AT_DropColumn")
def drop_column(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield columns.DropColumn(on, cmd.name)


@command("AT_AlterColumnType")
def set_type(on: TableRef, cmd: Node) -> Iterator[Change]:
    _, column = unwrap(getattr(cmd, "def"))
    using = column.HasField("raw_default")
    loses = using and is_constant(column.raw_default)
    new = type_text(column.type_name)
    yield columns.SetType(on, cmd.name, new, using=using, loses=loses)


@command("AT_SetNotNull")
def set_not_null(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield columns.SetNullable(on, cmd.name, nullable=False)


@command("AT_DropNotNull")
def drop_not_null(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield columns.SetNullable(on, cmd.name, nullable=True)


@command("AT_ColumnDefault", "AT_DropExpression")
def set_default(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield columns.SetDefault(on, cmd.name)


@command("AT_SetExpression")
def set_expression(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield columns.AddGeneratedColumn(on, cmd.name)


@command("AT_SetStatistics", "AT_SetOptions", "AT_ResetOptions")
def set_column_options(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield columns.SetColumnOptions(on, cmd.name)


@command(
    "AT_SetStorage",
    "AT_SetCompression",
    "AT_AlterColumnGenericOptions",
    "AT_AddIdentity",
    "AT_SetIdentity",
    "AT_DropIdentity",
)
def set_column_options_alone(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield columns.SetColumnOptions(on, cmd.name, Lock.ACCESS_EXCLUSIVE)


@command("AT_AddConstraint")
def add_table_constraint(on: TableRef, cmd: Node) -> Iterator[Change]:
    _, constraint = unwrap(getattr(cmd, "def"))
    yield from add_constraint(on, constraint)


@command("AT_AlterConstraint")
def alter_constraint(on: TableRef, cmd: Node) -> Iterator[Change]:
    _, constraint = unwrap(getattr(cmd, "def"))
    yield constraints.AlterConstraint(on, constraint.conname)


@command("AT_ValidateConstraint")
def validate_constraint(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield constraints.ValidateConstraint(on, cmd.name)


@command("AT_DropConstraint")
def drop_constraint(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield constraints.DropConstraint(on, cmd.name)
    if cascades(cmd):  # foreign keys of other tables that stand on it
        yield constraints.DropForeignKey(on, cmd.name)


@command("AT_ChangeOwner")
def change_owner(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield objects.ChangePrivileges("table", str(on), table=on, lock=Lock.ACCESS_EXCLUSIVE)


@command("AT_SetLogged", "AT_SetUnLogged", "AT_SetAccessMethod", "AT_SetTableSpace")
def rewrite(on: TableRef, cmd: Node) -> Iterator[Change]:
    by = enum_name(cmd, "subtype").removeprefix("AT_Set")
    yield tables.RewriteTable(on, by={"UnLogged": "SET UNLOGGED"}.get(by, f"SET {by.upper()}"))


@command("AT_ClusterOn", "AT_DropCluster")
def set_cluster_index(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield tables.SetTableOptions(on)


@command("AT_DropOids", "AT_GenericOptions", "AT_ReplicaIdentity", "AT_AddOf", "AT_DropOf")
def set_table_options(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield tables.SetTableOptions(on, Lock.ACCESS_EXCLUSIVE)


# Storage parameters whose change nobody may watch; all others take SHARE UPDATE EXCLUSIVE:
# https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-STORAGE-PARAMETER
_EXCLUSIVE_PARAMETERS = frozenset(
    {
        "autosummarize",
        "buffering",
        "check_option",
        "fastupdate",
        "gin_pending_list_limit",
        "pages_per_range",
        "security_barrier",
        "security_invoker",
        "user_catalog_table",
    }
)


@command("AT_SetRelOptions", "AT_ResetRelOptions")
def set_parameters(on: TableRef, cmd: Node) -> Iterator[Change]:
    names = {unwrap(node)[1].defname for node in unwrap(getattr(cmd, "def"))[1].items}
    alone = not names.isdisjoint(_EXCLUSIVE_PARAMETERS)
    lock = Lock.ACCESS_EXCLUSIVE if alone else Lock.SHARE_UPDATE_EXCLUSIVE
    yield tables.SetTableOptions(on, lock)


@command(
    "AT_EnableTrig",
    "AT_EnableAlwaysTrig",
    "AT_EnableTrigAll",
    "AT_EnableTrigUser",
)
def enable_trigger(on: TableRef, cmd: Node) -> Iterator[Change]:
    name = _name_on(on, cmd)
    yield objects.AddTrigger("trigger", name, table=on, lock=Lock.SHARE_ROW_EXCLUSIVE)


@command("AT_EnableRule", "AT_EnableAlwaysRule")
def enable_rule(on: TableRef, cmd: Node) -> Iterator[Change]:
    name = _name_on(on, cmd)
    yield objects.AddTrigger("rule", name, table=on, lock=Lock.ACCESS_EXCLUSIVE)


# One that is enabled for replicas alone does not run for anybody else any more.
@command("AT_DisableTrig", "AT_DisableTrigAll", "AT_DisableTrigUser", "AT_EnableReplicaTrig")
def disable_trigger(on: TableRef, cmd: Node) -> Iterator[Change]:
    name = _name_on(on, cmd)
    yield objects.DisableProtection("trigger", name, table=on, lock=Lock.SHARE_ROW_EXCLUSIVE)


@command("AT_DisableRule", "AT_EnableReplicaRule")
def disable_rule(on: TableRef, cmd: Node) -> Iterator[Change]:
    name = _name_on(on, cmd)
    yield objects.DisableProtection("rule", name, table=on, lock=Lock.ACCESS_EXCLUSIVE)


def _name_on(on: TableRef, cmd: Node) -> str:
    return f"{cmd.name} of {on}" if cmd.name else f"of {on}"


@command("AT_EnableRowSecurity", "AT_ForceRowSecurity")
def enable_row_security(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield row_security.EnableRowSecurity(on)


@command("AT_DisableRowSecurity", "AT_NoForceRowSecurity")
def disable_row_security(on: TableRef, cmd: Node) -> Iterator[Change]:
    yield row_security.DisableRowSecurity(on)


@command("AT_AddInherit")
def add_inherit(on: TableRef, cmd: Node) -> Iterator[Change]:
    _, parent = unwrap(getattr(cmd, "def"))
    yield tables.AttachPartition(table(parent), on, is_partition=False)


@command("AT_DropInherit")
def drop_inherit(on: TableRef, cmd: Node) -> Iterator[Change]:
    _, parent = unwrap(getattr(cmd, "def"))
    yield tables.DetachPartition(table(parent), on)


@command("AT_AttachPartition")
def attach_partition(on: TableRef, cmd: Node) -> Iterator[Change]:
    _, partition = unwrap(getattr(cmd, "def"))
    yield tables.AttachPartition(on, table(partition.name))


@command("AT_DetachPartition", "AT_DetachPartitionFinalize")
def detach_partition(on: TableRef, cmd: Node) -> Iterator[Change]:
    _, partition = unwrap(getattr(cmd, "def"))
    yield tables.DetachPartition(on, table(partition.name), partition.concurrent)
