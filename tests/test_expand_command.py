"""alembic zanith-expand writes two revisions that put another column in the place of one."""

from __future__ import annotations

import pytest

from tests.conftest import MakeProject
from tests.support.project import Project, Script

USERS = """
CREATE TABLE users (id int PRIMARY KEY, full_name text NOT NULL DEFAULT 'none');
CREATE INDEX ix_users_full_name ON users (full_name);
INSERT INTO users VALUES (1, 'Ann'), (2, 'Bea')
"""
IDS = ("--rev-id", "one", "--contract-rev-id", "two")
RENAME = ("rename", "users.full_name", "name", *IDS)


def expand(project: Project, *arguments: str) -> tuple[Script, Script]:
    """Write a pair and return it."""
    before = set(project.versions.glob("*.py"))
    project.alembic("zanith-expand", *arguments).succeeded()
    first, second = sorted(set(project.versions.glob("*.py")) - before, key=_age)
    return Script(first.name.split("_")[0], first), Script(second.name.split("_")[0], second)


def _age(path: object) -> bool:
    return "contract" in str(path)


def is_refused(project: Project, *arguments: str) -> str:
    """Return what the command says, which has written nothing."""
    before = project.database.fingerprint()
    output = project.alembic("zanith-expand", *arguments).failed().output
    assert list(project.versions.glob("*.py")) == []
    assert project.database.fingerprint() == before
    return output


def test_a_new_name_is_written_like_this(project: Project) -> None:
    project.database.execute(USERS)
    first, second = expand(project, *RENAME)
    assert (
        first.upgrade
        == """\
op.execute('ALTER TABLE users ADD COLUMN IF NOT EXISTS name text')
op.execute("ALTER TABLE users ALTER COLUMN name SET DEFAULT 'none'::text")
op.sync_columns('users', 'full_name', 'name', forward='full_name', backward='name')
with op.get_context().autocommit_block():
    op.backfill('users', set={'name': 'full_name'}, where='name IS NULL')
    op.execute('DROP INDEX CONCURRENTLY IF EXISTS ix_users_name')
    op.execute('CREATE INDEX CONCURRENTLY ix_users_name ON users USING btree (name)')
    op.execute('ALTER TABLE users DROP CONSTRAINT IF EXISTS name_not_null')
    op.execute(
        'ALTER TABLE users ADD CONSTRAINT name_not_null CHECK (name IS NOT NULL) NOT VALID',
    )
    op.execute('ALTER TABLE users VALIDATE CONSTRAINT name_not_null')
op.execute('ALTER TABLE users ALTER COLUMN name SET NOT NULL')
op.execute('ALTER TABLE users DROP CONSTRAINT name_not_null')"""
    )
    assert (
        first.downgrade
        == """\
op.unsync_columns('users', 'full_name', 'name', forward='full_name', backward='name')
op.soft_drop_column('users', 'name')"""
    )
    assert (
        second.upgrade
        == """\
op.unsync_columns('users', 'full_name', 'name', forward='full_name', backward='name')
op.soft_drop_column('users', 'full_name')"""
    )
    assert (
        second.downgrade
        == """\
op.restore_column(
    'users',
    'full_name',
    meanwhile={'column': 'name', 'forward': 'full_name', 'backward': 'name'},
)
op.sync_columns('users', 'full_name', 'name', forward='full_name', backward='name')"""
    )


