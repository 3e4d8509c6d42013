"""op.sync_columns: whichever of two columns is written, both are the same afterwards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops

import alembic_zanith  # noqa: F401 -- registers the operations
from alembic_zanith.errors import NotInStepError, NotSyncableError, UnknownObjectError
from alembic_zanith.operations import UnsyncColumnsOp
from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project
from tests.test_hostile_search_path import HOSTILE, PATHS

pytestmark = pytest.mark.majors

USERS = (
    "CREATE TABLE users (id int PRIMARY KEY, full_name text{old}, name text{new}, n int DEFAULT 0)"
)
PLAIN = {"forward": "full_name", "backward": "name"}


def users(database: Database, old: str = "", new: str = "") -> None:
    database.execute(USERS.format(old=old, new=new))


def call(database: Database, function: str, *names: str, **options: Any) -> None:
    """Call an operation in a transaction of its own."""
    with database.begin() as connection:
        call_on(connection, function, *names, **options)


def call_on(connection: sa.Connection, function: str, *names: str, **options: Any) -> None:
    getattr(Operations(MigrationContext.configure(connection)), function)(*names, **options)


def sync(database: Database, **options: Any) -> None:
    call(database, "sync_columns", "users", "full_name", "name", **{**PLAIN, **options})


def unsync(database: Database, **options: Any) -> None:
    call(database, "unsync_columns", "users", "full_name", "name", **options)


def pairs(database: Database, table: str = "users") -> list[tuple[Any, ...]]:
    return database.rows(f"SELECT full_name, name FROM {table} ORDER BY id")


@pytest.mark.parametrize(
    ("columns", "values", "then"),
    [
        ("full_name", "'Ann'", "Ann"),
        ("name", "'Ann'", "Ann"),
        ("full_name", "NULL", None),
        ("name", "NULL", None),
        ("n", "1", None),
        ("full_name, name", "'Ann', 'Ann'", "Ann"),
        ("full_name, name", "'old', 'new'", "new"),
        ("full_name, name", "NULL, 'new'", "new"),
        ("full_name, name", "'old', NULL", "old"),
    ],
)
def test_an_insert_fills_the_column_that_it_does_not_give(
    database: Database, columns: str, values: str, then: str | None
) -> None:
    users(database)
    sync(database)
    database.execute(f"INSERT INTO users (id, {columns}) VALUES (1, {values})")
    assert pairs(database) == [(then, then)]


@pytest.mark.parametrize(
    ("change", "then"),
    [
        ("full_name = 'Bea'", "Bea"),
        ("name = 'Bea'", "Bea"),
        ("full_name = NULL", None),
        ("name = NULL", None),
        ("n = 2", "Ann"),
        ("full_name = 'Ann'", "Ann"),
        ("full_name = 'old', name = 'new'", "new"),
        ("full_name = 'old', name = NULL", None),
        ("full_name = 'same', name = 'same'", "same"),
    ],
)
def test_an_update_carries_over_what_it_changes_and_the_new_column_counts(
    database: Database, change: str, then: str | None
) -> None:
    users(database)
    sync(database)
    database.execute("INSERT INTO users (id, full_name) VALUES (1, 'Ann')")
    database.execute(f"UPDATE users SET {change}")
    assert pairs(database) == [(then, then)]


# What a writer of each version says, and what it would have got without the other column.
WRITES = (
    ("full_name", "'Ann'", "Ann"),
    ("name", "'Ann'", "Ann"),
    ("full_name", "'none'", "none"),
    ("name", "'none'", "none"),
    ("full_name", "NULL", None),
    ("name", "NULL", None),
    ("n", "1", "none"),
)


@pytest.mark.parametrize(("column", "value", "then"), WRITES)
def test_a_default_of_both_never_counts_as_given(
    database: Database, column: str, value: str, then: str | None
) -> None:
    users(database, " DEFAULT 'none'", " DEFAULT 'none'")
    sync(database)
    database.execute(f"INSERT INTO users (id, {column}) VALUES (1, {value})")
    assert pairs(database) == [(then, then)]


@pytest.mark.parametrize(
    ("column", "value", "then"), [each for each in WRITES if each[:2] != ("name", "NULL")]
)
def test_a_default_of_the_old_column_alone_never_hides_what_a_new_version_writes(
    database: Database, column: str, value: str, then: str | None
) -> None:
    users(database, " DEFAULT 'none'")
    sync(database)
    database.execute(f"INSERT INTO users (id, {column}) VALUES (1, {value})")
    assert pairs(database) == [(then, then)]


def test_a_default_that_differs_each_time_is_given_once(database: Database) -> None:
    users(database, " NOT NULL DEFAULT gen_random_uuid()::text")
    sync(database)
    database.execute(
        "INSERT INTO users (id) VALUES (1); INSERT INTO users (id, name) VALUES (2, 'x')"
    )
    (first, same), second = pairs(database)
    assert first == same
    assert len(first) == 36
    assert second == ("x", "x")


def test_the_clock_as_a_default_is_the_same_in_both(database: Database) -> None:
    database.execute(
        "CREATE TABLE users (id int, full_name timestamptz DEFAULT now(), name timestamptz DEFAULT now())"
    )
    sync(database)
    database.execute(
        "INSERT INTO users (id) VALUES (1); INSERT INTO users (id, name) VALUES (2, NULL)"
    )
    (clock, same), nothing = pairs(database)
    assert clock == same is not None
    assert nothing == (None, None)


def test_not_null_on_the_old_column_is_met_by_a_version_that_does_not_know_it(
    database: Database,
) -> None:
    users(database, " NOT NULL")
    sync(database)
    database.execute("INSERT INTO users (id, name) VALUES (1, 'Ann')")
    assert pairs(database) == [("Ann", "Ann")]
    with pytest.raises(psycopg.errors.NotNullViolation):
        database.execute("INSERT INTO users (id, name) VALUES (2, NULL)")


def totals(database: Database, **options: str) -> None:
    database.execute("CREATE TABLE orders (id int, total numeric, total_new numeric(14, 2))")
    given = {"forward": "total", "backward": "total_new", **options}
    call(database, "sync_columns", "orders", "total", "total_new", **given)


def test_what_the_new_type_cannot_hold_stays_in_the_old_column(database: Database) -> None:
    database.execute("CREATE TABLE orders (id int, total numeric, total_new numeric(14, 2))")
    database.execute("INSERT INTO orders VALUES (1, 1.005)")
    given = {"forward": "total", "backward": "total_new"}
    call(database, "sync_columns", "orders", "total", "total_new", **given)
    database.execute("INSERT INTO orders (id, total) VALUES (2, 2.005)")
    database.execute("UPDATE orders SET total_new = total")  # as a backfill does
    assert database.rows("SELECT total::text, total_new::text FROM orders ORDER BY id") == [
        ("1.005", "1.01"),
        ("2.005", "2.01"),
    ]


def test_an_expression_is_worked_out_each_way(database: Database) -> None:
    totals(database, forward="orders.total / 100 -- cents", backward="round(total_new * 100)")
    database.execute("INSERT INTO orders (id, total) VALUES (1, 1250)")
    database.execute("INSERT INTO orders (id, total_new) VALUES (2, 0.5)")
    assert database.rows("SELECT total, total_new FROM orders ORDER BY id") == [
        (1250, 12.5),
        (50, 0.5),
    ]


@pytest.mark.parametrize("type_", ["json", "point", "pair", "text[]"])
def test_a_type_needs_no_operator_to_be_compared(database: Database, type_: str) -> None:
    database.execute("CREATE TYPE pair AS (a int, b int)")
    database.execute(f"CREATE TABLE users (id int, full_name {type_}, name {type_})")
    sync(database)
    value, other = {
        "json": ("{}", "[]"),
        "point": ("(1,2)", "(2,1)"),
        "pair": ("(1,)", "(,2)"),
        "text[]": ("{a}", "{b}"),
    }[type_]
    database.execute(f"INSERT INTO users (id, full_name) VALUES (1, '{value}')")
    database.execute(f"INSERT INTO users (id, name) VALUES (2, '{value}')")
    database.execute(f"UPDATE users SET name = '{other}' WHERE id = 2")
    found = database.rows("SELECT full_name::text, name::text FROM users ORDER BY id")
    assert found == [(value, value), (other, other)]


def test_a_change_of_letter_case_alone_is_a_change(database: Database) -> None:
    database.execute(
        "CREATE EXTENSION citext; CREATE TABLE users (id int, full_name citext, name citext)"
    )
    sync(database)
    database.execute("INSERT INTO users (id, full_name) VALUES (1, 'ann')")
    database.execute("UPDATE users SET full_name = 'Ann'")
    assert pairs(database) == [("Ann", "Ann")]


def test_partitions_are_kept_too_and_rows_that_move_between_them(database: Database) -> None:
    database.execute(
        "CREATE TABLE users (id int, full_name text, name text) PARTITION BY RANGE (id);"
        "CREATE TABLE few PARTITION OF users FOR VALUES FROM (0) TO (10);"
    )
    sync(database)
    database.execute(
        "CREATE TABLE many PARTITION OF users FOR VALUES FROM (10) TO (99);"
        "INSERT INTO users (id, full_name) VALUES (1, 'Ann'), (20, 'Bea');"
        "INSERT INTO few (id, name) VALUES (2, 'Cid');"
        "UPDATE users SET id = 30, name = 'Dora' WHERE id = 2; UPDATE users SET id = 3 WHERE id = 20"
    )
    assert pairs(database) == [("Ann", "Ann"), ("Bea", "Bea"), ("Dora", "Dora")]


def test_an_upsert_by_either_column_and_copy_are_kept(database: Database) -> None:
    users(database, " UNIQUE", " UNIQUE")
    sync(database)
    insert = "INSERT INTO users (id, {0}) VALUES ({1}, 'Ann') ON CONFLICT ({0}) DO UPDATE SET n = 7"
    for number, column in enumerate(("full_name", "name", "full_name")):
        database.execute(insert.format(column, number))
    database.psql("COPY users (id, name) FROM STDIN;\n8\tBea\n9\t\\N\n\\.\n")
    assert pairs(database) == [("Ann", "Ann"), ("Bea", "Bea"), (None, None)]


def test_a_cascade_of_a_foreign_key_on_both_is_kept(database: Database) -> None:
    database.execute(
        "CREATE TABLE names (name text PRIMARY KEY); INSERT INTO names VALUES ('Ann'), ('Bea')"
    )
    key = " REFERENCES names ON UPDATE CASCADE ON DELETE SET NULL"
    users(database, key, key)
    sync(database)
    database.execute("INSERT INTO users (id, full_name) VALUES (1, 'Ann'), (2, 'Bea')")
    database.execute(
        "UPDATE names SET name = 'Anna' WHERE name = 'Ann'; DELETE FROM names WHERE name = 'Bea'"
    )
    assert pairs(database) == [("Anna", "Anna"), (None, None)]


def test_a_role_that_may_write_one_column_only_fills_both(database: Database) -> None:
    users(database)
    sync(database)
    role = database.role()
    database.execute(f'GRANT INSERT (id, name), UPDATE (name), SELECT ON users TO "{role}"')
    with database.begin(role=role) as connection:
        connection.exec_driver_sql("INSERT INTO users (id, name) VALUES (1, 'Ann')")
        connection.exec_driver_sql("UPDATE users SET name = 'Bea'")
    assert pairs(database) == [("Bea", "Bea")]


def test_no_trace_is_left_and_the_values_stay(database: Database) -> None:
    users(database)
    before = database.dump("--schema-only")
    sync(database)
    database.execute("INSERT INTO users (id, name) VALUES (1, 'Ann')")
    unsync(database)
    assert database.dump("--schema-only") == before
    database.execute("UPDATE users SET name = 'Bea'")
    assert pairs(database) == [("Ann", "Bea")]


OFF = "ALTER TABLE users DISABLE TRIGGER USER; {}; ALTER TABLE users ENABLE TRIGGER USER"
WAYS = {
    "plain": PLAIN,
    "expression": {"forward": "upper(full_name)", "backward": "lower(name) -- 100%"},
}


@pytest.mark.parametrize("which", ["old", "new"])
@pytest.mark.parametrize("way", WAYS)
def test_what_was_written_with_the_triggers_off_is_told_with_the_way_out(
    database: Database, way: str, which: str
) -> None:
    users(database)
    sync(database, **WAYS[way])
    database.execute(
        "INSERT INTO users (id, full_name) SELECT g, 'v' || g FROM generate_series(1, 9) g"
    )
    column = "full_name" if which == "old" else "name"
    database.execute(OFF.format(f"UPDATE users SET {column} = 'bulk' WHERE id = 7"))
    before = database.dump()
    with pytest.raises(NotInStepError) as error:
        unsync(database)
    message = str(error.value)
    assert "1 rows of public.users have values in full_name and name" in message
    v7 = "V7" if way == "expression" else "v7"
    pair = f"'bulk' and '{v7}'" if which == "old" else "'v7' and 'bulk'"
    assert f"Such as (id) = (7): {pair}." in message
    assert database.dump() == before
    updates = re.findall(r"  (UPDATE .*?\)\));?$", message, re.DOTALL | re.MULTILINE)
    database.execute(updates[0 if which == "old" else 1])
    expected = {"plain": ("bulk", "bulk"), "expression": ("bulk", "BULK")}[way]
    assert expected in pairs(database)
    unsync(database)
    assert "_zanith" not in database.dump()


def test_force_ends_it_whatever_the_rows_have(database: Database) -> None:
    users(database)
    database.execute("INSERT INTO users (id, full_name) VALUES (1, 'Ann')")  # never filled
    sync(database)
    with pytest.raises(NotInStepError, match=r"Such as \(id\) = \(1\): 'Ann' and NULL"):
        unsync(database)
    unsync(database, force=True)
    assert pairs(database) == [("Ann", None)]


def test_force_is_rendered() -> None:
    operation = UnsyncColumnsOp("users", "full_name", "name", force=True)
    context = MigrationContext.configure(dialect_name="postgresql")
    rendered = render_python_code(ops.UpgradeOps([operation]), migration_context=context)
    assert "op.unsync_columns('users', 'full_name', 'name', force=True)" in rendered


def test_digits_that_the_new_type_cannot_hold_are_no_difference(database: Database) -> None:
    database.execute(
        "CREATE TABLE users (id int, full_name numeric, name numeric(9, 2), at timestamp)"
    )
    sync(database, forward="full_name", backward="name")
    database.execute(
        "INSERT INTO users (id, full_name) VALUES (1, 1.23456), (2, 1.5), (3, NULL), (4, 'NaN');"
        "INSERT INTO users (id, name) VALUES (5, 7.777), (6, 1), (7, NULL);"
        "UPDATE users SET name = 2 WHERE id = 2; UPDATE users SET full_name = 2.999 WHERE id = 5;"
        "INSERT INTO users (id, full_name, name) VALUES (8, 1, 2)"
    )
    unsync(database)


def test_a_value_that_gives_none_for_the_other_column_is_told(database: Database) -> None:
    database.execute("CREATE TABLE users (id int, full_name text, name int)")
    sync(database, forward="full_name::int", backward="name::text")
    database.execute(OFF.format("INSERT INTO users VALUES (1, 'many', 5)"))
    with pytest.raises(NotInStepError, match=r"cannot be compared.*\"many\""):
        unsync(database)


@pytest.mark.parametrize("ending", ["downgrade", "upgrade"])
def test_rows_that_were_never_filled_are_in_the_way_of_the_upgrade_only(
    project: Project, ending: str
) -> None:
    users(project.database)
    project.database.execute("INSERT INTO users (id, full_name) VALUES (1, 'Ann')")
    project.revision(SYNC, UNSYNC)
    project.upgrade()
    if ending == "downgrade":
        project.downgrade()
        return
    project.revision(UNSYNC)
    assert "or were never filled" in project.alembic("upgrade", "head").failed().output


def test_begun_again_it_goes_by_the_new_expressions(database: Database) -> None:
    users(database)
    sync(database)
    sync(database, forward="upper(full_name)", backward="lower(name)")
    database.execute("INSERT INTO users (id, full_name) VALUES (1, 'Ann')")
    assert pairs(database) == [("Ann", "ANN")]
    unsync(database)
    assert "_zanith" not in database.dump()


def test_it_comes_back_from_a_dump(database: Database, make_database: Any) -> None:
    users(database)
    sync(database, forward="upper(full_name)", backward="lower(name)")
    restored = make_database()
    restored.psql(database.dump())
    restored.execute("INSERT INTO users (id, full_name) VALUES (1, 'Ann')")
    assert pairs(restored) == [("Ann", "ANN")]
    unsync(restored)


def test_it_goes_on_where_the_table_gets_another_name(database: Database) -> None:
    users(database)
    sync(database)
    database.execute("ALTER TABLE users RENAME TO people")
    users(database)  # with constraints and a function of the same names in its way
    sync(database)
    for table in ("people", "users"):
        database.execute(f"INSERT INTO {table} (id, name) VALUES (1, 'Ann')")
        assert pairs(database, table) == [("Ann", "Ann")]
    unsync(database)
    call(database, "unsync_columns", "people", "full_name", "name")
    assert "_zanith" not in database.dump()


def test_neither_column_can_be_dropped_or_get_another_type_meanwhile(database: Database) -> None:
    users(database)
    sync(database)
    for change in ("DROP full_name", "DROP name", "ALTER name TYPE varchar(9)"):
        with pytest.raises(
            (psycopg.errors.DependentObjectsStillExist, psycopg.errors.FeatureNotSupported)
        ):
            database.execute(f"ALTER TABLE users {change}")


NAMES = ('my "own"', "žluť" * 7, "a" * 63, "100%s", "new", "old", "user", "it's", "b\\c", "Found")


@pytest.mark.parametrize("old", NAMES)
def test_any_names_will_do(database: Database, old: str) -> None:
    quoted = sa.quoted_name(old, True)
    column = '"' + old.replace('"', '""') + '"'
    table, new = f"t {old}"[:30], f"{old}"[:29] + "2"
    as_sql = ['"' + each.replace('"', '""') + '"' for each in (table, new)]
    database.execute(f"CREATE TABLE {as_sql[0]} (id int, {column} text, {as_sql[1]} text)")
    for forward, backward in ((column, as_sql[1]), (f"upper({column})", f"lower({as_sql[1]})")):
        given = {"forward": forward, "backward": backward}
        call(database, "sync_columns", table, quoted, new, **given)
        database.execute(f"INSERT INTO {as_sql[0]} (id, {column}) VALUES (1, 'X')")
        database.execute(f"INSERT INTO {as_sql[0]} (id, {as_sql[1]}) VALUES (1, 'X')")
    found = database.rows(f"SELECT {column}, {as_sql[1]} FROM {as_sql[0]}")
    assert found == [("X", "X"), ("X", "X"), ("X", "X"), ("x", "X")]
    names = database.rows(
        "SELECT tgname FROM pg_trigger UNION ALL SELECT proname FROM pg_proc WHERE proname ~ '^_zan'"
    )
    assert len(names) == 3
    assert all(name.startswith("_zanith_sync_") for (name,) in names)
    call(database, "unsync_columns", table, quoted, new)
    assert "_zanith" not in database.dump()


REFUSED: Sequence[tuple[str, dict[str, str], str]] = (
    ("CREATE VIEW users AS SELECT 1 AS full_name, 2 AS name", {}, "not a table"),
    (
        "CREATE TABLE users (full_name text, name text GENERATED ALWAYS AS ('x') STORED)",
        {},
        "is generated",
    ),
    (
        "CREATE TABLE users (full_name int, name int GENERATED BY DEFAULT AS IDENTITY)",
        {},
        "identity column",
    ),
    (
        "CREATE TABLE users (full_name text, name text DEFAULT random()::text)",
        {},
        r"another value each time \(\(random",
    ),
    ("CREATE TABLE users (full_name text, name serial)", {}, "another value each time"),
    (
        "CREATE TABLE users (full_name text, name text DEFAULT 'x')",
        {},
        "is not what forward makes of that of full_name, none",
    ),
    (
        "CREATE TABLE users (full_name text DEFAULT random()::text, name text DEFAULT 'x')",
        {},
        "is not what forward makes",
    ),
    (
        "CREATE TABLE users (full_name text DEFAULT 'x', name text DEFAULT 'x')",
        {"forward": "upper(full_name)"},
        "cannot be told from what an INSERT gives",
    ),
    (
        "CREATE TABLE users (full_name text, name int)",
        {},
        "forward='full_name' does not work for name: column \"name\" is of type integer but expression is of type text",
    ),
    (
        "CREATE TABLE users (full_name text, name text)",
        {"forward": "nothing(full_name)"},
        r"function nothing\(text\) does not exist",
    ),
    (
        "CREATE TABLE users (full_name text, name text, n text)",
        {"forward": "n"},
        "Only full_name can be in it",
    ),
    (
        "CREATE TABLE users (full_name text, name text)",
        {"backward": "name ||"},
        "backward='name ||' does not work for full_name: syntax error",
    ),
    (
        "CREATE TABLE users (full_name text, name text)",
        {"backward": "name) --"},
        "backward='name\\) --' does not work",
    ),
    (
        "CREATE TABLE users (full_name text, name text); CREATE TABLE more () INHERITS (users)",
        {},
        "Other tables inherit",
    ),
    (
        "CREATE TABLE up (full_name text, name text); CREATE TABLE users () INHERITS (up)",
        {},
        "Name that table",
    ),
)


@pytest.mark.parametrize(("setup", "options", "reason"), REFUSED, ids=[each[2] for each in REFUSED])
def test_what_could_not_be_kept_the_same_is_refused_with_the_reason(
    database: Database, setup: str, options: dict[str, str], reason: str
) -> None:
    database.execute(setup)
    before = database.fingerprint()
    with pytest.raises(NotSyncableError, match=reason):
        sync(database, **options)
    assert database.fingerprint() == before


def test_a_column_is_in_one_pair_only(database: Database) -> None:
    users(database)
    sync(database)
    database.execute("ALTER TABLE users ADD third text")
    with pytest.raises(
        NotSyncableError, match=r"name of public\.users is kept the same as another"
    ):
        call(database, "sync_columns", "users", "name", "third", forward="name", backward="third")


TRIGGER = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} RETURN NEW; END$$;
CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION {name}();
"""


