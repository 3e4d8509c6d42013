"""DROP, TRUNCATE, and what else makes things go."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from alembic_zanith.risk.change import Change, Lock
from alembic_zanith.risk.changes import extensions, indexes, objects, row_security, rows, tables

from .parser import Node, Statement, enum_name, strings, unwrap
from .registry import statement
from .values import cascades, dotted, object_word, table, table_of

Drop = Callable[[Node, list[str]], Iterator[Change]]

# Without them the columns of their types, or the rows that they have, are gone; so is what is in
# a schema, a database or a tablespace.
_CONTAINERS = {"OBJECT_SCHEMA", "OBJECT_DATABASE", "OBJECT_TABLESPACE"}


@statement("drop_stmt")
def drop(each: Statement) -> Iterator[Change]:
    what = enum_name(each.node, "remove_type")
    reader = _DROPS.get(what)
    for node in each.node.objects:
        if reader is not None:
            kind, content = unwrap(node)
            parts = strings(content.items) if kind == "list" else [dotted(node)]
            yield from reader(each.node, parts)
        elif what in _CONTAINERS and cascades(each.node):
            yield objects.DropContainer(object_word(what), dotted(node))
        else:
            yield objects.DropObject(object_word(what), dotted(node), cascades(each.node))


def _drop_table(node: Node, parts: list[str]) -> Iterator[Change]:
    yield tables.DropTable(table_of(parts), cascades(node))


def _drop_view(node: Node, parts: list[str]) -> Iterator[Change]:
    what = object_word(enum_name(node, "remove_type"))
    lock = Lock.ACCESS_EXCLUSIVE
    yield objects.DropObject(what, str(table_of(parts)), cascades(node), lock=lock)


def _drop_of_table(node: Node, parts: list[str]) -> Iterator[Change]:
    on = table_of(parts[:-1])
    what = object_word(enum_name(node, "remove_type"))
    name, lock = f"{parts[-1]} of {on}", Lock.ACCESS_EXCLUSIVE
    yield objects.DropObject(what, name, cascades(node), table=on, lock=lock)


def _drop_index(node: Node, parts: list[str]) -> Iterator[Change]:
    schema = parts[-2] if len(parts) > 1 else None
    yield indexes.DropIndex(parts[-1], concurrently=node.concurrent, schema=schema)


def _drop_extension(node: Node, parts: list[str]) -> Iterator[Change]:
    yield extensions.DropExtension(parts[-1], cascades(node))


def _drop_policy(node: Node, parts: list[str]) -> Iterator[Change]:
    yield row_security.DropPolicy(table_of(parts[:-1]), parts[-1])


_DROPS: dict[str, Drop] = {
    "OBJECT_TABLE": _drop_table,
    "OBJECT_FOREIGN_TABLE": _drop_view,
    "OBJECT_VIEW": _drop_view,
    "OBJECT_MATVIEW": _drop_view,
    "OBJECT_TRIGGER": _drop_of_table,
    "OBJECT_RULE": _drop_of_table,
    "OBJECT_INDEX": _drop_index,
    "OBJECT_EXTENSION": _drop_extension,
    "OBJECT_POLICY": _drop_policy,
}


@statement("truncate_stmt")
def truncate(each: Statement) -> Iterator[Change]:
    for node in each.node.relations:
        is_wide = cascades(each.node)
        yield rows.TruncateTable(table(unwrap(node)[1]), is_wide)


@statement("drop_owned_stmt")
def drop_owned(each: Statement) -> Iterator[Change]:
    names = ", ".join(unwrap(node)[1].rolename or "…" for node in each.node.roles)
    yield objects.DropContainer("what is owned by", names)


@statement("dropdb_stmt")
def drop_database(each: Statement) -> Iterator[Change]:
    yield objects.DropContainer("database", each.node.dbname)


@statement("drop_table_space_stmt")
def drop_tablespace(each: Statement) -> Iterator[Change]:
    yield objects.DropObject("tablespace", each.node.tablespacename)


@statement("drop_role_stmt")
def drop_role(each: Statement) -> Iterator[Change]:
    for node in each.node.roles:
        yield objects.DropObject("role", unwrap(node)[1].rolename)


@statement("drop_user_mapping_stmt")
def drop_user_mapping(each: Statement) -> Iterator[Change]:
    yield objects.DropObject("user mapping", each.node.servername)


@statement("drop_subscription_stmt")
def drop_subscription(each: Statement) -> Iterator[Change]:
    yield objects.DropObject("subscription", each.node.subname)


@statement("discard_stmt")
def discard(each: Statement) -> Iterator[Change]:
    # Temporary tables go with it, of this session alone.
    yield objects.AlterObject("session", "")
