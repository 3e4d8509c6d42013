"""The parser: the only module that knows postgast, PostgreSQL 18's grammar (libpg_query).

https://github.com/eddieland/postgast
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from alembic_zanith.errors import ZanithError

Node = Any
"""A node of the parse tree: a protobuf message, as libpg_query defines them.
https://github.com/pganalyze/libpg_query/blob/18-latest/protobuf/pg_query.proto"""


class UnreadableSqlError(ZanithError):
    """SQL that PostgreSQL's grammar does not take."""


@dataclass(frozen=True)
class Statement:
    """One statement of a string: the name of its node, the node, and its text."""

    name: str
    node: Node
    text: str


@cache
def _postgast() -> Any:
    """Return the module, which takes longer to load than most revisions to run: not before some
    SQL is to be read.
    """
    import postgast

    return postgast


def parse(sql: str) -> list[Statement]:
    """Return the statements of a string.

    Raises `UnreadableSqlError` with PostgreSQL's message.

    >>> [(each.name, each.text) for each in parse("DROP TABLE a; SELECT 1")]
    [('drop_stmt', 'DROP TABLE a'), ('select_stmt', 'SELECT 1')]
    """
    try:
        tree = _tree(sql)
    except UnreadableSqlError:
        if "%" not in sql:
            raise
        # As a driver gets it, with places for its parameters that are no SQL.
        sql = numbered(sql)
        tree = _tree(sql)
    if len(tree.stmts) == 1:
        return [Statement(*unwrap(tree.stmts[0].stmt), sql.strip().rstrip(";").rstrip())]
    return list(_each(tree, sql.encode()))


def _tree(sql: str) -> Node:
    if "\x00" in sql:  # where C would take it to end
        raise UnreadableSqlError("it has a NUL character.")
    postgast = _postgast()
    try:
        return _parsed(sql)
    except (postgast.PgQueryError, UnicodeEncodeError) as error:
        raise UnreadableSqlError(str(error)) from None


def _parsed(sql: str) -> Node:
    from google.protobuf.message import DecodeError

    parse = _postgast().parse
    try:
        return parse(sql)
    except DecodeError:
        # Protobuf takes what is nested a hundred times for an attack; a long sum is so in SQL.
        upb = _upb()
        if upb is None:
            raise UnreadableSqlError("it is nested too deeply to be read.") from None
        upb.SetAllowOversizeProtos(True)
        try:
            return parse(sql)
        finally:
            upb.SetAllowOversizeProtos(False)


def _upb() -> Any:
    """Return protobuf's module in C; None where it is written in another language."""
    try:
        from google._upb import _message
    except ImportError:
        return None
    return _message


_PLACE = re.compile(
    r"""(?P<kept>'(?:[^']|'')*'|"(?:[^"]|"")*")|%\((?P<name>[^)]*)\)s|(?P<next>%s)|(?P<sign>%%)"""
)


def numbered(sql: str) -> str:
    """Return SQL with `$1` where drivers write `%(name)s` or `%s`, and `%` for `%%`.

    >>> numbered("UPDATE t SET a = %(a)s, b = '%s%%' WHERE a <> %(a)s AND c %% 2 = %s")
    "UPDATE t SET a = $1, b = '%s%%' WHERE a <> $1 AND c % 2 = $2"
    """
    numbers: dict[object, int] = {}

    def number(found: re.Match[str]) -> str:
        if found["kept"]:
            return found["kept"]
        if found["sign"]:
            return "%"
        key = found["name"] if found["name"] is not None else found.start()
        return f"${numbers.setdefault(key, len(numbers) + 1)}"

    return _PLACE.sub(number, sql)


def parse_tree(sql: str) -> Node:
    """Return the whole tree of a string, for who changes something in it.

    Raises `UnreadableSqlError`.
    """
    return _tree(sql)


def deparse(tree: Node) -> str:
    """Return the SQL of a whole tree."""
    return str(_postgast().deparse(tree))


def parse_plpgsql(sql: str) -> list[Any]:
    """Return the trees of the PL/pgSQL in a string: dicts and lists, as libpg_query makes them.

    Raises `UnreadableSqlError`. So do bodies that the parser's own output is broken for.
    """
    postgast = _postgast()
    try:
        return list(postgast.parse_plpgsql(sql))
    except (postgast.PgQueryError, ValueError, RecursionError) as error:
        raise UnreadableSqlError(str(error)) from None


def expression(text: str) -> Node:
    """Return the node of an expression. Raises `UnreadableSqlError`."""
    statements = parse(f"SELECT {text}")
    if len(statements) != 1 or len(statements[0].node.target_list) != 1:
        raise UnreadableSqlError(f"{text!r} is not one expression.")
    return statements[0].node.target_list[0].res_target.val


def require_expression(text: str) -> None:
    """See that a text is one whole expression, which may be put into brackets among others.

    Raises `UnreadableSqlError`. Each of two readings lets something pass that the other does not:
    `a) OR (b` is whole in brackets only, and `a;` or `1 FROM t` without them.

    >>> require_expression("a OR b -- whichever"), require_expression("SELECT max(a) FROM t")
    (None, None)
    """
    try:
        _parse_one(f"SELECT {text}")
    except UnreadableSqlError as error:
        try:
            _parse_one(text)  # a query, whose one value it is
        except UnreadableSqlError:
            raise error from None
    _parse_one(f"SELECT ({text}\n)")