@pytest.mark.parametrize(
    "body",
    [
        "NEW.full_name := trim(NEW.full_name);",
        'new . "name" = 1;',
        "SELECT 'x' INTO NEW.full_name;",
    ],
)
def test_a_trigger_that_writes_a_column_later_is_refused_with_the_way_on(
    database: Database, body: str
) -> None:
    users(database)
    database.execute(TRIGGER.format(name="trimmed", body=body))
    with pytest.raises(
        NotSyncableError, match=r"Trigger trimmed of public\.users writes"
    ) as refused:
        sync(database)
    statement = str(refused.value).split("for example: ")[1].rstrip(".")
    database.execute(statement)
    sync(database)


def test_a_trigger_that_comes_before_has_what_it_writes_carried_over(database: Database) -> None:
    users(database)
    database.execute(TRIGGER.format(name='"A_trim"', body="NEW.full_name := trim(NEW.full_name);"))
    sync(database)
    database.execute("INSERT INTO users (id, full_name) VALUES (1, ' Ann ')")
    assert pairs(database) == [("Ann", "Ann")]


def test_a_trigger_that_only_reads_a_column_is_let_be_and_sees_both(database: Database) -> None:
    users(database)
    body = "IF NEW.full_name = 'x' THEN NEW.n := 1; END IF; NEW.n := length(NEW.full_name);"
    database.execute(TRIGGER.format(name="counted", body=body))
    sync(database)
    database.execute("INSERT INTO users (id, name) VALUES (1, 'Ann')")
    assert database.scalar("SELECT n FROM users") == 3


