"""Transactions, settings, maintenance and the server itself."""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes import indexes, objects, tables
from alembic_zanith.risk.changes.raw import Harmless

from .parser import Statement, enum_name, unwrap
from .registry import statement
from .values import is_on, table


@statement(
    "check_point_stmt",
    "close_portal_stmt",
    "constraints_set_stmt",
    "deallocate_stmt",
    "fetch_stmt",
    "listen_stmt",
    "load_stmt",
    "lock_stmt",
    "notify_stmt",
    "refresh_mat_view_stmt",
    "transaction_stmt",
    "unlisten_stmt",
    "variable_show_stmt",
)
def harmless(each: Statement) -> Iterator[Change]:
    yield Harmless(each.text)


@statement("variable_set_stmt")
def set_variable(each: Statement) -> Iterator[Change]:
    if each.node.name.lower() == "session_replication_role":
        yield objects.DisableProtection("every trigger, by", each.text)
    else:
        yield Harmless(each.text)


@statement("alter_system_stmt", "alter_table_move_all_stmt", "createdb_stmt")
@statement("create_table_space_stmt", "create_subscription_stmt")
def server(each: Statement) -> Iterator[Change]:
    yield objects.AlterServer("", " ".join(each.text.split()[:5]))


@statement("vacuum_stmt")
def vacuum(each: Statement) -> Iterator[Change]:
    if not is_on(each.node.options, "full"):
        yield Harmless(each.text)
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
    concurrently = is_on(each.node.params, "concurrently")
    kind = enum_name(each.node, "kind")
    name = each.node.relation.relname or each.node.name
    on = table(each.node.relation) if kind == "REINDEX_OBJECT_TABLE" else None
    yield indexes.AddIndex(on, name, concurrently=concurrently)
