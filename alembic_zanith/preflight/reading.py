"""Which probes a string of SQL asks for, by PostgreSQL's own grammar.

Operations are probed by the SQL that Alembic writes for them, so that both are probed alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from alembic_zanith.identifiers import display_name, quote
from alembic_zanith.risk.change import TableRef
from alembic_zanith.risk.statements.parser import (
    Node,
    Statement,
    UnreadableSqlError,
    enum_name,
    expression_text,
    parse,
    strings,
    type_sql,
    unwrap,
)
from alembic_zanith.risk.statements.values import table

from .probe import Probe
from .probes import AnyRows, Duplicates, Misfits, Nulls, Orphans, Part, Violations
from .validation import Validation

Command = Callable[[TableRef, Node], Iterator[Probe]]


def probes_in(sql: str) -> tuple[Probe, ...]:
    """Return the probes for all that a string of SQL adds.

    >>> [each.promise for each in probes_in("ALTER TABLE t ALTER c SET NOT NULL")]
    ['t.c has no NULL']
    >>> [each.promise for each in probes_in("CREATE UNIQUE INDEX ON t (lower(a)) WHERE b > 0")]
    ['t has no duplicates in lower(a) where b > 0']
    """
    try:
        statements = parse(sql)
    except UnreadableSqlError:
        return ()
    return tuple(probe for each in statements for probe in _of_statement(each))


def _of_statement(each: Statement) -> Iterator[Probe]:
    if each.name == "index_stmt" and each.node.unique:
        key = tuple(_index_part(unwrap(node)[1]) for node in each.node.index_params)
        where = ""
        if each.node.HasField("where_clause"):
            where = expression_text(each.node.where_clause)
        nulls_distinct = not each.node.nulls_not_distinct
        yield Duplicates(table(each.node.relation), key, where, nulls_distinct)
    elif each.name == "alter_table_stmt" and enum_name(each.node, "objtype") == "OBJECT_TABLE":
        on = table(each.node.relation)
        for node in each.node.cmds:
            _, command = unwrap(node)
            reader = _COMMANDS.get(enum_name(command, "subtype"))
            if reader is not None:
                yield from reader(on, command)


def _index_part(element: Node) -> Part:
    sql = quote(element.name) if element.name else f"({expression_text(element.expr)})"
    name = display_name(element.name) if element.name else expression_text(element.expr)
    if element.collation:
        collation = ".".join(quote(part) for part in strings(element.collation))
        sql = f"{sql} COLLATE {collation}"
    return Part(sql, name)


def _columns(names: list[str]) -> tuple[Part, ...]:
    return tuple(Part(quote(name), display_name(name)) for name in names)


def _set_not_null(on: TableRef, command: Node) -> Iterator[Probe]:
    yield Nulls(on, command.name)


def _add_column(on: TableRef, command: Node) -> Iterator[Probe]:
    _, column = unwrap(getattr(command, "def"))
    types = {enum_name(unwrap(node)[1], "contype") for node in column.constraints}
    filled = {"CONSTR_DEFAULT", "CONSTR_IDENTITY", "CONSTR_GENERATED"}
    is_serial = strings(column.type_name.names)[-1:][0].endswith("serial")
    is_required = types & {"CONSTR_NOTNULL", "CONSTR_PRIMARY"}
    if is_required and not types & filled and not is_serial:
        yield AnyRows(on, column.colname)


def _set_type(on: TableRef, command: Node) -> Iterator[Probe]:
    _, column = unwrap(getattr(command, "def"))
    using = expression_text(column.raw_default) if column.HasField("raw_default") else ""
    yield Misfits(on, command.name, type_sql(column.type_name), using)


def _add_constraint(on: TableRef, command: Node) -> Iterator[Probe]:
    _, constraint = unwrap(getattr(command, "def"))
    if constraint.skip_validation or constraint.indexname:
        return
    keys = strings(constraint.keys)
    match enum_name(constraint, "contype"):
        case "CONSTR_PRIMARY" if not constraint.without_overlaps:
            yield from (Nulls(on, name) for name in keys)
            yield Duplicates(on, _columns(keys))
        case "CONSTR_UNIQUE" if not constraint.without_overlaps:
            yield Duplicates(on, _columns(keys), nulls_distinct=not constraint.nulls_not_distinct)
        case "CONSTR_FOREIGN" if not constraint.fk_with_period and constraint.is_enforced:
            yield Orphans(
                on,
                tuple(strings(constraint.fk_attrs)),
                table(constraint.pktable),
                tuple(strings(constraint.pk_attrs)),
                constraint.fk_matchtype == "f",
            )
        case "CONSTR_CHECK" if constraint.is_enforced:
            yield Violations(on, expression_text(constraint.raw_expr), constraint.is_no_inherit)
        case "CONSTR_NOTNULL":
            yield from (Nulls(on, name) for name in keys)
        case _:
            pass


def _validate(on: TableRef, command: Node) -> Iterator[Probe]:
    yield Validation(on, command.name)


_COMMANDS: dict[str, Command] = {
    "AT_AddColumn": _add_column,
    "AT_AddConstraint": _add_constraint,
    "AT_AlterColumnType": _set_type,
    "AT_SetNotNull": _set_not_null,
    "AT_ValidateConstraint": _validate,
}
