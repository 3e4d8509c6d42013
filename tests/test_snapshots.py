"""The schema of a database as a value: everything that counts, nothing that does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)
from alembic_zanith.snapshots import Change, Difference, Snapshot, differences, take_snapshot
from tests.conftest import MakeDatabase
from tests.support.database import Database

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"

SHOP = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE users (id int PRIMARY KEY, name text, age int DEFAULT 1, mood mood);
CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users, total numeric(9, 2));
CREATE INDEX ix_total ON orders (total);
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION t();
CREATE VIEW v AS SELECT name FROM users;
CREATE SEQUENCE s;
CREATE POLICY p ON users USING (true);
CREATE STATISTICS st ON id, total FROM orders;
"""


def snapshot(database: Database, driver: str | None = None) -> Snapshot:
    with database.begin(driver) as connection:
        return take_snapshot(connection, archive_schema="_zanith_archive")


CHANGES = {
    "CREATE TABLE t (id int)": ("added", "table", "t"),
    "DROP TABLE orders": ("removed", "table", "orders"),
    "ALTER TABLE users ADD note text": ("added", "column", "users.note"),
    "ALTER TABLE users DROP age": ("removed", "column", "users.age"),
    "ALTER TABLE users ALTER age TYPE bigint": ("changed", "column", "users.age"),
    "ALTER TABLE users ALTER age SET NOT NULL": ("changed", "column", "users.age"),
    "ALTER TABLE users ALTER age DROP DEFAULT": ("changed", "column", "users.age"),
    "ALTER TABLE orders ALTER total SET STORAGE PLAIN": ("changed", "column", "orders.total"),
    "COMMENT ON COLUMN users.age IS 'in years'": ("changed", "column", "users.age"),
    "COMMENT ON TABLE users IS 'people'": ("changed", "table", "users"),
    "ALTER TABLE users ADD CHECK (age > 0)": ("added", "constraint", "users.users_age_check"),
    "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey": (
        "removed",
        "constraint",
        "orders.orders_user_id_fkey",
    ),
    "CREATE INDEX ix ON users (lower(name)) WHERE age > 3": ("added", "index", "users.ix"),
    "DROP INDEX ix_total": ("removed", "index", "orders.ix_total"),
    "ALTER TABLE users DISABLE TRIGGER tr": ("changed", "trigger", "users.tr"),
    "ALTER POLICY p ON users USING (age > 1)": ("changed", "policy", "users.p"),
    "ALTER TABLE users ENABLE ROW LEVEL SECURITY": ("changed", "table", "users"),
    "ALTER TABLE users REPLICA IDENTITY FULL": ("changed", "table", "users"),
    "ALTER TABLE users SET (fillfactor = 70)": ("changed", "table", "users"),
    "ALTER TABLE orders SET UNLOGGED": ("changed", "table", "orders"),
    "CREATE RULE r AS ON DELETE TO users DO INSTEAD NOTHING": ("added", "rule", "users.r"),
    "DROP STATISTICS st": ("removed", "statistics", "orders.st"),
    "CREATE OR REPLACE VIEW v AS SELECT name FROM users WHERE age > 1": ("changed", "view", "v"),
    "CREATE MATERIALIZED VIEW m AS SELECT 1 AS one": ("added", "materialized view", "m"),
    "ALTER SEQUENCE s INCREMENT 5": ("changed", "sequence", "s"),
    "ALTER TYPE mood ADD VALUE 'glad'": ("changed", "enum type", "mood"),
    "ALTER DOMAIN positive SET NOT NULL": ("changed", "domain type", "positive"),
    "CREATE TYPE pair AS (a int, b text)": ("added", "composite type", "pair"),
    "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'": (
        "changed",
        "function",
        "f()",
    ),
    "CREATE FUNCTION g(a int) RETURNS int LANGUAGE sql AS 'SELECT 2'": (
        "added",
        "function",
        "g(a integer)",
    ),
    "CREATE SCHEMA app; CREATE TABLE app.t (id int)": ("added", "schema", "app"),
    "CREATE PUBLICATION pub FOR TABLE users": ("added", "publication", "pub"),
    "ALTER TABLE users ADD g int GENERATED ALWAYS AS (age * 2) STORED": (
        "added",
        "column",
        "users.g",
    ),
    "ALTER TABLE users ALTER id ADD GENERATED ALWAYS AS IDENTITY": (
        "changed",
        "column",
        "users.id",
    ),
}


@pytest.mark.parametrize("statement", CHANGES)
def test_a_change_is_told_as_one_difference(database: Database, statement: str) -> None:
    database.execute(SHOP)
    before = snapshot(database)
    database.execute(statement)
    after = snapshot(database)
    found = differences(before, after)
    assert [(each.change.value, each.kind, each.name) for each in found] == [CHANGES[statement]]
    assert before.digest != after.digest
    back = differences(after, before)
    assert [(each.before, each.after) for each in back] == [(found[0].after, found[0].before)]


