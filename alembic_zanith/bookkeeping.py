"""The five bookkeeping tables in a database: made on first use, and grown by new versions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData, text
from sqlalchemy.schema import CreateColumn, CreateIndex

from . import bookkeeping_ddl
from .identifiers import QualifiedName, quote
from .privileges import close_to_others, require_create_in_schema, require_owner_of
from .sql import rows, run

if TYPE_CHECKING:
    from sqlalchemy import Table

_LOCK_KEY = 0x7A616E697468
"""Advisory lock under which the tables are created: the bytes of "zanith"."""

_COLUMNS = """
SELECT c.relname::text, a.attname::text FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = :schema AND c.relname = ANY (:tables) AND a.attnum > 0 AND NOT a.attisdropped
"""


def columns_present(connection: Connection, schema: str) -> dict[str, set[str]]:
    """Return the columns that each of the tables has, by the table's name."""
    names = list(bookkeeping_ddl.TABLES)
    found: dict[str, set[str]] = {}
    for table, column in rows(connection, _COLUMNS, schema=schema, tables=names):
        found.setdefault(table, set()).add(column)
    return found


def complete_tables(connection: Connection, schema: str) -> None:
    """Create the five tables, or add the columns that a newer version brought.

    Safe when several processes do it at once: the slow path runs under a transaction-level
    advisory lock, because `CREATE TABLE IF NOT EXISTS` alone can still fail with a unique
    violation in the system catalogs when two sessions race. To be called under pinned settings.

    Raises `UnknownObjectError` when the schema for them does not exist, and
    `MissingPrivilegeError` when the role may not create tables in it, or add to them.
    """
    present = columns_present(connection, schema)
    if present and not _missing(present):
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
    present = columns_present(connection, schema)
    if not present:
        _create_all(connection, schema)
        return
    missing = _missing(present)
    absent = [table for table, columns in missing if columns is None]
    if absent:
        _create(connection, schema, absent)
    for table, columns in missing:
        if columns:
            _grow(connection, schema, table, columns)


def _create_all(connection: Connection, schema: str) -> None:
    require_create_in_schema(connection, schema, _WHAT)
    for statement in bookkeeping_ddl.CREATE.split(";"):
        run(connection, statement.format(schema=quote(schema)))
    for table in bookkeeping_ddl.TABLES:
        close_to_others(connection, QualifiedName(schema, table))


_WHAT = "The tables of alembic-zanith"


def _create(connection: Connection, schema: str, absent: Iterable[Table]) -> None:
    require_create_in_schema(connection, schema, _WHAT)
    here = _placed(schema)
    tables = [here[table.name] for table in absent]
    tables[0].metadata.create_all(connection, tables=tables, checkfirst=False)
    for table in tables:
        close_to_others(connection, QualifiedName(schema, table.name))


def _grow(connection: Connection, schema: str, table: Table, columns: list[str]) -> None:
    qualified = QualifiedName(schema, table.name)
    require_owner_of(connection, qualified)
    for name in columns:
        clause = CreateColumn(table.c[name]).compile(dialect=connection.dialect)
        run(connection, f"ALTER TABLE {qualified} ADD COLUMN IF NOT EXISTS {clause}")
    for index in _placed(schema)[table.name].indexes:
        statement = CreateIndex(index, if_not_exists=True).compile(dialect=connection.dialect)
        run(connection, str(statement))


def _models() -> list[Table]:
    # Here, because they take SQLAlchemy's ORM along, which most runs have no use for.
    from .models import Base

    return Base.metadata.sorted_tables


def _placed(schema: str) -> dict[str, Table]:
    """Return tables of their own for a schema: a schema_translate_map that was set on the
    connection would stay there, and send the project's own next statements to this schema."""
    here = MetaData()
    return {table.name: table.to_metadata(here, schema=schema) for table in _models()}


def _missing(present: dict[str, set[str]]) -> list[tuple[Table, list[str] | None]]:
    """Return the tables that are absent (None) or lack columns (their names)."""
    found: list[tuple[Table, list[str] | None]] = []
    for table in _models():
        if table.name not in present:
            found.append((table, None))
        elif lacking := [c.name for c in table.c if c.name not in present[table.name]]:
            found.append((table, lacking))
    return found