def test_a_new_type_is_written_like_this(project: Project) -> None:
    project.database.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, total numeric CHECK (total > 0) UNIQUE)"
    )
    first, second = expand(project, "type", "orders.total", "numeric(14,2)", *IDS)
    assert (
        first.upgrade
        == """\
op.execute('ALTER TABLE orders ADD COLUMN IF NOT EXISTS total_new numeric(14, 2)')
op.sync_columns('orders', 'total', 'total_new', forward='total', backward='total_new')
with op.get_context().autocommit_block():
    op.backfill('orders', set={'total_new': 'total'}, where='total_new IS NULL')
    op.execute('ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_total_new_check')
    op.execute(
        'ALTER TABLE orders ADD CONSTRAINT orders_total_new_check CHECK (total_new > 0::numeric) NOT VALID',
    )
    op.execute('ALTER TABLE orders VALIDATE CONSTRAINT orders_total_new_check')
    op.execute('DROP INDEX CONCURRENTLY IF EXISTS orders_total_new_key')
    op.execute(
        'CREATE UNIQUE INDEX CONCURRENTLY orders_total_new_key ON orders USING btree (total_new)',
    )
op.execute(
    'ALTER TABLE orders ADD CONSTRAINT orders_total_new_key UNIQUE USING INDEX orders_total_new_key',
)"""
    )
    assert (
        second.upgrade
        == """\
op.unsync_columns('orders', 'total', 'total_new', forward='total', backward='total_new')
op.soft_drop_column('orders', 'total')
op.alter_column('orders', 'total_new', new_column_name='total')
op.execute(
    'ALTER TABLE orders RENAME CONSTRAINT orders_total_new_check TO orders_total_check',
)
op.execute('ALTER TABLE orders RENAME CONSTRAINT orders_total_new_key TO orders_total_key')"""
    )
    assert (
        second.downgrade
        == """\
op.execute('ALTER TABLE orders RENAME CONSTRAINT orders_total_key TO orders_total_new_key')
op.execute(
    'ALTER TABLE orders RENAME CONSTRAINT orders_total_check TO orders_total_new_check',
)
op.alter_column('orders', 'total', new_column_name='total_new')
op.restore_column(
    'orders',
    'total',
    meanwhile={'column': 'total_new', 'forward': 'total', 'backward': 'total_new'},
)
op.sync_columns('orders', 'total', 'total_new', forward='total', backward='total_new')"""
    )


def test_what_to_do_in_between_is_told(project: Project) -> None:
    project.database.execute(USERS)
    output = project.alembic("zanith-expand", *RENAME).succeeded().stdout
    for line in (
        "alembic upgrade one",
        "reads and writes name",
        "alembic upgrade two",
        "full_name is parked",
    ):
        assert line in output


EVERYTHING = """
CREATE SCHEMA shop; SET search_path = shop;
CREATE TABLE titles (title text UNIQUE); INSERT INTO titles VALUES ('a'), ('b'), ('c:d');
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE "Odd Users" (
  id serial PRIMARY KEY, n int,
  "Full Name" text COLLATE "C" NOT NULL REFERENCES titles (title) ON UPDATE CASCADE DEFERRABLE
    CONSTRAINT short CHECK (length("Full Name") < 9),
  CONSTRAINT "Both" UNIQUE (n, "Full Name") DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT differ CHECK ("Full Name" <> n::text));
CREATE INDEX plain ON "Odd Users" USING btree ("Full Name" text_pattern_ops DESC) INCLUDE (id);
CREATE UNIQUE INDEX odd ON "Odd Users" (lower("Full Name"), n) WHERE "Full Name" <> 'c:d';
COMMENT ON COLUMN "Odd Users"."Full Name" IS '100% "theirs"';
INSERT INTO "Odd Users" (n, "Full Name") VALUES (1, 'a'), (2, 'b'), (2, 'c:d');
"""


def renamed(dump: str) -> str:
    """A dump with the old name in place of the new one."""
    return dump.replace("The Name", "Full Name")


def test_all_that_hangs_on_the_column_is_carried_over(project: Project) -> None:
    database = project.database
    database.execute(EVERYTHING)
    role = database.role()
    database.execute(
        f'GRANT UPDATE ("Full Name") ON shop."Odd Users" TO "{role}" WITH GRANT OPTION'
    )
    expand(project, "rename", 'shop."Odd Users"."Full Name"', "The Name", *IDS)
    described = [
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'shop.\"Odd Users\"'::regclass AND conname !~ '_zanith|not_null' ORDER BY 1",
        "SELECT conname FROM pg_constraint WHERE conrelid = 'shop.\"Odd Users\"'::regclass AND contype <> 'n' ORDER BY 1",
        "SELECT regexp_replace(indexdef, 'INDEX .* ON', '') FROM pg_indexes WHERE tablename = 'Odd Users' ORDER BY 1",
        "SELECT indexname FROM pg_indexes WHERE tablename = 'Odd Users' ORDER BY 1",
        "SELECT col_description(attrelid, attnum), attcollation::regcollation::text, attacl::text, attnotnull FROM pg_attribute WHERE attrelid = 'shop.\"Odd Users\"'::regclass AND attname ~ '^(Full|The) Name'",
    ]
    before = [database.rows(query) for query in described]
    project.upgrade()
    after = [
        [
            tuple(renamed(x) if isinstance(x, str) else x for x in row)
            for row in database.rows(query)
        ]
        for query in described
    ]
    assert [sorted(rows) for rows in after] == [sorted(rows) for rows in before]
    project.downgrade("base")
    assert [database.rows(query) for query in described] == before


