"""Other names, other schemas and comments, of everything."""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.risk.change import Change, Lock, TableRef
from alembic_zanith.risk.changes import columns, objects, tables
from alembic_zanith.risk.changes.raw import Harmless

from .parser import Statement, enum_name, strings, unwrap
from .registry import statement
from .values import dotted, object_word, table, table_of

_OF_TABLES = {"OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"}
_TABLE_LIKE = {"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE", "OBJECT_MATVIEW", "OBJECT_VIEW"}


@statement("rename_stmt")
def rename(each: Statement) -> Iterator[Change]:
    node = each.node
    what = enum_name(node, "rename_type")
    if what == "OBJECT_COLUMN":
        yield columns.RenameColumn(table(node.relation), node.subname, node.newname)
    elif what in _TABLE_LIKE:
        yield tables.RenameTable(table(node.relation), node.newname)
    elif node.HasField("relation") and what in _OF_TABLES:
        on = table(node.relation)
        name = f"{node.subname} of {on}"
        lock = Lock.ACCESS_EXCLUSIVE
        yield objects.RenameObject(object_word(what), name, table=on, lock=lock)
    elif node.HasField("relation"):
        named = table(node.relation)
        if what == "OBJECT_INDEX":
            # https://www.postgresql.org/docs/current/sql-alterindex.html
            lock = Lock.SHARE_UPDATE_EXCLUSIVE
            renamed = TableRef(node.newname, named.schema)
            yield objects.RenameObject("index", str(named), lock=lock, index=named, renamed=renamed)
        else:
            yield objects.RenameObject(object_word(what), str(named), lock=Lock.ACCESS_EXCLUSIVE)
    else:
        yield objects.RenameObject(object_word(what), dotted(node.object) or node.subname)


@statement("alter_object_schema_stmt")
def set_schema(each: Statement) -> Iterator[Change]:
    node = each.node
    what = enum_name(node, "object_type")
    if what in _TABLE_LIKE:
        yield tables.MoveTable(table(node.relation), node.newschema)
    else:
        name = str(table(node.relation)) if node.HasField("relation") else dotted(node.object)
        yield objects.RenameObject(object_word(what), name)


@statement("comment_stmt", "sec_label_stmt")
def comment(each: Statement) -> Iterator[Change]:
    what = enum_name(each.node, "objtype")
    name, content = unwrap(each.node.object)
    parts = strings(content.items) if name == "list" else []
    if what == "OBJECT_TABLE" and parts:
        yield tables.SetTableOptions(table_of(parts))
    elif what == "OBJECT_COLUMN" and len(parts) > 1:
        yield columns.SetColumnOptions(table_of(parts[:-1]), parts[-1])
    else:
        yield Harmless(each.text)