def _parse_one(sql: str) -> None:
    if len(parse(sql)) != 1:
        raise UnreadableSqlError("it is more than one statement")


def constant(text: str) -> str | None:
    """Return the text of an expression that is one string, written out; None for any other.

    >>> constant("$$DROP TABLE t$$"), constant("'DROP TABLE ' || name")
    ('DROP TABLE t', None)
    """
    try:
        name, content = unwrap(expression(text))
    except UnreadableSqlError:
        return None
    if name == "type_cast":
        name, content = unwrap(content.arg)
    is_text = name == "a_const" and content.HasField("sval")
    return str(content.sval.sval) if is_text else None


def _each(tree: Node, source: bytes) -> Iterator[Statement]:
    for raw in tree.stmts:
        # Places are in bytes; no length means to the end.
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(source)
        text = source[raw.stmt_location : end].decode(errors="replace").strip()
        yield Statement(*unwrap(raw.stmt), text)


def unwrap(node: Node) -> tuple[str, Node]:
    """Return the name and the content of a node that can be any; both empty for none."""
    for field, content in node.ListFields():
        return _name(field), content
    return "", None


_NAMES: dict[Any, str] = {}


def _name(field: Any) -> str:
    name = _NAMES.get(field)
    if name is None:
        name = _NAMES[field] = str(field.name)
    return name


def node_names() -> frozenset[str]:
    """Return the names of all nodes of the grammar."""
    return frozenset(field.name for field in _postgast().pg_query_pb2.Node.DESCRIPTOR.fields)


def enum_name(message: Node, field: str) -> str:
    """Return the name of the value of an enum field, as the grammar has it."""
    key = (message.DESCRIPTOR, field)
    names = _ENUMS.get(key)
    if names is None:
        values = message.DESCRIPTOR.fields_by_name[field].enum_type.values
        names = _ENUMS[key] = {value.number: str(value.name) for value in values}
    return names[getattr(message, field)]


_ENUMS: dict[tuple[Any, str], dict[int, str]] = {}


def enum_names(name: str) -> frozenset[str]:
    """Return all values of an enum of the grammar but the undefined one."""
    enum = getattr(_postgast().pg_query_pb2, name)
    return frozenset(key for key in enum.keys() if not key.endswith("_UNDEFINED"))  # noqa: SIM118 -- it is no dict


def has(message: Node, field: str) -> bool:
    """Whether an optional part of a node is there."""
    return bool(message.HasField(field))


def string(node: Node) -> str:
    """Return the text of a string node, or nothing."""
    name, content = unwrap(node)
    return str(content.sval) if name == "string" else ""


def strings(nodes: Any) -> list[str]:
    """Return the texts of a list of string nodes: a name in parts, for instance."""
    return [string(node) for node in nodes]


def descendants(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield every node below a message with its name, itself left out, level by level.

    What names, constants and types are made of is left out too.
    """
    waiting = [node]
    for each in waiting:
        for field, value in each.ListFields():
            shape = _SHAPES.get(field) or _shape(field)
            if shape is _NOTHING:
                continue
            for part in value if shape.is_repeated else (value,):
                if not shape.is_any:
                    yield shape.name, part
                    if not shape.is_leaf:
                        waiting.append(part)
                    continue
                for inner, content in part.ListFields():
                    found = _SHAPES.get(inner) or _shape(inner)
                    yield found.name, content
                    if not found.is_leaf:
                        waiting.append(content)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What there is to know of a field whose content is nodes.

    `is_any` is a node of any sort, which says by the field that is set in it what it is.
    """

    name: str
    is_repeated: bool
    is_any: bool
    is_leaf: bool


_NOTHING = _Shape("", False, False, True)

# Nothing is evaluated in them.
_LEAVES = frozenset(
    {"a_const", "a_star", "alias", "column_ref", "param_ref", "range_var", "string", "type_name"}
)
_NAMES_ONLY = frozenset({"FuncCall.funcname", "A_Expr.name", "DefElem.defname"})

# Asking protobuf for the same of each field of each statement takes longer than parsing it.
_SHAPES: dict[Any, _Shape] = {}


def _shape(field: Any) -> _Shape:
    owner = field.containing_type.name
    if field.message_type is None or f"{owner}.{field.name}" in _NAMES_ONLY:
        shape = _NOTHING
    else:
        type_name = field.message_type.name
        name = field.name if owner == "Node" else _snake(type_name)
        shape = _Shape(name, field.is_repeated, type_name == "Node", name in _LEAVES)
    _SHAPES[field] = shape
    return shape


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def expression_text(node: Node) -> str:
    """Return an expression of a parse tree as SQL.

    >>> (statement,) = parse("CREATE INDEX ON t (lower(a)) WHERE b >= 5")
    >>> expression_text(statement.node.where_clause)
    'b >= 5'
    """
    postgast = _postgast()
    tree = postgast.parse("SELECT 1")
    tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val.CopyFrom(node)
    return str(postgast.deparse(tree)).removeprefix("SELECT ")


def type_sql(type_name: Node) -> str:
    """Return a type of a parse tree as SQL, with schema, limits and array bounds."""
    postgast = _postgast()
    tree = postgast.parse("SELECT CAST(x AS text)")
    cast = tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val.type_cast
    cast.type_name.CopyFrom(type_name)
    return str(postgast.deparse(tree)).removeprefix("SELECT x::")
