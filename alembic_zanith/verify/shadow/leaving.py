"""What parts of a statement lead outside of a schema: one small check for each kind of node."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from alembic_zanith.risk.statements.catalog_functions import is_catalog_function, is_stable
from alembic_zanith.risk.statements.parser import Node, enum_name, strings, unwrap
from alembic_zanith.risk.statements.values import object_word

from .staying import (
    HARMLESS_FUNCTIONS,
    LISTS_OF_OPTIONS,
    OBJECTS,
    OF_SEQUENCES,
    OUTSIDE_FUNCTIONS,
    OUTSIDE_SETTINGS,
    PARTS_OF_RELATIONS,
    READS,
)

if TYPE_CHECKING:
    from .reach import Reach

Check = Callable[["Reach", Any, str], Iterator[str]]
CHECKS: dict[str, Check] = {}
"""By the name of the node's message. A check gets the node and where in its parent it stands."""


def _checks(*kinds: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        CHECKS.update(dict.fromkeys(kinds, check))
        return check

    return register


# -- names -------------------------------------------------------------------------------


@_checks("RangeVar")
def _relation(reach: Reach, node: Node, place: str) -> Iterator[str]:
    before = [part for part in (node.catalogname, node.schemaname) if part]
    reads = place in READS
    yield from reach.named(before, may_be_system=reads)
    if not before and not reads and node.relname.startswith("pg_"):
        # pg_catalog is on every search path: https://www.postgresql.org/docs/current/ddl-schemas.html
        yield f"changes a table of PostgreSQL's own, {node.relname}"


@_checks("TypeName")
def _type(reach: Reach, node: Node, place: str) -> Iterator[str]:
    before = strings(node.names)[:-1]
    if node.pct_type:  # of a column: schema.table.column%TYPE
        before = before[:-1]
    yield from reach.named(before, may_be_system=True)


@_checks("ColumnRef")
def _column(reach: Reach, node: Node, place: str) -> Iterator[str]:
    if len(node.fields) > 2:  # schema.table.column
        yield from reach.named(strings(node.fields)[:-2], may_be_system=True)


@_checks("DefElem")
def _option(reach: Reach, node: Node, place: str) -> Iterator[str]:
    name, content = unwrap(node.arg)
    if name != "list" or node.defname.lower() in LISTS_OF_OPTIONS:
        return
    parts = strings(content.items)
    if all(parts):
        # OWNED BY table.column; everything else is a name.
        yield from reach.named(parts[: -2 if node.defname == "owned_by" else -1])


@_checks("Constraint")
def _exclusion(reach: Reach, node: Node, place: str) -> Iterator[str]:
    for element in node.exclusions:
        for item in unwrap(element)[1].items:
            name, content = unwrap(item)
            if name == "list":
                yield from reach.named(strings(content.items)[:-1], may_be_system=True)


@_checks("CommentStmt", "RenameStmt", "SecLabelStmt", "AlterOwnerStmt", "DropStmt")
def _objects(reach: Reach, node: Node, place: str) -> Iterator[str]:
    fields = {
        "RenameStmt": "rename_type",
        "AlterOwnerStmt": "object_type",
        "DropStmt": "remove_type",
    }
    what = enum_name(node, fields.get(node.DESCRIPTOR.name, "objtype"))
    if what not in OBJECTS:
        yield f"acts on a {object_word(what)}, which is in no schema"
        return
    for each in node.objects if node.DESCRIPTOR.name == "DropStmt" else [node.object]:
        name, content = unwrap(each)
        if name == "list":
            parts = [part for part in strings(content.items) if part]
            if what in ("OBJECT_OPCLASS", "OBJECT_OPFAMILY"):
                parts = parts[1:]  # after the name of the access method
            yield from reach.named(parts[: -2 if what in PARTS_OF_RELATIONS else -1])


# -- calls -------------------------------------------------------------------------------


@_checks("FuncCall")
def _call(reach: Reach, node: Node, place: str) -> Iterator[str]:
    *before, name = strings(node.funcname)
    if before and before != ["pg_catalog"]:
        return  # the shadow's own, or refused for its name
    if name in OF_SEQUENCES:
        yield from _sequence(reach, name, node)
    elif name == "set_config":
        setting = _text(node.args[0]) if node.args else None
        if setting is None:
            yield "sets something whose name is computed"
        else:
            yield from _setting(setting)
    elif _reaches_out(reach, name, before):
        yield f"calls {name}(), which reaches beyond the schema, or may do so"


def _reaches_out(reach: Reach, name: str, before: list[str]) -> bool:
    if OUTSIDE_FUNCTIONS.fullmatch(name) or name in reach.functions:
        return True
    if is_catalog_function(name):
        return not (is_stable(name) or name in HARMLESS_FUNCTIONS)
    return bool(before)


def _sequence(reach: Reach, name: str, call: Node) -> Iterator[str]:
    """Yield why a function that works on a sequence could work on one outside."""
    if not call.args:
        return  # PostgreSQL has no such function
    text = _text(call.args[0])
    if text is not None:
        yield from reach.named_in_text(text)
        return
    kind, content = unwrap(call.args[0])
    # What is looked up is looked at by itself.
    if kind != "func_call" or strings(content.funcname)[-1] != "pg_get_serial_sequence":
        yield f"calls {name}() on a sequence whose name is computed"


def _text(node: Node) -> str | None:
    """Return the text of a string that is written out, with or without a type."""
    name, content = unwrap(node)
    if name == "type_cast":
        name, content = unwrap(content.arg)
    is_text = name == "a_const" and content.HasField("sval")
    return str(content.sval.sval) if is_text else None


_OBJECT_TYPES = re.compile(
    r"reg(class|proc|procedure|oper|operator|type|collation|config|dictionary)"
)


@_checks("TypeCast")
def _cast(reach: Reach, node: Node, place: str) -> Iterator[str]:
    if _OBJECT_TYPES.fullmatch(strings(node.type_name.names)[-1]):
        text = _text(node.arg)
        if text is not None:
            yield from reach.named_in_text(text)


# -- statements --------------------------------------------------------------------------


@_checks("VariableSetStmt")
def _set(reach: Reach, node: Node, place: str) -> Iterator[str]:
    if enum_name(node, "kind") == "VAR_RESET_ALL":
        yield "sets search_path back, with all settings"
    else:
        yield from _setting(node.name)


def _setting(name: str) -> Iterator[str]:
    if name.lower() in OUTSIDE_SETTINGS:
        yield f"sets {name.lower()}"


@_checks("TransactionStmt")
def _transaction(reach: Reach, node: Node, place: str) -> Iterator[str]:
    if "PREPARE" in enum_name(node, "kind"):
        yield "leaves a prepared transaction, or ends one"


@_checks("CopyStmt")
def _copy(reach: Reach, node: Node, place: str) -> Iterator[str]:
    if node.is_program or node.filename:
        yield "copies from or to a file or a program of the server"


@_checks("GrantStmt")
def _grant(reach: Reach, node: Node, place: str) -> Iterator[str]:
    what = enum_name(node, "objtype")
    if enum_name(node, "targtype") != "ACL_TARGET_OBJECT" or what not in OBJECTS:
        yield f"grants or revokes on what is in no schema, or on a whole one ({object_word(what)})"


@_checks("AlterTableStmt", "DefineStmt")
def _altered(reach: Reach, node: Node, place: str) -> Iterator[str]:
    what = enum_name(node, "kind" if node.DESCRIPTOR.name == "DefineStmt" else "objtype")
    if what not in OBJECTS:
        yield f"acts on a {object_word(what)}"


@_checks("DiscardStmt")
def _discard(reach: Reach, node: Node, place: str) -> Iterator[str]:
    if enum_name(node, "target") == "DISCARD_ALL":
        yield "sets search_path back, with all settings"


@_checks("ReindexStmt", "ClusterStmt")
def _rebuilt(reach: Reach, node: Node, place: str) -> Iterator[str]:
    if not node.HasField("relation"):
        yield "works on all tables of the database, or of a schema"


@_checks("VacuumStmt")
def _vacuumed(reach: Reach, node: Node, place: str) -> Iterator[str]:
    if not node.rels:
        yield "works on all tables of the database"
