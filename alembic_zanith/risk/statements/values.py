"""Parts of statements as the changes want them."""

from __future__ import annotations

from alembic_zanith.risk.change import TableRef
from alembic_zanith.risk.changes.columns import Default

from .catalog_functions import is_stable
from .parser import Node, UnreadableSqlError, descendants, enum_name, string, strings, unwrap
from .parser import expression as parsed_expression

_SERIALS = {"serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"}


def table(range_var: Node) -> TableRef:
    """Return the table that a statement is on."""
    return TableRef(range_var.relname, range_var.schemaname or None)


def is_temporary(range_var: Node) -> bool:
    """Whether a table that is made is for this session alone."""
    return bool(range_var.relpersistence == "t" or range_var.schemaname == "pg_temp")


def table_of(parts: list[str]) -> TableRef:
    """Return a table from its name in parts; a database in front is the connected one."""
    return TableRef(parts[-1], parts[-2] if len(parts) > 1 else None)


def dotted(node: Node) -> str:
    """Return the name of any object that a statement names, as it reads."""
    name, content = unwrap(node)
    if name == "string":
        return str(content.sval)
    if name == "list":
        return ".".join(filter(None, (dotted(item) for item in content.items)))
    if name == "object_with_args":
        return ".".join(strings(content.objname))
    if name == "type_name":
        return ".".join(strings(content.names))
    if name == "range_var":
        return str(table(content))
    return ""


def type_text(type_name: Node) -> str:
    """Return a type as it was written, with its limits: `character varying(20)`."""
    names = strings(type_name.names)
    if names[:1] == ["pg_catalog"]:
        names = names[1:]
    limits = []
    for node in type_name.typmods:
        kind, content = unwrap(node)
        if kind == "a_const":
            limits.append(str(content.ival.ival))
    text = ".".join(names) + (f"({','.join(limits)})" if limits else "")
    return text + ("[]" if type_name.array_bounds else "")


def is_serial(type_name: Node) -> bool:
    """Whether a column of the type gets a sequence."""
    return strings(type_name.names)[-1:] != [] and strings(type_name.names)[-1] in _SERIALS


def default_of(expression: Node) -> Default:
    """Tell whether a default is the same for all rows that are there."""
    name, content = unwrap(expression)
    if not name:
        return Default.NONE
    nodes = [(name, content), *descendants(content)]
    for kind, node in nodes:
        if kind == "func_call" and not _is_stable(strings(node.funcname)):
            return Default.VOLATILE
    return Default.STABLE


def is_constant(expression: Node) -> bool:
    """Whether an expression reads no column, so that what was in it is lost."""
    name, content = unwrap(expression)
    nodes = [(name, content), *descendants(content)]
    return not any(kind in ("column_ref", "sub_link") for kind, _ in nodes)


def is_constant_text(text: str) -> bool:
    """Tell the same of an expression that is written as SQL.

    >>> is_constant_text("NULL"), is_constant_text("c::integer"), is_constant_text("not SQL (")
    (True, False, False)
    """
    try:
        return is_constant(parsed_expression(text))
    except UnreadableSqlError:
        return False


def _is_stable(parts: list[str]) -> bool:
    return parts[-2:-1] in ([], ["pg_catalog"]) and is_stable(parts[-1])


def cascades(message: Node) -> bool:
    """Whether a statement says CASCADE."""
    return enum_name(message, "behavior") == "DROP_CASCADE"


def object_word(enum: str) -> str:
    """Return an object type in SQL's words.

    >>> object_word("OBJECT_FOREIGN_TABLE"), object_word("OBJECT_MATVIEW")
    ('foreign table', 'materialized view')
    """
    word = enum.removeprefix("OBJECT_").replace("_", " ").lower()
    return {
        "matview": "materialized view",
        "fdw": "foreign data wrapper",
        "opclass": "operator class",
        "opfamily": "operator family",
        "statistic ext": "statistics",
        "tsconfiguration": "text search configuration",
        "tsdictionary": "text search dictionary",
        "tsparser": "text search parser",
        "tstemplate": "text search template",
        "foreign server": "server",
    }.get(word, word)


def option(options: object, name: str) -> Node | None:
    """Return the value of an option of a statement, if it has one of that name."""
    for each in options:  # type: ignore[attr-defined]  # a repeated field of protobuf
        kind, content = unwrap(each)
        if kind == "def_elem" and content.defname.lower() == name:
            return content.arg
    return None


def is_on(options: object, name: str) -> bool:
    """Whether a boolean option is given and not switched off."""
    value = option(options, name)
    if value is None:
        return False
    kind, content = unwrap(value)
    if kind == "string":
        return str(content.sval).lower() not in ("off", "false", "0", "no")
    if kind == "integer":
        return bool(content.ival)
    if kind == "boolean":
        return bool(content.boolval)
    return True


def default_text(default: str) -> Default:
    """Tell the same of a default that is written as SQL; one that cannot be read may be anything.

    >>> default_text("now()").value, default_text("gen_random_uuid()").value
    ('stable', 'volatile')
    """
    try:
        return default_of(parsed_expression(default))
    except UnreadableSqlError:
        return Default.VOLATILE


__all__ = [
    "Default",
    "cascades",
    "default_of",
    "default_text",
    "dotted",
    "is_constant",
    "is_constant_text",
    "is_on",
    "is_serial",
    "is_temporary",
    "object_word",
    "option",
    "string",
    "table",
    "table_of",
    "type_text",
]
