"""From what the user asks for to a replacement, or the reason why there can be none."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.errors import ConfigurationError, NameTakenError, NotSyncableError
from alembic_zanith.failures import server_message
from alembic_zanith.identifiers import MAX_BYTES, display_name, fit, is_zanith_name
from alembic_zanith.preflight.probes import Misfits
from alembic_zanith.preflight.running import Found, run_probe
from alembic_zanith.risk.change import TableRef
from alembic_zanith.risk.pasting import sql_name
from alembic_zanith.risk.statements.parser import (
    UnreadableSqlError,
    expression,
    type_sql,
    unwrap,
)
from alembic_zanith.sql import one
from alembic_zanith.sync.checks import enclosed

from .column import OldColumn
from .questions import IS_ASSIGNED
from .request import Replacement


def renaming(old: OldColumn, name: str) -> Replacement:
    """Return the replacement by a column that has another name, and is the same otherwise.

    Raises `NameTakenError` and `ConfigurationError`.
    """
    _refuse_name(old, name)
    forward, backward = sql_name(old.column.name), sql_name(name)
    return Replacement(old, name, old.column.type, forward, backward, old.default)


def retyping(
    connection: Connection,
    old: OldColumn,
    type_: str,
    *,
    name: str | None = None,
    forward: str | None = None,
    backward: str | None = None,
    default: str | None = None,
) -> Replacement:
    """Return the replacement by a column of another type, which takes the name in the end.

    Without expressions the values are cast.

    Raises `ConfigurationError` for a type or an expression that does not work, `NotSyncableError`
    where rows have values that do not fit, with some of them, and `NameTakenError`.
    """
    new_type = _checked_type(connection, old, type_)
    chosen = name or _derived_name(old)
    _refuse_name(old, chosen)
    column = sql_name(old.column.name)
    before = old.column.type
    there = _cast(connection, column, before, new_type)
    back = _cast(connection, sql_name(chosen), new_type, before)
    if forward is None:
        _require(connection, f"CAST(CAST(NULL AS {before}) AS {new_type})", old, "--forward")
    else:
        source = (column, before, new_type)
        _require_expression(connection, old, "--forward", forward, *source)
    if backward is None:
        _require(connection, f"CAST(CAST(NULL AS {new_type}) AS {before})", old, "--backward")
    else:
        source = (sql_name(chosen), new_type, before)
        _require_expression(connection, old, "--backward", backward, *source)
    _refuse_misfits(connection, old, new_type, forward or there)
    asked = Replacement(
        old, chosen, new_type, forward or there, backward or back, default or old.default, True
    )
    if old.default is not None and default is None and not asked.is_plain:
        raise ConfigurationError(
            f"{old.shown} has the default {old.default}, and what that comes to in {new_type} "
            "cannot be told from --forward. Nothing was written. Say it with --default SQL."
        )
    return asked


def _refuse_name(old: OldColumn, name: str) -> None:
    table = old.relation.name.display
    if not name.strip() or len(name.encode()) > MAX_BYTES or "\x00" in name:
        raise ConfigurationError(
            f"{name!r} is no name for a column: it has 1 to {MAX_BYTES} bytes. Nothing was written."
        )
    if is_zanith_name(name):
        raise ConfigurationError(
            f"{name!r} begins like the names that this package gives, which autogenerate does not "
            "see. Nothing was written. Choose another."
        )
    if name in old.columns:
        raise NameTakenError(
            f"{table} has a column {display_name(name)} already. Nothing was written. Choose "
            "another name, or drop that column in a revision before this."
        )


def _derived_name(old: OldColumn) -> str:
    for suffix in ("_new", *(f"_new{n}" for n in range(2, len(old.columns) + 3))):
        name = fit("", old.column.name, suffix)
        if name not in old.columns:
            return name
    raise AssertionError("there are more candidates than columns")


def _checked_type(connection: Connection, old: OldColumn, type_: str) -> str:
    """Return a type as PostgreSQL's grammar writes it, if there is such a type."""
    try:
        kind, cast = unwrap(expression(f"CAST(NULL AS {type_})"))
        if kind != "type_cast":
            raise UnreadableSqlError("it is more than a type")
        written = type_sql(cast.type_name)
        connection_type = type_sql(
            unwrap(expression(f"CAST(NULL AS {old.column.type})"))[1].type_name
        )
    except UnreadableSqlError as error:
        raise ConfigurationError(f"{type_!r} is no type: {error}. Nothing was written.") from None
    _require(connection, f"CAST(NULL AS {written})", old, "")
    if written == connection_type:
        raise ConfigurationError(f"{old.shown} is {written} already. Nothing was written.")
    return written


def _require(connection: Connection, sql: str, old: OldColumn, option: str) -> None:
    try:
        with connection.begin_nested():
            one(connection, f"SELECT {sql}")
    except DBAPIError as error:
        way = f" Say how with {option} SQL." if option else ""
        raise ConfigurationError(
            f"{old.shown}: {server_message(error)}. Nothing was written.{way}"
        ) from None


def _cast(connection: Connection, value: str, source: str, target: str) -> str:
    """Return a value as it goes into another type: as it is where an assignment casts it.

    An assignment refuses what is too long; CAST cuts it off:
    https://www.postgresql.org/docs/current/typeconv-query.html
    """
    try:
        with connection.begin_nested():
            is_assigned = _is_assigned(connection, f"pg_typeof(CAST(NULL AS {source}))", target)
    except DBAPIError:
        is_assigned = False
    return value if is_assigned else f"CAST({value} AS {target})"


def _is_assigned(connection: Connection, type_of: str, target: str) -> bool:
    query = IS_ASSIGNED.format(one=type_of, other=f"pg_typeof(CAST(NULL AS {target}))")
    return bool(one(connection, query)[0])


def _require_expression(
    connection: Connection,
    old: OldColumn,
    option: str,
    expression: str,
    column: str,
    source: str,
    target: str,
) -> None:
    """Raise for an expression that is not made of the column alone, or is of another type."""
    table = sql_name(old.relation.name.name)
    made_of = f"FROM (SELECT CAST(NULL AS {source}) AS {column}) AS {table}"
    try:
        with connection.begin_nested():
            type_of = f"(SELECT pg_typeof({enclosed(expression)}) {made_of})"
            if _is_assigned(connection, type_of, target):
                return
            given = one(connection, f"SELECT CAST({type_of} AS text)")[0]
    except DBAPIError as error:
        raise ConfigurationError(
            f"{old.shown}: {option} {expression!r} does not work: {server_message(error)}. Only "
            f"{column} can be in it, and names but PostgreSQL's own need their schema. Nothing was "
            "written."
        ) from None
    raise ConfigurationError(
        f"{old.shown}: {option} {expression!r} gives {given}, which does not go into {target} "
        f"without CAST. Nothing was written. Write CAST(… AS {target})."
    )


def _refuse_misfits(connection: Connection, old: OldColumn, type_: str, forward: str) -> None:
    table = TableRef(old.relation.name.name, old.relation.name.schema)
    using = "" if forward == sql_name(old.column.name) else forward
    outcome = run_probe(connection, Misfits(table, old.column.name, type_, using), timeout_ms=None)
    if outcome.found is Found.ROWS:
        raise NotSyncableError(
            f"{old.shown} has values that do not go into {type_}. Nothing was written. Change them "
            f"first, or say with --forward SQL what becomes of them.\n{outcome.message}"
        )
