"""op.backfill: every row gets its value once, all at once or in batches, and what is wrong is said."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops

import alembic_zanith  # noqa: F401 -- puts op.backfill there
from alembic_zanith.errors import (
    BatchFailedError,
    ConfigurationError,
    UnknownObjectError,
    UnsupportedDatabaseError,
    UnusableKeyError,
    ZanithError,
)
from alembic_zanith.operations import BackfillOp
from tests.conftest import MakeProject
from tests.support.backfills import FORMS, KEYS, make_table, revision, writers, wrong_rows
from tests.support.database import Database
from tests.support.project import Project
from tests.support.swapping import code

USERS = """
CREATE TABLE users (id bigint PRIMARY KEY, name text, email text, age integer);
INSERT INTO users (id, name) SELECT n, 'User ' || n FROM generate_series(1, 1000) AS n;
"""
MODELS = """
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    name: Mapped[str | None] = mapped_column(sa.Text)
    email: Mapped[str | None] = mapped_column(sa.Text)
    age: Mapped[int | None]
"""
IN_BATCHES = "with op.get_context().autocommit_block():\n    "


@contextmanager
def op_on(database: Database, driver: str = "psycopg", *, batches: bool = True) -> Iterator[Any]:
    """Operations where each statement is committed by itself, or in one transaction."""
    if not batches:
        with database.begin(driver) as connection:
            yield Operations(MigrationContext.configure(connection))
        return
    with database.engine(driver, isolation_level="AUTOCOMMIT").connect() as connection:
        yield Operations(MigrationContext.configure(connection))


@pytest.fixture
def users(database: Database) -> Database:
    """A database with a thousand users."""
    database.execute(USERS)
    return database


@pytest.fixture
def shop(project: Project) -> Project:
    """A project on a database with a thousand users."""
    project.database.execute(USERS)
    return project


def checkpoints(database: Database) -> list[tuple[Any, ...]]:
    query = "SELECT status, rows_done FROM _zanith_migration_checkpoints ORDER BY created_at, id"
    return database.rows(query)


def columns_of(database: Database, table: str) -> list[str]:
    found = database.rows(
        f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass"
        " AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return [name for (name,) in found]


# -- as text -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (BackfillOp("users", set={"email": "lower(name)"}, where="email IS NULL"),
         "op.backfill('users', set={'email': 'lower(name)'}, where='email IS NULL')"),
        (BackfillOp("users", set={"a": "b || 'x'", "c": "1"}, schema="s", batch_size=500,
                    pause=0.5, key="id"),
         """op.backfill('users', set={'a': "b || 'x'", 'c': '1'}, schema='s', batch_size=500, """
         "pause=0.5, key='id')"),
        (BackfillOp("users", set={"a": "1"}, key=["id", "part"]),
         "op.backfill('users', set={'a': '1'}, key=('id', 'part'))"),
    ],
)  # fmt: skip
def test_it_is_rendered_as_it_is_called(operation: BackfillOp, text: str) -> None:
    context = MigrationContext.configure(dialect_name="postgresql")
    rendered = render_python_code(ops.UpgradeOps([operation]), migration_context=context)
    assert code(f"    {rendered}") == code(text)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"set": {}}, "set= is not a dict of columns"),
        ({"set": "a = 1"}, "set= is not a dict of columns"),
        ({"set": {"a": 1}}, "set= is not a dict of columns"),
        ({"set": {"a": " "}}, "set= is not a dict of columns"),
        ({"set": {"a": "1"}, "where": ""}, "where= is not an SQL condition"),
        ({"set": {"a": "1"}, "batch_size": 0}, "batch_size=0 is not a number of rows"),
        ({"set": {"a": "1"}, "batch_size": True}, "batch_size=True is not a number of rows"),
        ({"set": {"a": "1"}, "pause": -1}, "pause=-1 is not a number of seconds"),
        ({"set": {"a": "1"}, "key": []}, r"key=\[\] is not the name of a column"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused_before_anything_runs(
    arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        BackfillOp("users", **arguments)


@pytest.mark.parametrize("text", ["id<5) OR (id>8", "true; DELETE FROM users", "true;", "1 FROM t",
                                  "true) RETURNING (id", "a, b) IS NULL OR (a", "/*", "$$", "a AS b",
                                  "true -- )\n) OR (true"])  # fmt: skip
def test_what_is_not_one_expression_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"where= is not one whole SQL expression"):
        BackfillOp("users", set={"age": "1"}, where=text)
    with pytest.raises(ConfigurationError, match=r"set= for 'age' is not one whole SQL expr"):
        BackfillOp("users", set={"age": text})


@pytest.mark.parametrize("text", ["a OR b -- )", "SELECT max(id) FROM t", "id % 2 = 0 AND c = ':x'",
                                  "DEFAULT", "VALUES (1)", "name LIKE '%s)' OR x @> '{}'"])  # fmt: skip
def test_what_is_one_expression_is_taken(text: str) -> None:
    BackfillOp("users", set={"age": text}, where=text)


def test_sql_mode_refuses_half_an_expression(shop: Project) -> None:
    shop.revision("op.backfill('users', set={'age': '1'}, where='id < 5) OR (id > 8')")
    written = shop.alembic("upgrade", "head", "--sql")
    assert "where= is not one whole SQL expression" in written.output
    assert "UPDATE" not in written.stdout


def test_sql_mode_writes_the_one_update(shop: Project) -> None:
    shop.revision(
        f"{IN_BATCHES}op.backfill('users', set={{'email': \"name || ':a%'\"}},"
        " where=\"name LIKE 'User 1%' OR name = ':x'\", schema='public')\n"
        "op.backfill('users', set={'age': '1 -- one', 'Name': 'name'})"
    )
    written = shop.alembic("upgrade", "head", "--sql").succeeded().stdout
    assert (
        'COMMIT;\n\nUPDATE "public"."users" SET "email" = (name || \':a%\')'
        " WHERE (name LIKE 'User 1%' OR name = ':x');\n\nBEGIN;" in written
    )
    assert 'UPDATE "users" SET "age" = (1 -- one\n), "Name" = (name);' in written


def test_the_sql_of_sql_mode_does_the_same(shop: Project) -> None:
    shop.revision("op.backfill('users', set={'email': \"name || '%:'\", 'age': 'id -- all'})")
    shop.database.psql(shop.alembic("upgrade", "head", "--sql").succeeded().stdout)
    wrong = "SELECT count(*) FROM users WHERE (email = name || '%:' AND age = id) IS NOT TRUE"
    assert shop.database.scalar(wrong) == 0


def test_another_database_is_refused() -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        op: Any = Operations(MigrationContext.configure(connection))
        with pytest.raises(UnsupportedDatabaseError, match=r"op\.execute with an UPDATE"):
            op.backfill("users", set={"a": "1"})


# -- in batches --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "driver"), [("generic", "psycopg"), ("generic", "psycopg2"), ("async", None)]
)
@pytest.mark.parametrize("form", FORMS)
def test_an_upgrade_fills_in_batches_with_each_driver(
    make_project: MakeProject, template: str, driver: str | None, form: str
) -> None:
    project = make_project(template, driver)
    make_table(project.database, "text", 700)
    revision(project, form, batch_size=100)
    said = project.upgrade().output
    assert "700 rows in batches" in said
    assert wrong_rows(project.database, form) == []
    assert project.database.scalar("SELECT sum(touched) FROM t") == 700
    assert checkpoints(project.database) == [("applied", 700)]
    assert not [name for name in columns_of(project.database, "t") if "zanith" in name]


@pytest.mark.majors
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_key_is_walked_to_the_end(database: Database, key: str, form: str) -> None:
    make_table(database, key, 250)
    with op_on(database) as op:
        arguments = eval(f"dict({FORMS[form]})")
        assert op.backfill("t", **arguments, batch_size=60) == 250
    assert wrong_rows(database, form) == []
    assert database.scalar("SELECT sum(touched) FROM t") == 250


OTHER_KEYS = {
    "char": "k char(6)",
    "varchar": "k varchar(9)",
    "numeric": "k numeric(12, 3)",
    "float": "k double precision",
    "date": "k date",
    "interval": "k interval",
    "bytea": "k bytea",
    "enum": "k mood",
    "domain": "k positive",
    "array": "k integer[]",
    "citext": "k citext",
    "range": "k tstzrange",
}
_VALUES = {
    "float": "n / 3.0::float8",
    "numeric": "n / 7.0",
    "date": "date '0001-01-01' - 9 + n",
    "interval": "(n - 20) * interval '1 day' - (n % 3) * interval '1 mon 02:00:01'",
    "bytea": "decode(lpad(to_hex(n), 4, '0'), 'hex')",
    "enum": "('m' || n)::mood",
    "array": "ARRAY[n / 2, n]",
    "citext": "(CASE WHEN n % 2 = 0 THEN 'Ž' ELSE 'ž' END || n * 7)::citext",
    "range": "tstzrange(timestamptz '2024-03-31 00:30+01' + n * interval '7 min', NULL)",
    "domain": "n",
}


@pytest.mark.majors
@pytest.mark.parametrize("kind", OTHER_KEYS)
def test_keys_of_other_types_are_walked_whatever_the_session_prints_like(
    database: Database, kind: str
) -> None:
    labels = ", ".join(f"'m{n}'" for n in range(1, 41))
    value = _VALUES.get(kind, "lpad(n::text, 4, '\\')")
    database.execute(
        f"CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ({labels});"
        "CREATE DOMAIN small AS integer; CREATE DOMAIN positive AS small CHECK (VALUE > 0);"
        f"CREATE TABLE t ({OTHER_KEYS[kind]} PRIMARY KEY, n integer NOT NULL);"
        f"INSERT INTO t SELECT {value}, n FROM generate_series(1, 40) AS n;"
        f"ALTER DATABASE {database.name} SET DateStyle = 'German, DMY';"
        f"ALTER DATABASE {database.name} SET IntervalStyle = 'sql_standard';"
        f"ALTER DATABASE {database.name} SET extra_float_digits = -10;"
        f"ALTER DATABASE {database.name} SET bytea_output = 'escape';"
        f"ALTER DATABASE {database.name} SET TimeZone = 'Europe/Prague'"
    )
    with op_on(database) as op:
        assert op.backfill("t", set={"n": "n + 100"}, batch_size=7) == 40
    assert database.rows("SELECT min(n), max(n), count(DISTINCT n) FROM t") == [(101, 140, 40)]
    place = database.scalar("SELECT cursor->>'read' FROM _zanith_migration_checkpoints")
    assert place == "40"


def test_a_key_is_walked_in_the_order_of_its_index(database: Database) -> None:
    database.execute(
        "CREATE TABLE t (a text NOT NULL, b integer NOT NULL, n integer DEFAULT 0);"
        'CREATE UNIQUE INDEX ON t (a COLLATE "C" DESC, b DESC);'
        "INSERT INTO t SELECT chr(64 + n % 60), n FROM generate_series(1, 300) AS n"
    )
    with op_on(database) as op:
        assert op.backfill("t", set={"n": "n + 1"}, batch_size=13, key=("b", "a")) == 300
    assert database.rows("SELECT DISTINCT n FROM t") == [(1,)]


def test_names_and_expressions_go_through_as_they_are(database: Database) -> None:
    database.execute(
        'CREATE TABLE "My ""%s"" :t" ("the :key%" text PRIMARY KEY, "v%(x)s" text, found text);'
        """INSERT INTO "My ""%s"" :t" VALUES ('a:b', 'x'), ('%s', NULL), ('''\\', 'y')"""
    )
    for batches in (True, False):
        with op_on(database, "psycopg2", batches=batches) as op:
            done = op.backfill(
                'My "%s" :t',
                set={"v%(x)s": """coalesce("v%(x)s", '') || ':n%' -- :c""", "found": "'%s'"},
                where="""'%' = '%' OR "the :key%" = ':x' -- ?""",
                batch_size=1,
            )
            assert done == 3
    found = database.rows('SELECT "v%(x)s", found FROM "My ""%s"" :t" ORDER BY 1'.replace("%", "%"))
    assert found == [(":n%:n%", "%s"), ("x:n%:n%", "%s"), ("y:n%:n%", "%s")]


def test_an_expression_may_name_its_table_and_read_others(users: Database) -> None:
    users.execute("CREATE TABLE _zanith_work (n integer); INSERT INTO _zanith_work VALUES (7)")
    with op_on(users) as op:
        op.backfill("users", set={"age": "(SELECT n FROM _zanith_work) + users.id"})
    assert users.scalar("SELECT count(*) FROM users WHERE age = id + 7") == 1000


def test_rows_for_which_there_is_no_value_are_left_alone(users: Database) -> None:
    with op_on(users) as op:
        done = op.backfill(
            "users",
            set={"email": "CASE WHEN id % 2 = 0 THEN lower(name) END"},
            where="users.email IS NULL AND id <= 500",
            batch_size=100,
        )
    assert done == 250
    assert users.scalar("SELECT count(email) FROM users") == 250


def test_a_partitioned_table_is_walked_and_a_partition_too(database: Database) -> None:
    database.execute(
        "CREATE TABLE t (id integer, part integer, n integer DEFAULT 0, v integer,"
        " PRIMARY KEY (id, part)) PARTITION BY LIST (part);"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);"
        "CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2);"
        "INSERT INTO t (id, part) SELECT n, 1 + n % 2 FROM generate_series(1, 200) AS n"
    )
    with op_on(database) as op:
        assert op.backfill("t", set={"n": "n + 1"}, batch_size=30) == 200
        assert op.backfill("t1", set={"v": "1"}, where="v IS NULL", batch_size=30) == 100
    assert database.rows("SELECT DISTINCT n FROM t") == [(1,)]
    assert database.scalar("SELECT count(v) FROM t") == 100


ONE_STATEMENT = {
    "no key": (
        "CREATE TABLE t (n integer DEFAULT 0)",
        "it has no primary key, and no unique index over NOT NULL columns",
    ),
    "nullable key": (
        "CREATE TABLE t (k integer UNIQUE, n integer DEFAULT 0)",
        "it has no primary key, and no unique index over NOT NULL columns",
    ),
    "key is set": (
        "CREATE TABLE t (n integer DEFAULT 0 PRIMARY KEY)",
        "what is set is part of its key (n)",
    ),
    "inherited": (
        "CREATE TABLE t (id serial PRIMARY KEY, n integer DEFAULT 0);"
        "CREATE TABLE child () INHERITS (t); INSERT INTO child DEFAULT VALUES; DELETE FROM child",
        "other tables inherit from it",
    ),
    "published": (
        "CREATE TABLE t (id serial PRIMARY KEY, n integer DEFAULT 0);"
        "CREATE PUBLICATION all_of_it FOR TABLE t",
        "it is in publication all_of_it",
    ),
    "typed": (
        "CREATE TYPE shape AS (id integer, n integer);"
        "CREATE TABLE t OF shape (PRIMARY KEY (id), id WITH OPTIONS DEFAULT 1,"
        " n WITH OPTIONS DEFAULT 0)",
        "it is a typed table",
    ),
}


@pytest.mark.parametrize("kind", ONE_STATEMENT)
def test_where_it_cannot_be_walked_it_is_one_statement_and_says_why(
    database: Database, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    setup, reason = ONE_STATEMENT[kind]
    database.execute(f"{setup}; INSERT INTO t DEFAULT VALUES")
    with op_on(database) as op, caplog.at_level("INFO", "alembic.zanith"):
        assert op.backfill("t", set={"n": "n + 1"}) == 1
    (line,) = [record.getMessage() for record in caplog.records if record.name == "alembic.zanith"]
    assert line.startswith("backfill('t', set={'n': 'n + 1'}): 1 rows in one statement, because ")
    assert reason in line
    assert database.rows("SELECT n FROM t") == [(1,)]
    assert columns_of(database, "t")[-1] == "n"


@pytest.mark.parametrize("template", ["generic", "async"])
def test_in_a_transaction_it_is_one_statement_and_says_how_to_have_batches(
    make_project: MakeProject, template: str
) -> None:
    shop = make_project(template)
    shop.database.execute(USERS)
    shop.revision("op.backfill('users', set={'email': 'lower(name)'})")
    said = shop.upgrade().output
    assert "1,000 rows in one statement, because it runs in a transaction." in said
    assert "with op.get_context().autocommit_block():" in said
    assert shop.database.scalar("SELECT count(email) FROM users") == 1000


def test_an_engine_in_autocommit_has_batches_too(shop: Project) -> None:
    shop.settings(mode="dev")
    shop.edit_env(r"poolclass=pool.NullPool,", r"\g<0> isolation_level='AUTOCOMMIT',")
    shop.revision("op.backfill('users', set={'email': 'lower(name)'}, batch_size=100)")
    assert "1,000 rows in batches" in shop.upgrade().output
    assert checkpoints(shop.database) == [("applied", 1000)]


# -- what is wrong -----------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], type[ZanithError], str]] = {
    "table": (
        {"table_name": "userz", "set": {"age": "1"}},
        UnknownObjectError,
        "There is no table 'userz' on the search path. Did you mean 'users'",
    ),
    "column": (
        {"set": {"emial": "1"}},
        UnknownObjectError,
        "Table public.users has no column 'emial'. Did you mean 'email'",
    ),
    "key column": ({"set": {"age": "1"}, "key": "ident"}, UnknownObjectError, "no column 'ident'"),
    "key that may be NULL": (
        {"set": {"age": "1"}, "key": "nick"},
        UnusableKeyError,
        r"cannot be walked by \(nick\): a column of it may be NULL.*Usable: \(id\)",
    ),
    "no unique key": (
        {"set": {"age": "1"}, "key": ("id", "name")},
        UnusableKeyError,
        "no unique index without condition or expression has just these columns",
    ),
    "key that is set": ({"set": {"id": "1"}, "key": "id"}, UnusableKeyError, "it is set itself"),
    "type": (
        {"set": {"age": "name"}},
        ZanithError,
        'changed nothing: column "age" is of type integer but expression is of type text',
    ),
    "name in the expression": (
        {"set": {"age": "nobody"}},
        ZanithError,
        'changed nothing: column "nobody" does not exist',
    ),
    "syntax": (
        {"set": {"age": "1 +"}},
        ConfigurationError,
        r"set= for 'age' is not one whole SQL expression, '1 \+': syntax error at end of input",
    ),
    "brackets": (
        {"set": {"age": "age + 1"}, "where": "id < 5) OR (id > 8"},
        ConfigurationError,
        r"where= is not one whole SQL expression, 'id < 5\) OR \(id > 8': syntax error",
    ),
    "condition": (
        {"set": {"age": "1"}, "where": "name"},
        ZanithError,
        "changed nothing: argument of (WHERE|AND) must be type boolean",
    ),
    "generated": ({"set": {"twice": "1"}}, ConfigurationError, "is generated"),
    "identity": ({"set": {"number": "1"}}, ConfigurationError, "GENERATED ALWAYS AS IDENTITY"),
}


@pytest.mark.parametrize("batches", [True, False], ids=["batches", "transaction"])
@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_before_anything_is_done(
    users: Database, what: str, batches: bool
) -> None:
    users.execute(
        "ALTER TABLE users ADD nick text UNIQUE, ADD number int GENERATED ALWAYS AS IDENTITY,"
        " ADD twice bigint GENERATED ALWAYS AS (id * 2) STORED"
    )
    before = users.dump()
    arguments, error, message = WRONG[what]
    with op_on(users, batches=batches) as op, pytest.raises(error, match=message):
        op.backfill(**{"table_name": "users", **arguments})
    assert users.dump() == before
    made = users.scalar("SELECT to_regclass('_zanith_migration_checkpoints')")
    assert made is None or checkpoints(users) == []


@pytest.mark.parametrize("form", ["marker", "cleared"])
def test_a_row_that_fails_is_named_and_what_was_done_before_it_stays(
    users: Database, form: str
) -> None:
    users.execute("UPDATE users SET name = 'User zero' WHERE id = 777")
    arguments: dict[str, Any] = {"set": {"age": "CAST(split_part(name, ' ', 2) AS integer)"}}
    if form == "cleared":
        arguments["where"] = "age IS NULL"
    with op_on(users) as op, pytest.raises(BatchFailedError) as failure:
        op.backfill("users", **arguments, batch_size=100)
    assert failure.value.row == "id = 777"
    said = str(failure.value)
    assert 'invalid input syntax for type integer: "zero", at the row id = 777' in said
    assert "700 rows are done and stay so" in said
    assert "(behind id = 700)" in said
    assert users.rows("SELECT count(age), max(id) FILTER (WHERE age = id) FROM users") == [
        (700, 700)
    ]
    assert checkpoints(users) == [("running", 700)]
    users.execute("UPDATE users SET name = 'User 777' WHERE id = 777")
    with op_on(users) as op:
        assert op.backfill("users", **arguments, batch_size=50) == 1000
    assert users.scalar("SELECT count(*) FROM users WHERE age = id") == 1000
    assert columns_of(users, "users") == ["id", "name", "email", "age"]


def test_a_constraint_that_a_row_breaks_names_the_row(users: Database) -> None:
    users.execute("ALTER TABLE users ADD CHECK (age < 950)")
    with op_on(users) as op, pytest.raises(BatchFailedError) as failure:
        op.backfill("users", set={"age": "id"}, batch_size=64)
    assert failure.value.row == "id = 950"
    assert users.scalar("SELECT max(age) FROM users") == 14 * 64


def test_in_one_statement_all_is_undone_and_the_row_is_named(shop: Project) -> None:
    shop.database.execute("UPDATE users SET name = 'User zero' WHERE id = 777")
    before = shop.database.dump()
    shop.revision("op.backfill('users', set={'age': \"split_part(name, ' ', 2)::integer\"})")
    said = shop.alembic("upgrade", "head").failed().output
    assert "changed nothing: invalid input syntax for type integer" in said
    assert "at the row id = 777 of public.users" in said
    assert shop.database.dump() == before


KEEPS_FIVES = """
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN IF OLD.id % 5 = 0 THEN RETURN NULL; END IF; RETURN NEW; END';
CREATE TRIGGER keeps BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION keep();
"""


@pytest.mark.parametrize("batch_size", [30, 500], ids=["more than a batch", "less"])
@pytest.mark.parametrize("where", [None, "age IS NULL"], ids=["marker", "cleared"])
def test_rows_that_a_trigger_keeps_are_told_and_done_when_it_lets_them_through(
    users: Database, where: str | None, batch_size: int
) -> None:
    users.execute(KEEPS_FIVES)
    arguments: dict[str, Any] = {"set": {"age": "id * 2"}, "where": where, "batch_size": batch_size}
    with op_on(users) as op, pytest.raises(BatchFailedError) as error:
        op.backfill("users", **arguments)
    assert "200 rows of public.users stay as they are, such as the row id = 5." in str(error.value)
    assert "What can keep them so: trigger keeps." in str(error.value)
    assert "800 rows are done and stay so" in str(error.value)
    assert checkpoints(users) == [("running", 800)]
    users.execute("ALTER TABLE users DISABLE TRIGGER keeps")
    with op_on(users) as op:
        assert op.backfill("users", **arguments) == 1000
    assert users.scalar("SELECT count(*) FROM users WHERE age = id * 2") == 1000
    assert columns_of(users, "users") == ["id", "name", "email", "age"]


def test_rows_that_others_go_on_to_insert_are_no_reason_to_fail(users: Database) -> None:
    stop = threading.Event()

    def insert() -> None:
        engine = users.engine("psycopg", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for number in range(1, 100_000):
                if stop.is_set():
                    return
                connection.exec_driver_sql(f"INSERT INTO users (id) VALUES ({-number})")

    writer = threading.Thread(target=insert)
    writer.start()
    try:
        with op_on(users) as op:
            op.backfill("users", set={"age": "1"}, where="age IS NULL", batch_size=100)
    finally:
        stop.set()
        writer.join()
    assert checkpoints(users)[0][0] == "applied"
    assert users.scalar("SELECT count(*) FROM users WHERE age IS NULL AND id > 0") == 0


def test_the_way_to_begin_anew_that_a_failure_names_works(shop: Project) -> None:
    shop.database.execute("UPDATE users SET name = 'User zero' WHERE id = 777")
    broken = "op.backfill('users', set={'age': \"split_part(name, ' ', 2)::int\"}, batch_size=100)"
    shop.revision(f"{IN_BATCHES}{broken}")
    shop.alembic("upgrade", "head").failed()
    (script,) = shop.versions.glob("*.py")
    mended = (
        script.read_text()
        .replace("::int", "::int % 3")
        .replace("batch_size", ("where=\"age IS NULL AND name <> 'User zero'\", batch_size"))
    )
    script.write_text(mended)
    said = shop.alembic("upgrade", "head").failed().output
    assert "has begun another backfill of public.users, which has done 700 rows" in said
    statements = {line: None for line in said.splitlines() if line.startswith("  ")}
    assert len(statements) == 2
    shop.database.execute("\n".join(statements))
    shop.upgrade()
    assert shop.database.scalar("SELECT count(*) FROM users WHERE age = id") == 700
    assert shop.database.scalar("SELECT count(age) FROM users") == 999
    assert columns_of(shop.database, "users") == ["id", "name", "email", "age"]


# -- which run ---------------------------------------------------------------------------


def test_what_is_done_is_not_done_again_when_a_later_operation_fails(shop: Project) -> None:
    shop.database.execute("UPDATE users SET age = 0")
    shop.revision(
        f"{IN_BATCHES}op.backfill('users', set={{'age': 'age + 1'}})\n"
        "op.execute('SELECT 1 / count(*) FROM users WHERE id > 5000')"
    )
    for _ in range(2):
        assert shop.alembic("upgrade", "head").exit_code != 0
        assert checkpoints(shop.database) == [("done", 1000)]
    shop.database.execute("INSERT INTO users (id, age) VALUES (5001, 1)")
    assert "was done by an earlier run" in shop.upgrade().output
    assert shop.database.rows("SELECT DISTINCT age FROM users") == [(1,)]
    assert checkpoints(shop.database) == [("applied", 1000)]


@pytest.mark.parametrize(
    ("mode", "audit"),
    [
        ("staging", "true"),
        pytest.param("staging", "false", marks=pytest.mark.slow),
        pytest.param("dev", "true", marks=pytest.mark.slow),
        ("dev", "false"),
    ],
)
def test_each_way_up_and_down_is_run_anew(shop: Project, mode: str, audit: str) -> None:
    shop.settings(mode=mode, audit=audit)
    shop.database.execute("UPDATE users SET age = 0")
    shop.revision(
        f"{IN_BATCHES}op.backfill('users', set={{'age': 'age + 10'}})",
        f"{IN_BATCHES}op.backfill('users', set={{'age': 'age - 1'}})",
    )
    for expected in (10, 9, 19, 18):
        shop.upgrade() if expected % 10 == 0 or expected == 19 else shop.downgrade()
        assert shop.database.rows("SELECT DISTINCT age FROM users") == [(expected,)]
    assert checkpoints(shop.database) == [("applied", 1000)] * 2


def test_equal_backfills_of_one_script_are_all_run(shop: Project) -> None:
    shop.database.execute("UPDATE users SET age = 0")
    call = "op.backfill('users', set={'age': 'age + 1'})"
    shop.revision(f"{IN_BATCHES}{call}\n    {call}\n    {call}")
    shop.upgrade()
    assert shop.database.rows("SELECT DISTINCT age FROM users") == [(3,)]
    assert checkpoints(shop.database) == [("applied", 1000)] * 3


def test_a_script_may_be_edited_as_long_as_no_row_is_done(shop: Project) -> None:
    shop.database.execute("UPDATE users SET name = 'User zero' WHERE id = 7")
    shop.revision(f"{IN_BATCHES}op.backfill('users', set={{'age': '1 / (id - 7)'}})")
    assert "0 rows are done" in shop.alembic("upgrade", "head").failed().output
    (script,) = shop.versions.glob("*.py")
    script.write_text(script.read_text().replace("1 / (id - 7)", "1"))
    shop.upgrade()
    assert checkpoints(shop.database) == [("applied", 1000)]
    assert columns_of(shop.database, "users") == ["id", "name", "email", "age"]


def test_a_marker_that_is_gone_is_told(users: Database) -> None:
    users.execute("UPDATE users SET name = 'User zero' WHERE id = 777")
    arguments = {"set": {"age": "CAST(split_part(name, ' ', 2) AS integer)"}, "batch_size": 100}
    with op_on(users) as op, pytest.raises(BatchFailedError):
        op.backfill("users", **arguments)
    (marker,) = {*columns_of(users, "users")} - {"id", "name", "email", "age"}
    users.execute(f"ALTER TABLE users DROP COLUMN {marker}")
    with op_on(users) as op, pytest.raises(ZanithError, match=r"tells the 700 rows.*is gone"):
        op.backfill("users", **arguments)


def test_a_walk_goes_on_by_another_key_where_the_first_one_is_gone(users: Database) -> None:
    users.execute(
        "UPDATE users SET name = 'User zero' WHERE id = 777;"
        "ALTER TABLE users ALTER name SET NOT NULL, ADD UNIQUE (name)"
    )
    arguments = {"set": {"age": "1 + coalesce(age, 0) + 0 / (id - 777)"}, "batch_size": 100}
    with op_on(users) as op, pytest.raises(BatchFailedError):
        op.backfill("users", **arguments)
    users.execute("ALTER TABLE users DROP CONSTRAINT users_pkey; DELETE FROM users WHERE id = 777")
    with op_on(users) as op:
        assert op.backfill("users", **arguments) == 999
    assert users.rows("SELECT DISTINCT age FROM users") == [(1,)]


# -- others ------------------------------------------------------------------------------


@pytest.mark.majors
@pytest.mark.parametrize(
    ("key", "form"),
    [("integer", "marker"), pytest.param("composite", "cleared", marks=pytest.mark.slow)],
)
def test_rows_that_others_insert_delete_and_rekey_meanwhile_are_done_once(
    database: Database, key: str, form: str
) -> None:
    make_table(database, key, 2000)
    with writers(database, key, 2000, seed=3), op_on(database) as op:
        op.backfill("t", **eval(f"dict({FORMS[form]})"), batch_size=20)
    assert wrong_rows(database, form) == []


def test_a_row_that_moves_behind_the_walk_while_a_batch_waits_for_it_is_done(
    database: Database,
) -> None:
    make_table(database, "integer", 100)
    moved = threading.Event()

    def move() -> None:
        with database.engine().begin() as connection:
            connection.exec_driver_sql("UPDATE t SET id = -1 WHERE id = 90")
            connection.exec_driver_sql("UPDATE t SET id = 1000 WHERE id = 5")
            moved.set()
            time.sleep(1)

    other = threading.Thread(target=move)
    other.start()
    moved.wait()
    with op_on(database) as op:
        assert op.backfill("t", set={"filled": "filled + 1"}, batch_size=10) == 100
    other.join()
    assert wrong_rows(database, "marker") == []


def test_a_batch_that_gets_no_lock_is_tried_again(
    users: Database, caplog: pytest.LogCaptureFixture
) -> None:
    locked = threading.Event()

    def hold() -> None:
        with users.engine().begin() as connection:
            connection.exec_driver_sql("SELECT FROM users WHERE id = 500 FOR UPDATE")
            locked.set()
            time.sleep(1.5)

    other = threading.Thread(target=hold)
    other.start()
    locked.wait()
    with op_on(users) as op, caplog.at_level("WARNING", "alembic.zanith"):
        op.get_bind().exec_driver_sql("SET lock_timeout = '300ms'")
        assert op.backfill("users", set={"age": "id"}, where="age IS NULL", batch_size=100) == 1000
    other.join()
    assert "A batch of public.users was not done (canceling statement" in caplog.text


def test_the_marker_waits_for_its_lock_without_a_queue_behind_it(
    users: Database, caplog: pytest.LogCaptureFixture
) -> None:
    locked = threading.Event()

    def hold() -> None:
        with users.engine().begin() as connection:
            connection.exec_driver_sql("SELECT FROM users LIMIT 1")
            locked.set()
            time.sleep(3)

    other = threading.Thread(target=hold)
    other.start()
    locked.wait()
    with op_on(users) as op, caplog.at_level("WARNING", "alembic.zanith"):
        assert op.backfill("users", set={"age": "id"}) == 1000
    other.join()
    assert "(canceling statement due to lock timeout), attempt 1 of 20" in caplog.text


def test_a_lock_is_held_for_a_batch_only(users: Database) -> None:
    waited = list[float]()
    stop = threading.Event()

    def write() -> None:
        with users.engine(isolation_level="AUTOCOMMIT").connect() as connection:
            while not stop.is_set():
                start = time.monotonic()
                connection.exec_driver_sql("UPDATE users SET name = name WHERE id = 1")
                waited.append(time.monotonic() - start)

    other = threading.Thread(target=write)
    other.start()
    with op_on(users) as op:
        start = time.monotonic()
        op.backfill("users", set={"age": "id"}, batch_size=50, pause=0.1)
        took = time.monotonic() - start
    stop.set()
    other.join()
    assert took > 2
    assert max(waited) < took / 4


# -- in a project ------------------------------------------------------------------------


def test_history_counts_the_rows_and_keeps_the_sql_of_one_batch(shop: Project) -> None:
    shop.revision(
        f"{IN_BATCHES}op.backfill('users', set={{'age': 'id'}}, where='age IS NULL',"
        " batch_size=10)\nop.backfill('users', set={'email': 'lower(name)'})"
    )
    shop.upgrade()
    first, second = shop.database.rows(
        "SELECT kind, level, row_count, sql FROM _zanith_migration_steps ORDER BY position"
    )
    assert first[:3] == ("backfill", "medium", 1000)
    assert first[3].count("UPDATE") == 2
    assert "SELECT pg_catalog.set_config" not in first[3]
    assert second[:3] == ("backfill", "medium", 1000)
    assert second[3] == 'UPDATE "public"."users" SET "email" = (lower(name))'


def test_nothing_of_it_is_seen_by_autogenerate_or_the_next_run(shop: Project) -> None:
    shop.write_models(MODELS)
    shop.database.execute("UPDATE users SET name = 'User zero' WHERE id = 777")
    empty = shop.revision()
    broken = shop.revision(
        f"{IN_BATCHES}op.backfill('users', set={{'age': \"split_part(name, ' ', 2)::int\"}})"
    )
    shop.upgrade(empty)
    shop.alembic("upgrade", broken).failed()
    assert len(columns_of(shop.database, "users")) == 5
    (script,) = shop.versions.glob(f"{broken}*")
    script.unlink()
    assert "No new upgrade operations" in shop.alembic("check").succeeded().output
    assert "zanith_done" not in shop.alembic("zanith-drift").output


@pytest.mark.parametrize("topology", ["database", pytest.param("schema", marks=pytest.mark.slow)])
def test_production_lets_it_pass_once_it_was_rehearsed(project: Project, topology: str) -> None:
    project.settings(mode="production")
    project.write_models(MODELS)
    project.autogenerate("users")
    project.alembic("upgrade", "head", "--mode", "dev").succeeded()
    project.database.execute(USERS.partition(";")[2])
    project.revision(
        f"{IN_BATCHES}op.backfill('users', set={{'age': 'id'}}, where='age IS NULL')\n"
        f"{IN_BATCHES}op.backfill('users', set={{'age': 'age + 1'}}, batch_size=100)"
    )
    assert "receipt" in project.alembic("upgrade", "head").failed().output
    assert project.database.scalar("SELECT count(age) FROM users") == 0
    arguments = ("--sample", "50", "--topology", topology, "--verbose")
    verified = project.alembic("zanith-verify", *arguments).succeeded().output
    assert verified.count("backfill") >= 2
    project.alembic("upgrade", "head").succeeded()
    assert project.database.scalar("SELECT count(*) FROM users WHERE age = id + 1") == 1000
    assert checkpoints(project.database) == [("applied", 1000)] * 2


@pytest.mark.parametrize("plan", ["record", "static"])
def test_a_plan_tells_it_and_what_it_overwrites(shop: Project, plan: str) -> None:
    shop.settings(plan=plan)
    shop.revision(
        f"{IN_BATCHES}op.backfill('users', set={{'age': 'id'}}, where='age IS NULL')\n"
        f"{IN_BATCHES}op.backfill('users', set={{'name': \"'x'\"}})\n"
        "op.add_column('users', sa.Column('fresh', sa.Integer()))\n"
        f"{IN_BATCHES}op.backfill('users', set={{'fresh': '1'}})\n"
    )
    said = shop.alembic("upgrade", "head", "--dry-run").succeeded().output
    assert said.count("backfill users") == 3
    assert said.count("overwrites_rows") == 1
    assert shop.database.scalar("SELECT count(age) FROM users") == 0