def test_rows_that_changed_places_meanwhile_come_back_under_a_unique_constraint(
    project: Project,
) -> None:
    database = project.database
    database.execute("CREATE TABLE users (id int PRIMARY KEY, full_name text UNIQUE NOT NULL)")
    database.execute("INSERT INTO users VALUES (1, 'a'), (2, 'b')")
    expand(project, *RENAME)
    project.upgrade()
    database.execute(
        "UPDATE users SET name = 'c' WHERE id = 1; INSERT INTO users (id, name) VALUES (3, 'a')"
    )
    project.downgrade()
    assert database.rows("SELECT id, full_name, name FROM users ORDER BY id") == [
        (1, "c", "c"),
        (2, "b", "b"),
        (3, "a", "a"),
    ]


def test_what_was_written_with_triggers_off_keeps_the_contract_from_losing_it(
    project: Project,
) -> None:
    database = project.database
    database.execute("CREATE TABLE users (id int PRIMARY KEY, full_name text)")
    database.execute("INSERT INTO users VALUES (1, 'a'), (2, 'b')")
    expand(project, *RENAME)
    project.alembic("upgrade", "one").succeeded()
    database.execute(
        "ALTER TABLE users DISABLE TRIGGER USER; UPDATE users SET full_name = 'bulk' WHERE id = 1;"
        "ALTER TABLE users ENABLE TRIGGER USER"
    )
    for command in ("upgrade", "two"), ("downgrade", "base"):
        assert "Such as (id) = (1): 'bulk' and 'a'" in project.alembic(*command).failed().output
    database.execute("UPDATE users SET name = full_name")
    project.upgrade()
    assert database.rows("SELECT name FROM users ORDER BY id") == [("bulk",), ("b",)]


def test_expressions_say_what_becomes_of_the_values(project: Project) -> None:
    database = project.database
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, done text NOT NULL DEFAULT 'no'); INSERT INTO t VALUES (1, 'yes'), (2, 'no')"
    )
    expand(
        project,
        *("type", "t.done", "boolean", "--as", "is_done", "--default", "false"),
        *("--forward", "done = 'yes'", "--backward", "CASE WHEN is_done THEN 'yes' ELSE 'no' END"),
        *IDS,
    )
    project.upgrade("one")
    database.execute("INSERT INTO t VALUES (3); INSERT INTO t (id, is_done) VALUES (4, true)")
    assert database.rows("SELECT done, is_done FROM t ORDER BY id") == [
        ("yes", True),
        ("no", False),
        ("no", False),
        ("yes", True),
    ]
    project.upgrade()
    database.execute("INSERT INTO t VALUES (5); INSERT INTO t (id, done) VALUES (6, true)")
    project.downgrade()
    assert [row[0] for row in database.rows("SELECT done FROM t ORDER BY id")] == [
        *("yes", "no", "no", "yes", "no", "yes"),
    ]


def test_a_default_that_differs_each_time_comes_with_the_contract(project: Project) -> None:
    database = project.database
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, token uuid NOT NULL DEFAULT gen_random_uuid()); INSERT INTO t VALUES (1)"
    )
    expand(project, "rename", "t.token", "secret", *IDS)
    for revision in ("one", "two"):
        project.upgrade(revision)
        database.execute(f"INSERT INTO t (id) VALUES ({2 if revision == 'one' else 3})")
    assert database.scalar("SELECT count(DISTINCT secret) FROM t") == 3
    project.downgrade("base")
    assert database.scalar("SELECT count(DISTINCT token) FROM t") == 3


def test_an_expand_that_fails_half_way_is_run_again(project: Project) -> None:
    database = project.database
    database.execute(
        "CREATE TABLE users (id int PRIMARY KEY, full_name text UNIQUE NOT NULL CHECK (full_name <> ''));"
        "INSERT INTO users VALUES (1, 'Ann')"
    )
    first, _ = expand(project, *RENAME)
    source = first.source
    for place in (
        "op.backfill",
        "op.execute('ALTER TABLE users VALIDATE",
        "op.execute('ALTER TABLE users ALTER COLUMN",
    ):
        line = next(line for line in source.splitlines() if place in line)
        indent = line[: len(line) - len(line.lstrip())]
        first.path.write_text(source.replace(line, f"{line}\n{indent}op.execute('SELECT 1 / 0')"))
        failed = project.alembic("upgrade", "one")
        assert failed.exit_code != 0
        assert "division by zero" in failed.output
        first.path.write_text(source)
        database.execute(
            "INSERT INTO users (id, full_name) SELECT max(id) + 1, 'x' || max(id) FROM users"
        )
    project.upgrade()
    assert database.rows("SELECT name FROM users ORDER BY id") == [
        ("Ann",),
        ("x1",),
        ("x2",),
        ("x3",),
    ]


