"""Whatever an object is called, it is parked and comes back under exactly that name."""

from __future__ import annotations

import pytest
from hypothesis import given

from alembic_zanith.artifacts import Artifact
from alembic_zanith.identifiers import MAX_BYTES, QualifiedName, quote
from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)
from tests.support.database import Database
from tests.support.names import ODD_NAMES, any_names, related

each_odd_name = pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)


def everything_called(name: str) -> str:
    """Return SQL for a table whose every part has this name, or one as odd; the column is last."""
    table = QualifiedName(name, name)
    parent = QualifiedName(name, related(name, "p"))
    sequence = QualifiedName(name, related(name, "s"))
    column, key = quote(name), quote(related(name, "k"))
    return f"""
        CREATE SCHEMA {quote(name)};
        CREATE TABLE {parent} ({key} int PRIMARY KEY);
        INSERT INTO {parent} VALUES (1), (2);
        CREATE TABLE {table} (
            {key} int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME {sequence})
                CONSTRAINT {quote(related(name, "c"))} PRIMARY KEY,
            {column} int NOT NULL DEFAULT 1
                CONSTRAINT {column} CHECK ({column} > 0)
                CONSTRAINT {quote(related(name, "f"))} REFERENCES {parent}
                CONSTRAINT {quote(related(name, "u"))} UNIQUE);
        CREATE INDEX {quote(related(name, "i"))} ON {table} ({column}) WHERE {column} < 100;
        CREATE STATISTICS {QualifiedName(name, related(name, "t"))} ON {key}, {column} FROM {table};
        COMMENT ON COLUMN {table}.{column} IS '{name.replace("'", "''")}';
        INSERT INTO {table} ({column}) VALUES (1), (2);
    """


def has_room_in_a_name(artifact: Artifact) -> bool:
    names = [artifact.parked_schema, artifact.parked_table, artifact.parked_column or ""]
    return all(len(name.encode()) <= MAX_BYTES for name in names)


def names_are_free(database: Database, name: str) -> None:
    """Take every name that a parked table had, and give it back."""
    table = QualifiedName(name, name)
    relations = [table, *(QualifiedName(name, related(name, mark)) for mark in "csui")]
    for relation in dict.fromkeys(relations):
        database.execute(f"CREATE TABLE {relation} (); DROP TABLE {relation}")


@each_odd_name
def test_a_column_comes_back_whatever_it_and_its_parts_are_called(
    database: Database, name: str
) -> None:
    database.execute(everything_called(name))
    before = database.dump()
    for drop in (soft_drop_column, archive_column):
        artifact = database.do(drop, name, name, schema=name)
        assert has_room_in_a_name(artifact)
        report = database.do(restore_column, artifact.source)
        assert report.renamed == ()
        assert database.dump() == before
        database.psql(database.do(drop, name, name, schema=name).recovery_sql)
        assert database.dump() == before


@each_odd_name
def test_a_table_comes_back_whatever_it_and_its_parts_are_called(
    database: Database, name: str
) -> None:
    database.execute(everything_called(name))
    before = database.dump()
    for drop in (soft_drop_table, archive_table):
        artifact = database.do(drop, name, schema=name)
        assert has_room_in_a_name(artifact)
        names_are_free(database, name)
        report = database.do(restore_table, artifact.source)
        assert report.renamed == ()
        assert database.dump() == before
        database.psql(database.do(drop, name, schema=name).recovery_sql)
        assert database.dump() == before


@pytest.mark.property
@given(name=any_names())
def test_a_target_as_it_is_listed_names_its_artifact(database: Database, name: str) -> None:
    column_name = related(name, "c")
    database.execute(f"CREATE TABLE {quote(name)} (id int PRIMARY KEY, {quote(column_name)} int)")
    try:
        column = database.do(soft_drop_column, name, column_name)
        assert has_room_in_a_name(column)
        assert database.do(restore_column, column.source).artifact.id == column.id
        table = database.do(soft_drop_table, name)
        assert has_room_in_a_name(table)
        assert database.do(restore_table, table.source).artifact.id == table.id
    finally:
        database.execute(
            f"DROP TABLE IF EXISTS {quote(name)}; DELETE FROM _zanith_migration_artifacts"
        )