def test_a_name_that_is_not_there_is_an_error_with_those_that_are_close(database: Database) -> None:
    users(database)
    given = {"forward": "full_nam", "backward": "name"}
    with pytest.raises(UnknownObjectError, match="Did you mean 'full_name'"):
        call(database, "sync_columns", "users", "full_nam", "name", **given)
    with pytest.raises(UnknownObjectError, match="Did you mean 'users'"):
        call(database, "sync_columns", "user", "full_name", "name", **PLAIN)
    with pytest.raises(UnknownObjectError, match="are not kept the same"):
        unsync(database)


@pytest.mark.parametrize("path", PATHS.values(), ids=list(PATHS))
@pytest.mark.parametrize(
    "options", [{}, {"forward": "initial(full_name)"}], ids=["plain", "expression"]
)
def test_nothing_on_the_search_path_gets_in_between(
    database: Database, path: str, options: dict[str, str]
) -> None:
    users(database, " DEFAULT 'x'", "" if options else " DEFAULT 'x'")
    database.execute(
        "CREATE FUNCTION initial(varchar) RETURNS text LANGUAGE sql AS 'SELECT pg_catalog.left($1, 1)'"
    )
    database.execute("ALTER FUNCTION initial(varchar) SET search_path = pg_catalog")
    database.execute(HOSTILE)
    with database.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL search_path = {path}")
        call_on(connection, "sync_columns", "users", "full_name", "name", **{**PLAIN, **options})
        assert connection.exec_driver_sql("SHOW search_path").scalar() == path
    with database.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL search_path = {path}")
        connection.exec_driver_sql("INSERT INTO users (id, full_name) VALUES (1, 'Ann')")
        connection.exec_driver_sql("INSERT INTO users (id, name) VALUES (2, 'Bea')")
        connection.exec_driver_sql("UPDATE users SET n = 1")
    # The namesake of a function refuses to work; one that is on a session's path only is not called.
    assert pairs(database) == [("Ann", "A" if options else "Ann"), ("Bea", "Bea")]
    with database.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL search_path = {path}")
        call_on(connection, "unsync_columns", "users", "full_name", "name")
        assert connection.exec_driver_sql("SHOW search_path").scalar() == path


