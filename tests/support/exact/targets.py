"""Tables and columns as targets of a drop, and what PostgreSQL itself says about dropping them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from alembic_zanith.identifiers import QualifiedName, quote
from tests.support.database import Database

_TARGETS = """
SELECT n.nspname, c.relname, a.attname
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON {of_column}
 WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND n.nspname !~ '^(pg_|_zanith)' AND c.relname !~ '^_zanith_'
 ORDER BY 1, 2, a.attnum
"""
_EACH_COLUMN = "a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"

_DEPENDENT_OBJECTS_STILL_EXIST = "2BP01"


@dataclass(frozen=True)
class Target:
    """A table, or one of its columns."""

    schema: str
    table: str
    column: str | None = None

    def __str__(self) -> str:
        """The target as `zanith-recover` takes it."""
        parts = (self.schema, self.table, self.column)
        return ".".join(quote(part) for part in parts if part is not None)

    @property
    def relation(self) -> QualifiedName:
        return QualifiedName(self.schema, self.table)

    @property
    def drop(self) -> str:
        """The real thing."""
        if self.column is None:
            return f"DROP TABLE {self.relation}"
        return f"ALTER TABLE {self.relation} DROP COLUMN {quote(self.column)}"


@dataclass(frozen=True)
class Refusal:
    """PostgreSQL's answer to a DROP that it does not carry out; `dependents` in its own words."""

    sqlstate: str
    message: str
    dependents: tuple[str, ...]

    @property
    def is_for_dependents(self) -> bool:
        return self.sqlstate == _DEPENDENT_OBJECTS_STILL_EXIST


def tables(database: Database, schema: str | None = None) -> list[Target]:
    """Return every table of the database, or of one schema, that is not our own."""
    found = database.rows(_TARGETS.format(of_column="false"))
    return [Target(*row[:2]) for row in found if schema in (None, row[0])]


def columns(database: Database, schema: str | None = None) -> list[Target]:
    """Return every column of those tables."""
    found = database.rows(_TARGETS.format(of_column=_EACH_COLUMN))
    return [Target(*row) for row in found if row[2] is not None and schema in (None, row[0])]


_COLUMNS = """
WITH RECURSIVE tree (oid) AS (
     SELECT to_regclass('{relation}')::oid
      UNION
     SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid)
SELECT tree.oid::regclass::text AS owner, a.attname FROM tree
  JOIN pg_attribute a ON a.attrelid = tree.oid AND a.attnum > 0 AND NOT a.attisdropped
"""


def refusal(connection: sa.Connection, target: Target) -> Refusal | None:
    """Try the real DROP and undo it; return why PostgreSQL refuses, or None if it does not.

    PostgreSQL 14 drops the columns that are generated from one along with it. Of those it is taken
    to say what later ones do.
    """
    attempt = connection.begin_nested()
    columns = _COLUMNS.format(relation=target.relation)
    try:
        before = {(row.owner, row.attname) for row in _run(connection, columns)}
        _run(connection, target.drop)
        after = {(row.owner, row.attname) for row in _run(connection, columns)}
        lost = {(table, column) for table, column in before - after if column != target.column}
        if target.column is not None and lost:
            dependents = sorted(
                f"column {each} of table {table} depends on column {target.column} of table {table}"
                for table, each in lost
            )
            return Refusal(_DEPENDENT_OBJECTS_STILL_EXIST, "", tuple(dependents))
    except DBAPIError as error:
        diagnostics = error.orig.diag  # type: ignore[union-attr]  # psycopg's own error
        detail = diagnostics.message_detail or ""
        lines = tuple(line for line in detail.splitlines() if line)
        return Refusal(diagnostics.sqlstate, diagnostics.message_primary, lines)
    finally:
        attempt.rollback()
    return None


_HAS_KEY = """
SELECT EXISTS (
  SELECT FROM pg_index i
   WHERE i.indrelid = to_regclass('{relation}') AND i.indisunique AND i.indisvalid
     AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
     AND NOT EXISTS (
         SELECT FROM generate_series(0, i.indnkeyatts - 1) k
           JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k]
          WHERE NOT a.attnotnull OR a.attname = '{column}'
             OR EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = i.indrelid
                         AND c.contype = 'n' AND c.conkey = ARRAY[a.attnum]
                         AND NOT c.convalidated)))
"""

_HAS_HEIRS = """
SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
                WHERE c.oid = to_regclass('{relation}') AND c.relkind = 'r')
"""

_IS_DECLARED_BELOW = """
WITH RECURSIVE below (oid) AS (
     SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = to_regclass('{relation}')
      UNION
     SELECT i.inhrelid FROM below JOIN pg_inherits i ON i.inhparent = below.oid)
SELECT EXISTS (SELECT FROM below JOIN pg_attribute a ON a.attrelid = below.oid
                WHERE a.attname = '{column}' AND (a.attislocal OR a.attinhcount > 1))
"""


def has_key(connection: sa.Connection, target: Target) -> bool:
    """Whether the column's table has a key that the column is not part of.

    By plain inheritance there is none: the parent's does not reach over the rows of its children.
    """
    return _ask(connection, _HAS_KEY, target) and not _ask(connection, _HAS_HEIRS, target)


def is_declared_below(connection: sa.Connection, target: Target) -> bool:
    """Whether a child of the table declares the column by itself, or has it from another parent."""
    return _ask(connection, _IS_DECLARED_BELOW, target)


def cannot_be_rewritten(connection: sa.Connection, target: Target) -> bool:
    """Whether PostgreSQL refuses to rewrite the table: others store its rows, mostly."""
    attempt = connection.begin_nested()
    try:
        _run(connection, f"ALTER TABLE {target.relation} ADD probe integer")
        _run(
            connection,
            f"ALTER TABLE {target.relation} ALTER probe TYPE text USING clock_timestamp()::text",
        )
    except DBAPIError as error:
        if not re.search("uses its row type|used as a catalog table", str(error)):
            raise
        return True
    finally:
        attempt.rollback()
    return False


_CAN_REFUSE = """
SELECT EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                 JOIN pg_namespace n ON n.oid = t.typnamespace AND n.nspname = 'kit'
                WHERE a.attrelid = to_regclass('{relation}') AND a.attname = '{column}'
                  AND t.typname IN ('positive', 'small', 'label', 'labels'))
"""


def has_strict_domain(connection: sa.Connection, target: Target) -> bool:
    """Whether the column is of a domain of the kit that has constraints."""
    return _ask(connection, _CAN_REFUSE, target)


def _ask(connection: sa.Connection, question: str, target: Target) -> bool:
    column = str(target.column).replace("'", "''")
    query = question.format(relation=target.relation, column=column)
    return bool(_run(connection, query).scalar())


def _run(connection: sa.Connection, statement: str) -> sa.CursorResult[Any]:
    """Run a statement in which a % in a name is no placeholder."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
