"""Tables and columns as targets of a drop, and what PostgreSQL itself says about dropping them."""

from __future__ import annotations

from dataclasses import dataclass

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


def tables(database: Database) -> list[Target]:
    """Return every table of the database that is not our own."""
    return [Target(*row[:2]) for row in database.rows(_TARGETS.format(of_column="false"))]


def columns(database: Database) -> list[Target]:
    """Return every column of those tables."""
    found = database.rows(_TARGETS.format(of_column=_EACH_COLUMN))
    return [Target(*row) for row in found if row[2] is not None]


def refusal(connection: sa.Connection, target: Target) -> Refusal | None:
    """Try the real DROP and undo it; return why PostgreSQL refuses, or None if it does not."""
    attempt = connection.begin_nested()
    try:
        connection.exec_driver_sql(target.drop)
    except DBAPIError as error:
        diagnostics = error.orig.diag  # type: ignore[union-attr]  # psycopg's own error
        detail = diagnostics.message_detail or ""
        lines = tuple(line for line in detail.splitlines() if line)
        return Refusal(diagnostics.sqlstate, diagnostics.message_primary, lines)
    finally:
        attempt.rollback()
    return None