def test_sql_mode_writes_the_first_revision_and_refuses_the_second(project: Project) -> None:
    project.database.execute(USERS)
    expand(project, *RENAME)
    project.database.psql(project.alembic("upgrade", "base:one", "--sql").succeeded().stdout)
    project.database.execute("INSERT INTO users (id, name) VALUES (3, 'Cid')")
    assert project.database.rows("SELECT full_name, name FROM users ORDER BY id") == [
        ("Ann", "Ann"),
        ("Bea", "Bea"),
        ("Cid", "Cid"),
    ]
    output = project.alembic("upgrade", "one:two", "--sql").failed().output
    assert "soft_drop_column('users', 'full_name') cannot be written as SQL" in output


MODELS = """
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    {}
"""
OLD = 'full_name: Mapped[str] = mapped_column(sa.Text, index=True, server_default="none")'
NEW = 'name: Mapped[str] = mapped_column(sa.Text, index=True, server_default="none")'


def test_models_of_either_version_or_both_agree_with_the_database_in_between(
    project: Project,
) -> None:
    project.database.execute(USERS)
    expand(project, *RENAME)
    project.upgrade("one")
    project.alembic("stamp", "two").succeeded()  # else alembic check wants the newest revision
    for columns in (OLD, NEW, f"{OLD}\n    {NEW}"):
        project.write_models(MODELS.format(columns))
        assert "No new upgrade operations detected" in project.alembic("check").succeeded().output
    project.alembic("stamp", "one").succeeded()
    project.upgrade()
    project.write_models(MODELS.format(NEW))
    assert "No new upgrade operations detected" in project.alembic("check").succeeded().output


@pytest.mark.slow
def test_both_revisions_are_rehearsed_without_a_finding(project: Project) -> None:
    project.write_models(MODELS.format(OLD))
    project.autogenerate("users")
    project.upgrade()
    expand(project, *RENAME)
    project.write_models(MODELS.format(NEW))
    output = project.alembic("zanith-verify", "--strict").succeeded().output
    assert "Verdict: ok" in output


@pytest.mark.parametrize("template", ["async", "multidb", "pyproject"])
def test_each_template_takes_the_pair(make_project: MakeProject, template: str) -> None:
    project = make_project(template)
    project.database.execute(USERS)
    project.alembic("zanith-expand", *RENAME).succeeded()
    project.upgrade()
    assert project.database.rows("SELECT name FROM users ORDER BY id") == [("Ann",), ("Bea",)]
    project.downgrade("base")
    assert project.database.rows("SELECT full_name FROM users ORDER BY id") == [("Ann",), ("Bea",)]


def test_it_goes_on_top_of_the_head_that_is_named(project: Project) -> None:
    project.database.execute(USERS)
    project.revision(rev_id="a")
    project.revision(rev_id="b", head="base", splice=True)
    project.alembic("upgrade", "heads").succeeded()
    before = set(project.versions.glob("*.py"))
    assert "Multiple heads" in project.alembic("zanith-expand", *RENAME).failed().output
    assert set(project.versions.glob("*.py")) == before
    expand(project, *RENAME, "--head", "b")
    assert sorted(project.heads()) == ["a", "two"]


def test_a_database_that_is_behind_is_no_ground_to_stand_on(project: Project) -> None:
    project.database.execute(USERS)
    project.revision(rev_id="a")
    output = project.alembic("zanith-expand", *RENAME).failed().output
    assert "the project's newest is a" in output


def test_a_second_file_that_cannot_be_written_takes_the_first_along(project: Project) -> None:
    project.database.execute(USERS)
    is_refused(
        project, "rename", "users.full_name", "name", "--rev-id", "x", "--contract-rev-id", "b-d"
    )


