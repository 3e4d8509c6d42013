"""Transactions, settings, maintenance and the server itself."""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.risk.change import Change, Lock
from alembic_zanith.risk.changes import indexes, objects, tables
from alembic_zanith.risk.changes.raw import EndTransaction, Harmless, SetSearchPath

from .known_functions import first_schema
from .parser import Node, Statement, enum_name, unwrap
from .registry import statement
from .values import is_on, table


@statement(
    "check_point_stmt",
    "close_portal_stmt",
    "constraints_set_stmt",
    "deallocate_stmt",
    "fetch_stmt",
    "listen_stmt",
    "notify_stmt",
    "unlisten_stmt",
    "variable_show_stmt",
)
def harmless(each: Statement) -> Iterator[Change]:
    yield Harmless(each.text)


_COMMITS = {"TRANS_STMT_COMMIT", "TRANS_STMT_PREPARE"}
_ROLLS_BACK = {"TRANS_STMT_ROLLBACK", "TRANS_STMT_ROLLBACK_TO"}


@statement("transaction_stmt")
def transaction(each: Statement) -> Iterator[Change]:
    what = enum_name(each.node, "kind")
    if what in _COMMITS | _ROLLS_BACK:
        yield EndTransaction(each.text, rolls_back=what in _ROLLS_BACK)
    else:
        yield Harmless(each.text)


@statement("variable_set_stmt")
def set_variable(each: Statement) -> Iterator[Change]:
    name = each.node.name.lower()
    if switches_triggers_off(each.node):
        yield objects.DisableProtection("every trigger, by", each.text)
    elif name == "search_path" or enum_name(each.node, "kind") == "VAR_RESET_ALL":
        path = first_schema(_value(each.node))
        yield SetSearchPath(each.text, schema=path, is_local=bool(each.node.is_local))
    else:
        yield Harmless(each.text)


def switches_triggers_off(setting: Node) -> bool:
    """Whether a setting is the one that triggers and foreign keys do not run with.

    https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SESSION-REPLICATION-ROLE
    """
    is_set = enum_name(setting, "kind") == "VAR_SET_VALUE"
    return (
        is_set
        and setting.name.lower() == "session_replication_role"
        and (_value(setting) != "origin")
    )


@statement("alter_role_set_stmt", "alter_database_set_stmt")
def set_for_others(each: Statement) -> Iterator[Change]:
    if switches_triggers_off(each.node.setstmt):
        yield objects.DisableProtection("every trigger, by", each.text)
    elif each.name == "alter_database_set_stmt":
        yield objects.AlterObject("database", each.node.dbname)
    else:
        yield objects.ChangePrivileges("role", each.node.role.rolename or "ALL")


def _value(setting: Node) -> str | None:
    """Return the first of the values that a setting gets, as text."""
    for node in setting.args:
        name, content = unwrap(node)
        if name == "a_const" and content.HasField("sval"):
            return str(content.sval.sval)
    return None


# As LOCK counts them: https://www.postgresql.org/docs/current/sql-lock.html
_LOCKS = (
    Lock.NONE,
    Lock.NONE,
    Lock.ROW_SHARE,
    Lock.ROW_EXCLUSIVE,
    Lock.SHARE_UPDATE_EXCLUSIVE,
    Lock.SHARE,
    Lock.SHARE_ROW_EXCLUSIVE,
    Lock.EXCLUSIVE,
    Lock.ACCESS_EXCLUSIVE,
)


@statement("lock_stmt")
def lock_table(each: Statement) -> Iterator[Change]:
    for node in each.node.relations:
        on = table(unwrap(node)[1])
        yield objects.LockTable("table", str(on), table=on, lock=_LOCKS[each.node.mode])


@statement("refresh_mat_view_stmt")
def refresh(each: Statement) -> Iterator[Change]:
    lock = Lock.EXCLUSIVE if each.node.concurrent else Lock.ACCESS_EXCLUSIVE
    name = str(table(each.node.relation))
    yield objects.RefreshView("materialized view", name, lock=lock)


@statement("alter_system_stmt", "alter_table_move_all_stmt", "createdb_stmt", "load_stmt")
@statement("create_table_space_stmt", "create_subscription_stmt")
def server(each: Statement) -> Iterator[Change]:
    yield objects.AlterServer("", " ".join(each.text.split()[:5]))


@statement("vacuum_stmt")
def vacuum(each: Statement) -> Iterator[Change]:
    if not is_on(each.node.options, "full"):
        yield Harmless(each.text, Lock.SHARE_UPDATE_EXCLUSIVE)
        return
    for node in each.node.rels:
        yield tables.RewriteTable(table(unwrap(node)[1].relation), by="VACUUM FULL")
    if not each.node.rels:
        yield objects.AlterServer("every table, by", each.text)


@statement("cluster_stmt")
def cluster(each: Statement) -> Iterator[Change]:
    if each.node.HasField("relation"):
        yield tables.RewriteTable(table(each.node.relation), by="CLUSTER")
    else:
        yield objects.AlterServer("every table, by", each.text)


@statement("reindex_stmt")
def reindex(each: Statement) -> Iterator[Change]:
    node = each.node
    what = enum_name(node, "kind").removeprefix("REINDEX_OBJECT_").lower()
    name = str(table(node.relation)) if node.HasField("relation") else node.name
    on = table(node.relation) if what == "table" else None
    concurrently = is_on(node.params, "concurrently")
    yield indexes.RebuildIndex(what, name, concurrently, on)
