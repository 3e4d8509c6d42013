"""What alembic-zanith leaves behind: nothing that can be called, and no more than it says."""

from __future__ import annotations

import pytest

from alembic_zanith import recovery
from alembic_zanith.models import BOOKKEEPING_TABLES
from tests.support.database import Database
from tests.support.twins import STRATEGIES, Dropped

pytestmark = pytest.mark.majors

TABLE = (
    "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
    "CREATE COLLATION own (provider = libc, locale = 'C');"
    "CREATE TABLE t (id int PRIMARY KEY, gone mood NOT NULL DEFAULT 'a', s serial, d positive,"
    " i int GENERATED ALWAYS AS IDENTITY, c text COLLATE own, UNIQUE (gone, d), CHECK (d <> s));"
    "CREATE INDEX ON t (gone, s); CREATE STATISTICS st ON gone, s FROM t;"
    "INSERT INTO t (id) SELECT generate_series(1, 3)"
)
TARGETS = ("t.gone", "t.s", "t.d", "t.i", "t.c", "t")
EVERYWHERE = pytest.mark.parametrize("strategy", STRATEGIES)


def our_objects(database: Database) -> dict[str, list[str]]:
    """Names of ours in every catalog that has any, whatever the schema."""
    named = {
        "pg_class": "relname",
        "pg_attribute": "attname",
        "pg_constraint": "conname",
        "pg_proc": "proname",
        "pg_type": "typname",
        "pg_operator": "oprname",
        "pg_statistic_ext": "stxname",
        "pg_trigger": "tgname",
        "pg_policy": "polname",
        "pg_event_trigger": "evtname",
        "pg_namespace": "nspname",
    }
    found = {}
    for catalog, column in named.items():
        query = f"SELECT DISTINCT {column} FROM {catalog} WHERE {column} ~ 'zanith' ORDER BY 1"
        names = [
            name
            for (name,) in database.rows(query)
            if not any(name.lstrip("_").startswith(own.lstrip("_")) for own in BOOKKEEPING_TABLES)
        ]
        if names:
            found[catalog] = names
    return found


@EVERYWHERE
@pytest.mark.parametrize("target", TARGETS)
def test_no_function_cast_or_operator_survives(
    database: Database, strategy: str, target: str
) -> None:
    database.execute(TABLE)
    casts = database.scalar("SELECT count(*) FROM pg_cast")
    with database.begin() as connection:
        Dropped.parse(target).park(connection, strategy)
    assert not {"pg_proc", "pg_operator", "pg_trigger"} & set(our_objects(database))
    database.execute("INSERT INTO t (id) VALUES (9)" if target != "t" else "SELECT 1")
    with database.begin() as connection:
        Dropped.parse(target).restore(connection, **({"fill": "'b'"} if target == "t.gone" else {}))
    assert not {"pg_proc", "pg_operator", "pg_trigger"} & set(our_objects(database))
    assert database.scalar("SELECT count(*) FROM pg_cast") == casts


@EVERYWHERE
@pytest.mark.parametrize("target", TARGETS)
def test_after_a_restore_only_the_archive_of_a_column_is_left(
    database: Database, strategy: str, target: str
) -> None:
    database.execute(TABLE)
    with database.begin() as connection:
        artifact = Dropped.parse(target).park(connection, strategy)
    with database.begin() as connection:
        Dropped.parse(target).restore(connection)
    left = our_objects(database)
    left.pop("pg_namespace", None)
    if strategy == "archive" and artifact.is_column:
        assert artifact.parked_table in left["pg_class"]
        with database.begin() as connection:
            recovery.purge(connection, artifact.id)
        left = our_objects(database)
        left.pop("pg_namespace")
    assert left == {}


@EVERYWHERE
@pytest.mark.parametrize("target", TARGETS)
def test_after_a_purge_nothing_is_left(database: Database, strategy: str, target: str) -> None:
    database.execute(TABLE)
    with database.begin() as connection:
        Dropped.parse(target).park(connection, strategy)
    with database.begin() as connection:
        recovery.purge(connection, target)
    left = our_objects(database)
    left.pop("pg_namespace", None)
    assert left == {}


@pytest.mark.parametrize("target", TARGETS)
def test_a_soft_drop_rewrites_no_row(database: Database, target: str) -> None:
    database.execute(TABLE)
    oid = database.scalar("SELECT 't'::regclass::oid")
    before = database.scalar(f"SELECT pg_relation_filenode({oid})")
    with database.begin() as connection:
        Dropped.parse(target).park(connection, "soft_drop")
    assert database.scalar(f"SELECT pg_relation_filenode({oid})") == before


@pytest.mark.parametrize("target", ["t.gone", "t"])
@pytest.mark.parametrize("constraint", ["", " NOT NULL"])
@pytest.mark.parametrize(
    ("base", "value"),
    [
        ("varchar(40)", "v"),
        ("varchar(5)[]", "{a,b}"),
        ("char(10)", "padded"),
        ("numeric(10,2)", "1.20"),
        ("bit(3)", "101"),
        ("interval day to second(3)", "1 day"),
        ("timestamp(3)", "2026-01-02 03:04:05.678"),
    ],
)
def test_nor_does_one_of_a_domain_with_a_length(
    database: Database, base: str, value: str, constraint: str, target: str
) -> None:
    """A rewrite would also forget the options of a TOAST table that the base type does not need."""
    database.execute(
        f"CREATE DOMAIN short AS {base}{constraint}; CREATE TABLE t (id int, gone short);"
        f"INSERT INTO t VALUES (1, '{value}'); ALTER TABLE t SET (toast.autovacuum_enabled = off)"
    )
    oid = database.scalar("SELECT 't'::regclass::oid")
    dump = database.dump()
    before = database.scalar(f"SELECT pg_relation_filenode({oid})")
    with database.begin() as connection:
        Dropped.parse(target).park(connection, "soft_drop")
    assert database.scalar(f"SELECT pg_relation_filenode({oid})") == before
    with database.begin() as connection:
        Dropped.parse(target).restore(connection)
    assert database.dump() == dump


@pytest.mark.parametrize("target", ["t.gone", "t.s", "t.i", "t.c"])
def test_neither_does_its_restore_unless_a_domain_has_to_be_checked(
    database: Database, target: str
) -> None:
    database.execute(TABLE)
    before = database.scalar("SELECT pg_relation_filenode('t')")
    with database.begin() as connection:
        Dropped.parse(target).park(connection, "soft_drop")
    with database.begin() as connection:
        Dropped.parse(target).restore(connection)
    assert database.scalar("SELECT pg_relation_filenode('t')") == before


@EVERYWHERE
def test_columns_of_indexes_have_their_names_again(database: Database, strategy: str) -> None:
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, gone int, v int) PARTITION BY RANGE (id);"
        "CREATE INDEX ON t (gone, v); CREATE INDEX ON t (v) INCLUDE (gone);"
        "CREATE INDEX ON t ((gone + 1), gone); CREATE TABLE t_1 PARTITION OF t DEFAULT"
    )
    columns = (
        "SELECT attrelid::regclass::text, attname FROM pg_attribute"
        " WHERE attrelid IN (SELECT indexrelid FROM pg_index WHERE indrelid::regclass::text ~ '^t')"
        " ORDER BY 1, attnum"
    )
    before = database.rows(columns)
    with database.begin() as connection:
        Dropped.parse("t.gone").park(connection, strategy)
    with database.begin() as connection:
        Dropped.parse("t.gone").restore(connection)
    assert database.rows(columns) == before