WRONG = (
    (
        "",
        ("rename", "usrs.full_name", "name"),
        "no table 'usrs' on the search path. Did you mean 'users'",
    ),
    ("", ("rename", "users.fullname", "name"), "no column 'fullname'. Did you mean 'full_name'"),
    ("", ("rename", "users", "name"), "names no column"),
    ("", ("rename", "a.b.c.d", "name"), "is no target"),
    ("", ("rename", "shop.users.full_name", "name", "--schema", "app"), "two schemas"),
    ("", ("rename", "users.full_name", "id"), "has a column id already"),
    ("", ("rename", "users.full_name", "full_name"), "has a column full_name already"),
    ("", ("rename", "users.full_name", "x" * 64), "1 to 63 bytes"),
    (
        "",
        ("rename", "users.full_name", "_zanith_x"),
        "begins like the names that this package gives",
    ),
    ("", ("rename", "users.id", "key"), "is part of the primary key"),
    (
        "CREATE VIEW v AS SELECT full_name FROM users",
        ("rename", "users.full_name", "name"),
        "view public.v",
    ),
    (
        "ALTER TABLE users ADD UNIQUE (full_name); CREATE TABLE p (u text REFERENCES users (full_name))",
        ("rename", "users.full_name", "name"),
        "constraint p_u_fkey on table public.p",
    ),
    (
        "ALTER TABLE users ADD g text GENERATED ALWAYS AS (full_name) STORED",
        ("rename", "users.full_name", "name"),
        "column g of table public.users",
    ),
    (
        "ALTER TABLE users ADD g text GENERATED ALWAYS AS (full_name) STORED",
        ("rename", "users.g", "h"),
        "is generated",
    ),
    (
        "ALTER TABLE users ADD n serial",
        ("rename", "users.n", "m"),
        "owns the sequence public.users_n_seq",
    ),
    (
        "ALTER TABLE users ADD n int GENERATED ALWAYS AS IDENTITY",
        ("rename", "users.n", "m"),
        "identity column",
    ),
    (
        "ALTER TABLE users ADD EXCLUDE (full_name WITH =)",
        ("rename", "users.full_name", "name"),
        "exclusion constraint",
    ),
    ("CREATE TABLE more () INHERITS (users)", ("rename", "more.full_name", "name"), "is inherited"),
    (
        "CREATE TABLE more () INHERITS (users)",
        ("rename", "users.full_name", "name"),
        "others inherit from",
    ),
    (
        "CREATE TABLE p (a int, b int) PARTITION BY LIST (a)",
        ("rename", "p.a", "c"),
        "partition key",
    ),
    (
        "CREATE TABLE p (a int, b int) PARTITION BY LIST (a); CREATE INDEX i ON p (b)",
        ("rename", "p.b", "c"),
        "partitioned table and has i",
    ),
    (
        "CREATE POLICY mine ON users USING (full_name = user)",
        ("rename", "users.full_name", "name"),
        "policy mine",
    ),
    ("", ("type", "users.full_name", "txt"), 'type "txt" does not exist'),
    ("", ("type", "users.full_name", "int) , (1"), "is no type"),
    ("", ("type", "users.full_name", "serial"), 'type "serial" does not exist'),
    ("", ("type", "users.full_name", "text"), "is text already"),
    ("", ("type", "users.full_name", "int[]", "--as", "id"), "has a column id already"),
    ("", ("type", "users.full_name", "int"), "has values that do not go into int"),
    ("", ("type", "users.full_name", "varchar(2)"), "full_name = Ann"),
    (
        "",
        ("type", "users.full_name", "int", "--forward", "length(full_name)", "--backward", "'x'"),
        "--default",
    ),
    (
        "",
        (
            "type",
            "users.full_name",
            "int",
            "--forward",
            "nothing(full_name)",
            "--backward",
            "'x'",
            "--default",
            "1",
        ),
        "nothing",
    ),
    (
        "ALTER TABLE users ADD at date",
        ("type", "users.at", "int"),
        "cannot cast type date to integer. Nothing was written. Say how with --forward",
    ),
)


def test_what_is_wrong_is_said_before_anything_is_written(project: Project) -> None:
    said = {}
    for setup, arguments, reason in WRONG:
        project.database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        project.database.execute(f"{USERS}; {setup}")
        said[setup, arguments, reason] = is_refused(project, *arguments)
    assert [(case, text) for case, text in said.items() if case[2] not in text] == []
