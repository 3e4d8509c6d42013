"""What a statement reaches beyond one schema, read from its parse tree.

Whatever is not known to stay inside is taken to reach outside: a kind of statement, a name in
parts, a function of PostgreSQL's own that does something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from alembic_zanith.identifiers import display_name
from alembic_zanith.risk.statements.catalog_functions import is_catalog_function, is_stable
from alembic_zanith.risk.statements.parser import (
    Node,
    Statement,
    UnreadableSqlError,
    enum_name,
    parse,
    strings,
    unwrap,
)
from alembic_zanith.risk.statements.plpgsql import (
    Embedded,
    embedded_in_block,
    embedded_in_body,
)
from alembic_zanith.risk.statements.values import object_word, option

from .staying import (
    COLUMN_LISTS,
    HARMLESS_FUNCTIONS,
    LISTS_OF_OPTIONS,
    NAMES,
    OBJECTS,
    OF_SEQUENCES,
    OUTSIDE_FUNCTIONS,
    OUTSIDE_SETTINGS,
    PARTS_OF_RELATIONS,
    READS,
    STATEMENTS,
)

_SYSTEM = frozenset({"pg_catalog", "information_schema"})
_TEMPORARY = "pg_temp"

# The first part of a name in parts that is written in a string.
_FIRST_PART = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[^\s".(]+))\s*\.')

Check = Callable[["Reach", Any, str], Iterator[str]]
_CHECKS: dict[str, Check] = {}


def _checks(*kinds: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        _CHECKS.update(dict.fromkeys(kinds, check))
        return check

    return register


class Reach:
    """Reads statements that are to stay in `schema`; None for one that has no name yet.

    `functions` are those of pg_catalog that this server has beyond the usual ones.
    """

    def __init__(self, schema: str | None, functions: Collection[str] = ()) -> None:
        self.schema = schema
        self.functions = frozenset(functions)

    def reasons(self, sql: str) -> Iterator[str]:
        """Yield what a string of SQL would reach outside, each as a verb and what follows it.

        >>> list(Reach(None).reasons("DELETE FROM public.users"))
        ['names the schema public']
        """
        try:
            statements = parse(sql)
        except UnreadableSqlError as error:
            yield f"cannot be read ({str(error).rstrip('.')})"
            return
        for each in statements:
            yield from self._of(each)

    def _of(self, statement: Statement) -> Iterator[str]:
        waiting: list[tuple[str, Any]] = [("", statement.node)]
        if statement.name not in STATEMENTS:
            yield _acts(statement.name)
        if statement.name in ("create_function_stmt", "do_stmt"):
            yield from self._code(statement)
        # Level by level, for what is nested deeply is deeper than Python goes.
        for place, message in waiting:
            kind = message.DESCRIPTOR.name
            if kind in _CHECKS:
                yield from _CHECKS[kind](self, message, place)
            for field, value in message.ListFields():
                if field.message_type is None:
                    continue
                parts = value if _is_repeated(value) else (value,)
                below = f"{kind}.{field.name}"
                if field.message_type.name != "Node":
                    waiting += ((below, part) for part in parts)
                    continue
                yield from self._names(below, parts)
                for part in parts:
                    name, content = unwrap(part)
                    if name.endswith("_stmt") and name not in STATEMENTS:
                        yield _acts(name)
                    if name:
                        waiting.append((below, content))

    def _names(self, place: str, nodes: Any) -> Iterator[str]:
        if place in COLUMN_LISTS or len(nodes) < 2:
            return
        if not all(unwrap(node)[0] == "string" for node in nodes):
            return
        parts = strings(nodes)
        if place in NAMES:
            yield from self.named(parts[:-1], may_be_system=NAMES[place])
        elif place != "List.items":  # whose meaning is known where the list is
            yield f"has a name in parts, {'.'.join(parts)}, that is not understood"

    def named(self, before: list[str], *, may_be_system: bool = False) -> Iterator[str]:
        """Yield why what stands before a name, its schema or more, leads outside."""
        if not before:
            return
        *database, schema = before
        if not database and schema in (self.schema, _TEMPORARY):
            return
        if not database and may_be_system and schema in _SYSTEM:
            return
        yield f"names the schema {'.'.join(map(display_name, before))}"

    def named_in_text(self, text: str) -> Iterator[str]:
        """Yield the same of a name that is written in a string, for PostgreSQL to look up."""
        found = _FIRST_PART.match(text)
        if found is not None:
            quoted, plain = found["quoted"], found["plain"]
            schema = quoted.replace('""', '"') if quoted is not None else plain.lower()
            yield from self.named([schema], may_be_system=True)

    def _code(self, statement: Statement) -> Iterator[str]:
        """Yield what code reaches that is written in a string."""
        is_block = statement.name == "do_stmt"
        options = statement.node.args if is_block else statement.node.options
        given, body = option(options, "language"), option(options, "as")
        language = strings([given])[0].lower() if given is not None else "plpgsql"
        if not is_block and given is None:
            language = "sql"
        texts = [] if body is None else strings(getattr(unwrap(body)[1], "items", [body]))
        try:
            if language == "sql":
                yield from (reason for text in texts for reason in self.reasons(text))
            elif language == "plpgsql" and is_block:
                yield from self._embedded(embedded_in_block(statement.text))
            elif language == "plpgsql" and texts:
                result = _result(statement.node)
                yield from self._embedded(embedded_in_body(statement.text, texts[0], result))
            else:
                yield f"has code in {language}, which is not read"
        except UnreadableSqlError as error:
            yield f"has code that cannot be read ({str(error).rstrip('.')})"

    def _embedded(self, pieces: list[Embedded]) -> Iterator[str]:
        for piece in pieces:
            if piece.is_computed:
                yield f"runs SQL that is computed, EXECUTE {' '.join(piece.sql.split())[:60]}"
            else:
                yield from self.reasons(piece.sql)


def _result(node: Node) -> str:
    return strings(node.return_type.names)[-1] if node.HasField("return_type") else "void"


def _is_repeated(value: Any) -> bool:
    return not hasattr(value, "DESCRIPTOR")


def _acts(name: str) -> str:
    words = name.removesuffix("_stmt").replace("_", " ").upper()
    return f"acts on what is in no schema, or may do so ({words})"


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