def test_an_expression_means_what_it_meant_to_the_migration(database: Database) -> None:
    database.execute(
        "CREATE SCHEMA app; CREATE SCHEMA other;"
        "CREATE FUNCTION app.f(text) RETURNS text LANGUAGE sql AS 'SELECT ''app '' || $1';"
        "CREATE FUNCTION other.f(text) RETURNS text LANGUAGE sql AS 'SELECT ''other '' || $1'"
    )
    users(database)
    with database.begin() as connection:
        connection.exec_driver_sql("SET LOCAL search_path = app, public")
        given = {"forward": "f(full_name)", "backward": "name"}
        call_on(connection, "sync_columns", "users", "full_name", "name", **given)
    database.execute(
        "SET search_path = other, public; INSERT INTO users (id, full_name) VALUES (1, 'x')"
    )
    assert pairs(database) == [("x", "app x")]


SYNC = 'op.sync_columns("users", "full_name", "name", forward="full_name", backward="name")'
UNSYNC = 'op.unsync_columns("users", "full_name", "name")'


def test_sql_mode_writes_all_of_it(project: Project) -> None:
    users(project.database)
    project.revision(SYNC, UNSYNC, rev_id="one")
    project.database.psql(project.alembic("upgrade", "head", "--sql").succeeded().stdout)
    project.database.execute("INSERT INTO users (id, name) VALUES (1, 'Ann')")
    assert pairs(project.database) == [("Ann", "Ann")]
    project.database.psql(project.alembic("downgrade", "one:base", "--sql").succeeded().stdout)
    assert "_zanith_sync" not in project.database.dump()


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "asyncpg"])
def test_a_revision_has_it_with_every_driver(make_project: MakeProject, driver: str) -> None:
    project = make_project("async" if driver == "asyncpg" else "generic", driver)
    users(project.database)
    project.revision(SYNC, UNSYNC)
    project.upgrade()
    project.database.execute("INSERT INTO users (id, name) VALUES (1, 'Ann')")
    project.downgrade()
    assert pairs(project.database) == [("Ann", "Ann")]
    assert "_zanith_sync" not in project.database.dump()


def test_a_revision_that_is_refused_says_so_in_alembics_way(project: Project) -> None:
    project.database.execute("CREATE TABLE users (full_name text, name int)")
    project.revision(SYNC, UNSYNC)
    output = project.alembic("upgrade", "head").failed().output
    assert "FAILED: sync_columns('users', 'full_name', 'name') changed nothing" in output


def test_autocommit_makes_no_difference(project: Project) -> None:
    users(project.database)
    project.revision(f"with op.get_context().autocommit_block():\n    {SYNC}", UNSYNC)
    project.upgrade()
    project.database.execute("INSERT INTO users (id, name) VALUES (1, 'Ann')")
    project.downgrade()
    assert pairs(project.database) == [("Ann", "Ann")]
