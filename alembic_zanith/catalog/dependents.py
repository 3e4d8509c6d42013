"""What would refuse a real DROP: PostgreSQL itself is asked, by trying one and undoing it."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.errors import DependentObjectsError, NotDroppableError
from alembic_zanith.failures import sqlstate
from alembic_zanith.identifiers import QualifiedName, literal, quote
from alembic_zanith.sql import callers_path, rows, run, scalar

from .relation import server_version

_GENERATED_ARE_DEPENDENTS = 150000
_SETTING = "alembic_zanith.dependents"
_MARK = "pg_catalog.chr(1)"


def refuse_if_needed_by_others(
    connection: Connection, relation: QualifiedName, column: str | None = None
) -> None:
    """Raise `DependentObjectsError` where a DROP without CASCADE would be refused.

    The DROP runs in a subtransaction that is always rolled back, so the answer is PostgreSQL's
    own for every kind of dependent, on every version:
    https://www.postgresql.org/docs/current/ddl-depend.html

    Raises `NotDroppableError` when PostgreSQL refuses for another reason (a partition key, an
    inherited column, an extension's table…).
    """
    dependents = list_dependents(connection, relation, column)
    refused = "a DROP would be refused too"
    if not dependents:
        dependents = _generated_from(connection, relation, column)
        refused = "a DROP would take them along"
    if not dependents:
        return
    what = relation.display if column is None else f"{relation.display}.{column}"
    listing = "\n".join(f"  - {line}" for line in dependents)
    raise DependentObjectsError(
        f"{what} cannot be parked, because other objects need it ({refused}):\n"
        f"{listing}\nDrop or change them in an earlier step of this migration.",
        dependents,
    )


def list_dependents(
    connection: Connection, relation: QualifiedName, column: str | None = None
) -> list[str]:
    """Return the objects that need a table or column, as PostgreSQL words them, or nothing."""
    drop = f"DROP TABLE {relation} RESTRICT"
    what = relation.display
    if column is not None:
        drop = f"ALTER TABLE {relation} DROP COLUMN {quote(column)} RESTRICT"
        what = f"{what}.{column}"
    return in_the_way_of(connection, drop, f"{what} cannot be parked")


def in_the_way_of(connection: Connection, drop: str, refusal: str) -> list[str]:
    """Return the objects because of which PostgreSQL refuses a DROP, in its words, or nothing.

    `drop` is tried and undone. Raises `NotDroppableError`, which begins with `refusal`, when it
    is refused for another reason.
    """
    try:
        return dependents_of(connection, drop)
    except DBAPIError as error:
        state = sqlstate(error)
        # 42xxx and 0Axxx say what the object is; 55000 that its state forbids it.
        if state[:2] not in ("42", "0A", "2B", "55") or state in ("42501", "55P03"):
            raise
        reason = str(error.orig).strip().splitlines()[0]
        raise NotDroppableError(
            f"{refusal}, because PostgreSQL would refuse to drop it as well: {reason}"
        ) from error


def dependents_of(connection: Connection, drop: str) -> list[str]:
    """Return what a DROP … RESTRICT would be refused for, as PostgreSQL words it, or nothing.

    The DROP is undone. Its other errors are raised as they are.
    """
    done = f"nothing depends {secrets.token_hex(4)}"
    body = f"""
DECLARE detail pg_catalog.text; message pg_catalog.text;
BEGIN
  PERFORM pg_catalog.set_config({literal(_SETTING)}, '', true);
  BEGIN
    EXECUTE {literal(drop)};
    RAISE EXCEPTION USING MESSAGE = {literal(done)}, ERRCODE = 'ZN000';
  EXCEPTION
    WHEN dependent_objects_still_exist THEN
      GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, message = MESSAGE_TEXT;
      PERFORM pg_catalog.set_config({literal(_SETTING)},
                                    pg_catalog.concat(detail, {_MARK}, message), true);
    WHEN SQLSTATE 'ZN000' THEN NULL;
  END;
END"""
    # PostgreSQL words what depends by the path of the caller; see there for what this takes.
    with connection.begin_nested(), callers_path(connection):
        run(connection, f"DO {literal(body)}")
        found = scalar(connection, "SELECT pg_catalog.current_setting(:name, true)", name=_SETTING)
    detail, _, message = str(found or "").partition("\x01")
    return [line for line in (detail or message).splitlines() if line.strip()]


_GENERATED_FROM = """
WITH RECURSIVE members (oid) AS (
     SELECT CAST(pg_catalog.to_regclass(:relation) AS oid)
      UNION
     SELECT i.inhrelid FROM members JOIN pg_catalog.pg_inherits i ON i.inhparent = members.oid)
SELECT members.oid, a.attnum AS source, g.attnum AS generated
  FROM members
  JOIN pg_catalog.pg_attribute a ON a.attrelid = members.oid AND a.attname = :column
  JOIN pg_catalog.pg_depend d
    ON d.refclassid = CAST('pg_catalog.pg_class' AS regclass) AND d.refobjid = a.attrelid
   AND d.refobjsubid = a.attnum
   AND d.classid = CAST('pg_catalog.pg_class' AS regclass) AND d.objid = a.attrelid
  JOIN pg_catalog.pg_attribute g
    ON g.attrelid = d.objid AND g.attnum = d.objsubid AND g.attgenerated <> ''
"""

_IS_DROPPED = """
SELECT attisdropped FROM pg_catalog.pg_attribute WHERE attrelid = :oid AND attnum = :generated
"""

# 1259 is pg_class, on every server.
_IN_WORDS = """
SELECT pg_catalog.concat(
         pg_catalog.pg_describe_object(1259, CAST(:oid AS pg_catalog.oid), :generated),
         ' depends on ',
         pg_catalog.pg_describe_object(1259, CAST(:oid AS pg_catalog.oid), :source))
"""


def _generated_from(
    connection: Connection, relation: QualifiedName, column: str | None
) -> list[str]:
    """Return the columns that a DROP takes along, since they are generated from this one.

    PostgreSQL 14 does so without a word, and they would not come back with the column; from 15 on
    it refuses itself, in these words. Which ones is seen by trying: a child that has the column
    from elsewhere too keeps it, and what is generated from it there.
    """
    if column is None or server_version(connection) >= _GENERATED_ARE_DEPENDENTS:
        return []
    generated = rows(connection, _GENERATED_FROM, relation=str(relation), column=column)
    if not generated:
        return []
    with callers_path(connection):
        words = [str(scalar(connection, _IN_WORDS, **row._mapping)) for row in generated]
    with connection.begin_nested() as attempt:
        run(connection, f"ALTER TABLE {relation} DROP COLUMN {quote(column)} RESTRICT")
        gone = [
            scalar(connection, _IS_DROPPED, oid=row.oid, generated=row.generated)
            for row in generated
        ]
        attempt.rollback()
    return sorted(line for line, is_gone in zip(words, gone, strict=True) if is_gone)
