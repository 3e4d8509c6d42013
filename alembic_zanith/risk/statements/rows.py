"""INSERT, UPDATE, DELETE, MERGE, COPY, SELECT, and what is in their WITH."""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.risk.change import Change, Lock, TableRef
from alembic_zanith.risk.changes import objects, rows, tables
from alembic_zanith.risk.changes.raw import Harmless, RawSql

from .conditions import columns_without_value, is_always
from .functions import calls_in
from .parser import Node, Statement, enum_name, unwrap
from .registry import read_node, statement
from .values import is_on, is_temporary, table


def _with(each: Statement) -> Iterator[Change]:
    """Yield what the parts of WITH change: they may write, at the top of a statement alone.

    https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
    """
    if each.node.HasField("with_clause"):
        for node in each.node.with_clause.ctes:
            name, query = unwrap(unwrap(node)[1].ctequery)
            if name != "select_stmt":
                yield from read_node(name, query, each.text)


def _names_some(each: Statement) -> bool:
    return each.node.HasField("where_clause") and not is_always(each.node.where_clause)


def _of_catalog(on: TableRef) -> Iterator[Change]:
    """Yield that a table is PostgreSQL's own, whose rows mean other objects."""
    if on.name.startswith("pg_") and on.schema in (None, "pg_catalog"):
        yield objects.AlterCatalog("catalog", str(on))


def _without_value(each: Statement) -> Iterator[str]:
    """Yield the columns that are NULL in every row that the WHERE leaves."""
    if each.node.HasField("where_clause"):
        yield from columns_without_value(each.node.where_clause, _called(each.node.relation))


def _called(relation: Node) -> str:
    return str(relation.alias.aliasname or relation.relname)


@statement("delete_stmt")
def delete(each: Statement) -> Iterator[Change]:
    yield from _with(each)
    on = table(each.node.relation)
    yield rows.DeleteRows(on, _names_some(each))
    yield from _of_catalog(on)
    yield from calls_in(each)


@statement("update_stmt")
def update(each: Statement) -> Iterator[Change]:
    yield from _with(each)
    columns = tuple(unwrap(node)[1].name for node in each.node.target_list)
    on = table(each.node.relation)
    if set(columns) <= set(_without_value(each)):
        yield rows.Backfill(on)
    else:
        yield rows.UpdateRows(on, _names_some(each), columns)
    yield from _of_catalog(on)
    yield from calls_in(each)


@statement("insert_stmt")
def insert(each: Statement) -> Iterator[Change]:
    yield from _with(each)
    on = table(each.node.relation)
    yield rows.InsertRows(on)
    yield from _of_catalog(on)
    conflict = each.node.on_conflict_clause
    if each.node.HasField("on_conflict_clause") and conflict.target_list:
        columns = tuple(unwrap(node)[1].name for node in conflict.target_list)
        yield rows.UpdateRows(on, some=True, columns=columns)
    yield from calls_in(each)


@statement("merge_stmt")
def merge(each: Statement) -> Iterator[Change]:
    yield from _with(each)
    on = table(each.node.relation)
    yield from _of_catalog(on)
    joins_some = not is_always(each.node.join_condition)
    for node in each.node.merge_when_clauses:
        _, clause = unwrap(node)
        # Not matched by the source: everything that the source does not know.
        matched = enum_name(clause, "match_kind") == "MERGE_WHEN_MATCHED"
        has_condition = clause.HasField("condition") and not is_always(clause.condition)
        some = has_condition or (matched and joins_some)
        match enum_name(clause, "command_type"):
            case "CMD_DELETE":
                yield rows.DeleteRows(on, some)
            case "CMD_UPDATE":
                columns = tuple(unwrap(target)[1].name for target in clause.target_list)
                yield rows.UpdateRows(on, some, columns)
            case "CMD_INSERT":
                yield rows.InsertRows(on)
            case _:  # DO NOTHING
                pass
    yield from calls_in(each)


@statement("copy_stmt")
def copy(each: Statement) -> Iterator[Change]:
    node = each.node
    if node.is_program:
        yield objects.AlterServer("program", node.filename)
    elif node.filename and not node.is_from:
        yield objects.AlterServer("file", node.filename)
    if node.is_from:
        yield rows.InsertRows(table(node.relation))
    elif node.HasField("query"):
        name, query = unwrap(node.query)
        yield from read_node(name, query, each.text)
    else:
        yield Harmless(each.text)


@statement("select_stmt")
def select(each: Statement) -> Iterator[Change]:
    found = [*_with(each), *calls_in(each)]
    if each.node.HasField("into_clause"):
        made = each.node.into_clause.rel
        found.append(tables.CreateTable(table(made), is_temporary=is_temporary(made)))
    lock = Lock.ROW_SHARE if each.node.locking_clause else Lock.NONE
    yield from found or [Harmless(each.text, lock)]


@statement("explain_stmt")
def explain(each: Statement) -> Iterator[Change]:
    name, query = unwrap(each.node.query)
    if is_on(each.node.options, "analyze"):
        yield from read_node(name, query, each.text)
    else:
        yield Harmless(each.text)


@statement("prepare_stmt")
def prepare(each: Statement) -> Iterator[Change]:
    # What it prepares may run any number of times from here on.
    name, query = unwrap(each.node.query)
    yield from read_node(name, query, each.text)


@statement("declare_cursor_stmt")
def declare_cursor(each: Statement) -> Iterator[Change]:
    name, query = unwrap(each.node.query)
    yield from read_node(name, query, each.text)


@statement("execute_stmt")
def execute(each: Statement) -> Iterator[Change]:
    yield RawSql(each.text, f"what {each.node.name} stands for was prepared elsewhere")
