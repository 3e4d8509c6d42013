"""The same name may be dropped again and again; every one of them comes back."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from alembic_zanith.artifacts import Artifact
from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    list_artifacts,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)
from tests.support.database import Database
from tests.support.ways import DROP_TABLE, each_way_to_drop_a_column, each_way_to_drop_a_table

# 63 bytes, so that each has to be cut for another name, and they differ only after the cut.
LONG = "a_name_of_which_only_the_end_differs_from_another_one" + "_" * 9
LONG_NAMES = [LONG + end for end in "xyz"]

NOTE = """
    ALTER TABLE users ADD COLUMN note int NOT NULL DEFAULT {n}
        CONSTRAINT note_check CHECK (note > 0) CONSTRAINT note_fkey REFERENCES parents;
    UPDATE users SET note = id + {n};
    ALTER TABLE users ADD CONSTRAINT note_key UNIQUE (note) DEFERRABLE;
    CREATE INDEX note_index ON users (note);
    CREATE STATISTICS note_statistics ON id, note FROM users;
    COMMENT ON COLUMN users.note IS 'number {n}';
"""


def users_and_parents(database: Database) -> None:
    database.execute(
        "CREATE TABLE parents (id int PRIMARY KEY);"
        "INSERT INTO parents SELECT generate_series(1, 100);"
        "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1), (2), (3)"
    )


def values(database: Database, column: str) -> list[int]:
    return [value for (value,) in database.rows(f"SELECT {column} FROM users ORDER BY id")]


def kinds_of_constraints(database: Database, table: str, column: str) -> str:
    """Return the kinds of constraints on a column, as letters in order."""
    return str(
        database.scalar(
            "SELECT string_agg(c.contype::text, '' ORDER BY c.contype) FROM pg_constraint c"
            " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)"
            f" WHERE c.conrelid = '{table}'::regclass AND a.attname = '{column}'"
            " AND c.contype <> 'n'"
        )
    )


def comment(database: Database, column: str) -> str:
    where = f"attrelid = 'users'::regclass AND attname = '{column}'"
    return str(
        database.scalar(f"SELECT col_description(attrelid, attnum) FROM pg_attribute WHERE {where}")
    )


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize(
    "drops",
    [[soft_drop_column] * 3, [archive_column] * 3, [soft_drop_column, archive_column] * 2],
    ids=["soft drops", "archives", "mixed"],
)
def test_a_column_dropped_three_times_comes_back_in_any_order(
    database: Database, drops: list[Callable[..., Artifact]], order: tuple[int, ...]
) -> None:
    users_and_parents(database)
    artifacts, base = [], (10, 20, 30)
    for number in range(3):
        database.execute(NOTE.format(n=base[number]))
        artifacts.append(database.do(drops[number], "users", "note"))
    for place, number in enumerate(order):
        name = "note" if place == 0 else f"note_{place}"
        report = database.do(
            restore_column, "users.note", artifact=artifacts[number].id, as_name=name
        )
        assert report.restored_as == f"users.{name}"
        assert report.left_out == ()
        # Each constraint, index and statistics object of the later ones needs a name of its own.
        renamed = {old for old, _ in report.renamed} - {"users_note_not_null"}
        wanted = {"note_check", "note_fkey", "note_key", "note_index", "note_statistics"}
        assert renamed == (set() if place == 0 else wanted)
    for place, number in enumerate(order):
        name = "note" if place == 0 else f"note_{place}"
        assert values(database, name) == [1 + base[number], 2 + base[number], 3 + base[number]]
        assert kinds_of_constraints(database, "users", name) == "cfu"
        assert comment(database, name) == f"number {base[number]}"


@pytest.mark.parametrize("first", DROP_TABLE.values(), ids=DROP_TABLE)
@pytest.mark.parametrize("second", DROP_TABLE.values(), ids=DROP_TABLE)
def test_a_table_dropped_and_made_again_comes_back_twice_under_two_names(
    database: Database, first: Callable[..., Artifact], second: Callable[..., Artifact]
) -> None:
    artifacts = []
    for number, drop in enumerate((first, second), 1):
        database.execute(
            "CREATE TABLE sessions (id serial PRIMARY KEY, token text UNIQUE, n int CHECK (n > 0));"
            "CREATE INDEX by_n ON sessions (n); CREATE STATISTICS s ON id, n FROM sessions;"
            f"INSERT INTO sessions (token, n) VALUES ('t', {number})"
        )
        artifacts.append(database.do(drop, "sessions"))
    second_report = database.do(restore_table, "sessions")
    assert second_report.artifact.id == artifacts[1].id
    assert second_report.renamed == ()
    first_report = database.do(restore_table, "sessions", as_name="sessions_before")
    assert first_report.artifact.id == artifacts[0].id
    assert first_report.restored_as == "sessions_before"
    assert {old for old, _ in first_report.renamed} == {
        "by_n",
        "s",
        "sessions_id_seq",
        "sessions_pkey",
        "sessions_token_key",
    }
    assert database.scalar("SELECT n FROM sessions") == 2
    assert database.scalar("SELECT n FROM sessions_before") == 1
    # Both go on living, each with its own sequence and constraints.
    for table in ("sessions", "sessions_before"):
        database.execute(f"INSERT INTO {table} (token, n) VALUES ('u', 1)")
        assert database.scalar(f"SELECT max(id) FROM {table}") == 2
        assert kinds_of_constraints(database, table, "token") == "u"


@each_way_to_drop_a_table
def test_a_partitioned_table_made_again_comes_back_beside_it(
    database: Database, drop: Callable[..., Artifact]
) -> None:
    logs = (
        "CREATE TABLE logs (id int, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);"
        "CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE logs_rest PARTITION OF logs DEFAULT;"
        "INSERT INTO logs VALUES ({n}, 1), ({n}, 11)"
    )
    database.execute(logs.format(n=1))
    database.do(drop, "logs")
    database.execute(logs.format(n=2))
    report = database.do(restore_table, "logs", as_name="old_logs")
    assert {old for old, _ in report.renamed} >= {"logs_1", "logs_rest", "logs_pkey"}
    assert database.rows("SELECT id, day FROM old_logs ORDER BY day") == [(1, 1), (1, 11)]
    assert database.rows("SELECT id, day FROM logs ORDER BY day") == [(2, 1), (2, 11)]
    partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = '{}'::regclass"
    assert database.scalar(partitions.format("old_logs")) == 2
    assert database.scalar(partitions.format("logs")) == 2


@each_way_to_drop_a_table
def test_long_names_that_differ_at_the_end_only_get_different_new_ones(
    database: Database, drop: Callable[..., Artifact]
) -> None:
    table = "CREATE TABLE long (id int, a int, b int, c int);" + "".join(
        f"CREATE INDEX {name} ON long ({column});"
        for name, column in zip(LONG_NAMES, "abc", strict=True)
    )
    database.execute(table)
    database.do(drop, "long")
    database.execute(table)
    report = database.do(restore_table, "long", as_name="long_before")
    assert sorted(old for old, _ in report.renamed) == LONG_NAMES
    assert len({new for _, new in report.renamed}) == len(LONG_NAMES)


@each_way_to_drop_a_column
def test_a_column_with_several_sequences_of_long_names_comes_back(
    database: Database, drop: Callable[..., Artifact]
) -> None:
    database.execute("CREATE TABLE long (id int PRIMARY KEY, n int)")
    for name in LONG_NAMES:
        database.execute(f"CREATE SEQUENCE {name} OWNED BY long.n; SELECT nextval('{name}')")
    database.execute("COMMENT ON SEQUENCE " + LONG_NAMES[0] + " IS 'the first'")
    before = database.dump()
    database.do(drop, "long", "n")
    database.do(restore_column, "long.n")
    assert database.dump() == before


@each_way_to_drop_a_column
@pytest.mark.parametrize(
    "default", ["nextval('{}')", "nextval('{}') * 2"], ids=["plain", "doubled"]
)
def test_a_default_keeps_its_own_sequence_though_another_has_its_name(
    database: Database, drop: Callable[..., Artifact], default: str
) -> None:
    add = (
        "ALTER TABLE tickets ADD COLUMN number bigint;"
        "CREATE SEQUENCE number_seq START {start} OWNED BY tickets.number;"
        f"ALTER TABLE tickets ALTER number SET DEFAULT {default.format('number_seq')};"
    )
    database.execute("CREATE TABLE tickets (id int PRIMARY KEY);" + add.format(start=100))
    database.do(drop, "tickets", "number")
    database.execute(add.format(start=500))
    report = database.do(restore_column, "tickets.number", as_name="old_number")
    assert [old for old, _ in report.renamed] == ["number_seq"]
    factor = 2 if "*" in default else 1
    database.execute("INSERT INTO tickets VALUES (1)")
    assert database.rows("SELECT old_number, number FROM tickets") == [(100 * factor, 500 * factor)]


@each_way_to_drop_a_column
def test_two_columns_with_long_names_are_parked_side_by_side(
    database: Database, drop: Callable[..., Artifact]
) -> None:
    columns = ", ".join(f"{name} int UNIQUE CHECK ({name} > 0)" for name in LONG_NAMES)
    database.execute(
        f"CREATE TABLE long (id int PRIMARY KEY, {columns}); INSERT INTO long VALUES (1, 2, 3, 4)"
    )
    before = database.dump()
    for name in LONG_NAMES:
        database.do(drop, "long", name)
    for name in LONG_NAMES:
        database.do(restore_column, f"long.{name}")
    assert database.dump() == before


@each_way_to_drop_a_column
def test_of_several_in_one_transaction_the_newest_comes_back_first(
    database: Database, drop: Callable[..., Artifact]
) -> None:
    users_and_parents(database)
    ids = []
    with database.begin() as connection:
        for number in (1, 2, 3):
            connection.exec_driver_sql(f"ALTER TABLE users ADD COLUMN v int DEFAULT {number}")
            ids.append(drop(connection, "users", "v").id)
        newest_first = [found.artifact.id for found in list_artifacts(connection)]
        assert newest_first == ids[::-1]
        for number in (3, 2, 1):
            report = restore_column(connection, "users.v", as_name=f"v{number}")
            assert report.artifact.id == ids[number - 1]
    assert database.rows("SELECT DISTINCT v1, v2, v3 FROM users") == [(1, 2, 3)]


def test_of_several_tables_in_one_transaction_the_newest_comes_back_first(
    database: Database,
) -> None:
    with database.begin() as connection:
        for number, drop in enumerate([soft_drop_table, archive_table] * 2):
            connection.exec_driver_sql(f"CREATE TABLE t AS SELECT {number} AS n")
            drop(connection, "t")
        for number in (3, 2, 1, 0):
            restore_table(connection, "t", as_name=f"t{number}")
    for number in range(4):
        assert database.scalar(f"SELECT n FROM t{number}") == number