@pytest.mark.majors
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no databases to load in {DATA}")
@pytest.mark.parametrize("data", ["pagila-schema.sql", "chinook.sql"])
def test_a_copy_of_a_real_database_has_the_same_snapshot(
    database: Database, make_database: MakeDatabase, data: str
) -> None:
    # PostgreSQL before 17 cannot run three statements of pagila, and goes on after them.
    database.psql((DATA / data).read_text(encoding="utf-8"), "-vON_ERROR_STOP=0")
    copy = make_database()
    copy.psql(database.dump("--schema-only", "--no-owner", "--no-privileges"))
    original, copied = snapshot(database), snapshot(copy)
    assert differences(original, copied) == ()
    assert original.digest == copied.digest
    assert len(original.content["schemas"]["public"]["tables"]) > 10


def test_settings_of_the_session_make_no_difference(database: Database) -> None:
    database.execute(SHOP)
    expected = snapshot(database).digest
    with database.begin() as connection:
        for name, value in {
            "search_path": "app, pg_catalog",
            "quote_all_identifiers": "on",
            "DateStyle": "German",
            "standard_conforming_strings": "on",
        }.items():
            connection.exec_driver_sql(f"SET LOCAL {name} = {value}")
        assert take_snapshot(connection, archive_schema="_zanith_archive").digest == expected


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_every_driver_reads_the_same(database: Database, driver: str) -> None:
    database.execute(SHOP)
    assert snapshot(database, driver).digest == snapshot(database).digest


Parks = Callable[..., object]


@pytest.mark.parametrize("park", [soft_drop_column, archive_column])
def test_a_parked_column_looks_dropped_and_comes_back_the_same(
    database: Database, make_database: MakeDatabase, park: Parks
) -> None:
    for each in (database, twin := make_database()):
        each.execute(SHOP)
    whole = snapshot(database)
    database.do(park, "users", "age")
    twin.execute("ALTER TABLE users DROP age")
    assert differences(snapshot(twin), snapshot(database)) == ()
    database.do(restore_column, "users.age")
    assert differences(whole, snapshot(database)) == ()


@pytest.mark.parametrize("park", [soft_drop_table, archive_table])
def test_a_parked_table_looks_dropped_and_comes_back_the_same(
    database: Database, make_database: MakeDatabase, park: Parks
) -> None:
    for each in (database, twin := make_database()):
        each.execute(SHOP)
    whole = snapshot(database)
    database.do(park, "orders")
    twin.execute("DROP TABLE orders")
    assert differences(snapshot(twin), snapshot(database)) == ()
    database.do(restore_table, "orders")
    assert differences(whole, snapshot(database)) == ()


def test_a_schema_can_be_read_as_if_it_were_another(
    database: Database, make_database: MakeDatabase
) -> None:
    other = make_database()
    database.execute(SHOP)
    other.execute(f"CREATE SCHEMA _zanith_shadow_1; SET search_path = _zanith_shadow_1; {SHOP}")

    def read(connection: sa.Connection, schema: str) -> Snapshot:
        return take_snapshot(connection, archive_schema="_z", schemas=[schema])

    theirs = other.do(read, "_zanith_shadow_1").with_schema_renamed("_zanith_shadow_1", "public")
    assert differences(database.do(read, "public"), theirs) == ()


def test_names_of_all_kinds_are_told_as_one_would_write_them(database: Database) -> None:
    name = 'Ä "b" . c'
    quoted = '"' + name.replace('"', '""') + '"'
    before = snapshot(database)
    database.execute(f"CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{quoted} ({quoted} int)")
    with_schema = snapshot(database)
    assert [each.kind for each in differences(before, with_schema)] == ["schema"]
    database.execute(f"ALTER TABLE {quoted}.{quoted} ADD x int")
    assert differences(with_schema, snapshot(database)) == (
        Difference(Change.ADDED, "column", f"{quoted}.{quoted}.x", None, "integer"),
    )


def test_a_role_without_rights_reads_it_all_the_same(database: Database) -> None:
    database.execute(SHOP)
    role = database.role("guest")
    with database.begin(role=role) as connection:
        found = take_snapshot(connection, archive_schema="_zanith_archive")
    assert found.digest == snapshot(database).digest


def test_members_of_extensions_are_left_out(database: Database) -> None:
    before = snapshot(database)
    database.execute("CREATE TABLE t (id int); ALTER EXTENSION plpgsql ADD TABLE t")
    assert differences(before, snapshot(database)) == ()
