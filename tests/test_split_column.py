"""A column is split, life goes on, and nothing of it is lost on the way back."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project
from tests.support.splitting import (
    BACK,
    FORWARD,
    USERS,
    column_names,
    columns,
    merge,
    operations,
    split,
    split_project,
    users,
)

# One row is changed, one inserted, one deleted; Di is as she was.
LIFE = """
    UPDATE users SET first = 'Anna' WHERE id = 1;
    INSERT INTO users (id, first, last) VALUES (5, 'Eve', 'Fox');
    DELETE FROM users WHERE id = 3;
"""
AFTER_LIFE = [(1, "Anna Lee"), (2, "Bob van Dyk"), (4, "Di de Ray"), (5, "Eve Fox")]


def not_null(database: Database) -> list[str]:
    query = """SELECT attname FROM pg_attribute WHERE attrelid = 'users'::regclass
                  AND attnum > 0 AND attnotnull AND NOT attisdropped ORDER BY attname"""
    return [name for (name,) in database.rows(query)]


@pytest.mark.majors
@pytest.mark.parametrize("then", ["soft_drop", pytest.param("archive", marks=pytest.mark.slow)])
def test_what_was_written_since_comes_back_and_the_rest_is_as_it_was(
    project: Project, then: str
) -> None:
    database = project.database
    split_project(project, then)
    project.upgrade()
    assert column_names(database) == ["id", "first", "last"]
    assert users(database, "id, first, last") == [
        (1, "Ann", "Lee"),
        (2, "Bob", "Dyk"),
        (3, "Cy", "Coe"),
        (4, "Di", "Ray"),
    ]
    assert not_null(database) == ["first", "id"]
    database.execute(LIFE)
    project.downgrade()
    assert users(database) == AFTER_LIFE
    assert not_null(database) == ["full_name", "id"]
    indexes = "SELECT indexname FROM pg_indexes WHERE tablename = 'users' ORDER BY 1"
    assert database.rows(indexes) == [("users_full_name_key",), ("users_pkey",)]
    # The old application goes on, then the upgrade is run once more.
    database.execute("UPDATE users SET full_name = 'Bob Orr' WHERE id = 2")
    database.execute("INSERT INTO users (id, full_name) VALUES (6, 'Gus Hay')")
    project.upgrade()
    assert users(database, "id, first, last") == [
        (1, "Anna", "Lee"),
        (2, "Bob", "Orr"),
        (4, "Di", "Ray"),
        (5, "Eve", "Fox"),
        (6, "Gus", "Hay"),
    ]
    assert not_null(database) == ["first", "id"]
    database.execute("UPDATE users SET last = 'Jay' WHERE id = 6")
    project.downgrade()
    assert users(database) == [
        (1, "Anna Lee"),
        (2, "Bob Orr"),
        (4, "Di de Ray"),
        (5, "Eve Fox"),
        (6, "Gus Jay"),
    ]
    parked = "SELECT count(*) FROM _zanith_migration_artifacts WHERE status = 'live'"
    assert database.scalar(parked) == 2


def test_values_that_no_expression_would_give_come_back_in_the_new_columns(
    project: Project,
) -> None:
    split_project(project)
    project.upgrade()
    project.database.execute("UPDATE users SET first = 'Di de', last = 'Ray' WHERE id = 4")
    project.downgrade()
    assert users(project.database)[3] == (4, "Di de Ray")
    project.upgrade()
    assert users(project.database, "id, first, last")[3] == (4, "Di de", "Ray")


def test_a_name_that_another_row_has_by_now_is_in_nobodys_way(database: Database) -> None:
    database.execute(USERS)
    split(database)
    database.execute("UPDATE users SET first = 'Ann', last = 'Coe' WHERE id = 3")
    database.execute("UPDATE users SET first = 'Cy', last = 'Coe' WHERE id = 1")
    database.execute("INSERT INTO users (id, first, last) VALUES (5, 'Ann', 'Lee')")
    assert merge(database).rows == 3
    assert users(database) == [
        (1, "Cy Coe"),
        (2, "Bob van Dyk"),
        (3, "Ann Coe"),
        (4, "Di de Ray"),
        (5, "Ann Lee"),
    ]


def test_a_column_that_is_kept_gets_only_the_rows_that_were_written_since(
    project: Project,
) -> None:
    database = project.database
    split_project(project, "keep", ", into_exists=True")
    database.execute("ALTER TABLE users ALTER full_name DROP NOT NULL")
    project.upgrade()
    assert column_names(database) == ["id", "full_name", "first", "last"]
    database.execute(LIFE)
    result = project.downgrade()
    assert column_names(database) == ["id", "full_name"]
    assert users(database) == AFTER_LIFE
    assert (
        "merge_columns('users', ['first', 'last']): 1 rows had another value in full_name, which "
        "is overwritten, for example: id = 1, first = Anna, last = Lee, full_name = 'Ann Lee'"
    ) in result.output
    project.upgrade()
    assert users(database, "id, first")[0] == (1, "Anna")


@pytest.mark.parametrize("then", ["soft_drop", pytest.param("archive", marks=pytest.mark.slow)])
def test_what_was_parked_of_a_table_that_is_gone_is_not_taken(project: Project, then: str) -> None:
    split_project(project, then)
    (first,) = (path for path in project.versions.glob("*.py") if "CREATE" in path.read_text())
    source = first.read_text()
    head, found, tail = source.partition("def downgrade")
    first.write_text(head + found + tail.replace("pass", "op.execute('DROP TABLE users')"))
    project.upgrade()
    project.alembic("downgrade", "base", "--mode", "dev").succeeded()
    project.upgrade()
    assert users(project.database, "id, first, last")[1] == (2, "Bob", "Dyk")
    project.downgrade()
    assert users(project.database)[1] == (2, "Bob van Dyk")


def test_a_column_that_was_restored_by_hand_is_taken_as_it_is(project: Project) -> None:
    split_project(project)
    project.upgrade()
    project.alembic("zanith-recover", "restore-column", "users.full_name").succeeded()
    project.database.execute("UPDATE users SET first = 'Anna' WHERE id = 1")
    project.downgrade()
    assert users(project.database)[:2] == [(1, "Anna Lee"), (2, "Bob van Dyk")]
    assert column_names(project.database) == ["id", "full_name"]


def test_what_another_revision_has_parked_is_other_data(project: Project) -> None:
    split_project(project)
    project.upgrade()
    project.revision(
        f'op.merge_columns("users", ["first", "last"], into="full_name", using={BACK!r})'
    )
    refused = project.alembic("upgrade", "head")
    assert refused.exit_code != 0
    assert "nothing of public.users.full_name was parked by revision" in refused.output
    assert "into= with sa.Column('full_name', …)" in refused.output
    assert column_names(project.database) == ["id", "first", "last"]


@pytest.mark.slow
def test_it_works_through_asyncpg(make_project: MakeProject) -> None:
    project = make_project("async")
    split_project(project)
    project.upgrade()
    project.database.execute(LIFE)
    project.downgrade()
    assert users(project.database) == AFTER_LIFE


def test_a_merge_goes_down_as_a_split(project: Project) -> None:
    database = project.database
    project.revision(
        'op.execute("CREATE TABLE phones (id int, prefix text NOT NULL, number text);'
        "INSERT INTO phones VALUES (1, '49', '0301'), (2, '1', '555')\")"
    )
    forward = "'+' || prefix || ' ' || number"
    back = {"prefix": "substr(split_part(e164, ' ', 1), 2)", "number": "split_part(e164, ' ', 2)"}
    project.revision(
        f"""
        op.merge_columns(
            "phones", ["prefix", "number"], into=sa.Column("e164", sa.Text, nullable=False),
            using={forward!r}, reverse={back!r},
        )
        """,
        f"""
        op.split_column(
            "phones", "e164", into=["prefix", "number"], using={back!r}, reverse={forward!r},
        )
        """,
    )
    project.upgrade()
    everything = "SELECT id, e164 FROM phones ORDER BY id"
    assert database.rows(everything) == [(1, "+49 0301"), (2, "+1 555")]
    database.execute("UPDATE phones SET e164 = '+44 777' WHERE id = 2")
    database.execute("INSERT INTO phones (id, e164) VALUES (3, '+39 06')")
    project.downgrade()
    everything = "SELECT id, prefix, number FROM phones ORDER BY id"
    assert database.rows(everything) == [(1, "49", "0301"), (2, "44", "777"), (3, "39", "06")]


def test_numbers_of_fewer_digits_and_types_without_a_comparison_are_told_apart(
    database: Database,
) -> None:
    database.execute(
        "CREATE TABLE users (id int, full_name json, fee numeric(9, 4));"
        """INSERT INTO users VALUES (1, '{"a":  1}', 1.2345), (2, '{"a": 2}', 2)"""
    )
    forward = {"first": "full_name -> 'a'", "last": "fee"}
    with database.begin() as connection:
        op = operations(connection)
        into = [sa.Column("first", sa.JSON), sa.Column("last", sa.Numeric(9, 1))]
        op.split_column(
            "users", "full_name", into=into, using=forward, reverse="json_build_object('a', first)"
        )
    database.execute("UPDATE users SET first = '3' WHERE id = 2")
    with database.begin() as connection:
        op = operations(connection)
        op.merge_columns(
            "users",
            ["first", "last"],
            into="full_name",
            using="json_build_object('a', first)",
            reverse=forward,
        )
    values = database.rows("SELECT full_name::text FROM users ORDER BY id")
    assert values == [('{"a":  1}',), ('{"a" : 3}',)]


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_names_and_expressions_are_taken_as_they_are(database: Database, driver: str) -> None:
    database.execute(
        'CREATE TABLE "Odd ""T" (id int, "na%me" text);'
        "INSERT INTO \"Odd \"\"T\" VALUES (1, 'a%:b'), (2, 'c%:d')"
    )
    with database.begin(driver) as connection:
        operations(connection).split_column(
            'Odd "T',
            "na%me",
            into=[sa.Column('žlu"ť', sa.Text), sa.Column(":x", sa.Text)],
            using={
                'žlu"ť': "split_part(\"na%me\", '%:', 1) -- all before %:",
                ":x": 'CASE WHEN "na%me" LIKE \'%%:_\' THEN right("na%me", 1)::text END',
            },
        )
    query = 'SELECT id, "žlu""ť", ":x" FROM "Odd ""T" ORDER BY id'
    assert database.rows(query) == [(1, "a", "b"), (2, "c", "d")]


def test_partitions_and_children_are_filled_too(database: Database) -> None:
    database.execute("""
        CREATE TABLE users (id int, full_name text) PARTITION BY RANGE (id);
        CREATE TABLE users_1 PARTITION OF users FOR VALUES FROM (0) TO (10);
        CREATE TABLE users_2 (full_name text, id int);
        ALTER TABLE users ATTACH PARTITION users_2 FOR VALUES FROM (10) TO (20);
        INSERT INTO users VALUES (1, 'Ann Lee'), (11, 'Bob Ray');
    """)
    assert split(database).rows == 2
    assert users(database, "first, last") == [("Ann", "Lee"), ("Bob", "Ray")]
    database.execute("UPDATE users SET first = 'Rob' WHERE id = 11")
    assert merge(database).rows == 1
    assert users(database) == [(1, "Ann Lee"), (11, "Rob Ray")]


def test_a_definition_brings_its_default_comment_and_constraints(database: Database) -> None:
    database.execute(USERS + "CREATE TABLE lasts (name text PRIMARY KEY)")
    database.execute("INSERT INTO lasts SELECT split_part(full_name, ' ', 2) FROM users")
    with database.begin() as connection:
        operations(connection).split_column(
            "users",
            "full_name",
            into=[
                sa.Column("first", sa.String(9), unique=True, server_default="?", nullable=False),
                sa.Column("last", sa.Text, sa.ForeignKey("lasts.name"), comment="the family"),
                sa.Column("mood", sa.Enum("ok", "sad", name="mood"), index=True),
            ],
            using={
                "first": "split_part(full_name, ' ', 1)",
                "last": "split_part(full_name, ' ', 2)",
                "mood": "'ok'",
            },
        )
    dump = database.dump("--schema-only")
    for part in (
        "first character varying(9) DEFAULT '?'::character varying NOT NULL",
        "UNIQUE (first)",
        "REFERENCES public.lasts(name)",
        "CREATE INDEX ix_users_mood",
        "COMMENT ON COLUMN public.users.last IS 'the family'",
    ):
        assert part in dump


def test_a_batch_splits_and_merges(database: Database) -> None:
    database.execute("CREATE SCHEMA shop; SET search_path = shop;" + USERS)
    with database.begin() as connection:
        op = operations(connection)
        with op.batch_alter_table("users", schema="shop") as batch_op:
            batch_op.add_column(sa.Column("title", sa.Text, server_default="Dr"))
            batch_op.split_column(
                "full_name",
                into=columns(),
                using={**FORWARD, "first": "title || split_part(full_name, ' ', 1)"},
                reverse=BACK,
            )
        rows = connection.execute(sa.text("SELECT first, last FROM shop.users ORDER BY id"))
        assert rows.all()[:2] == [("DrAnn", "Lee"), ("DrBob", "Dyk")]
        with op.batch_alter_table("users", schema="shop") as batch_op:
            batch_op.merge_columns(
                ["first", "last"],
                into="full_name",
                using=BACK,
                reverse={**FORWARD, "first": "title || split_part(full_name, ' ', 1)"},
            )
        rows = connection.execute(sa.text("SELECT full_name FROM shop.users ORDER BY id"))
        assert rows.scalars().all()[:2] == ["Ann Lee", "Bob van Dyk"]


@pytest.mark.slow
def test_a_purged_column_is_made_anew_from_its_definition(project: Project) -> None:
    split_project(project)
    script = next(path for path in project.versions.glob("*.py") if "merge" in path.read_text())
    project.upgrade()
    project.alembic("zanith-recover", "purge", "users.full_name", "--yes").succeeded()
    refused = project.alembic("downgrade", "-1")
    assert "Write its definition into the call" in refused.output
    definition = 'into=sa.Column("full_name", sa.String(40), nullable=False)'
    script.write_text(script.read_text().replace('into="full_name"', definition))
    project.downgrade()
    assert users(project.database)[:2] == [(1, "Ann Lee"), (2, "Bob Dyk")]


def test_the_models_agree_afterwards_and_the_history_has_one_step(project: Project) -> None:
    split_project(project)
    project.write_models("""
        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            first: Mapped[str] = mapped_column(sa.Text)
            last: Mapped[str | None] = mapped_column(sa.Text)
    """)
    project.upgrade()
    project.alembic("check").succeeded()
    query = "SELECT operation, row_count FROM _zanith_migration_steps ORDER BY id DESC LIMIT 1"
    assert project.database.rows(query) == [("split_column", 4)]


@pytest.mark.slow
def test_a_rehearsal_brings_back_what_is_parked_and_goes_down_and_up(project: Project) -> None:
    split_project(project)
    project.write_models("""
        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            first: Mapped[str] = mapped_column(sa.Text)
            last: Mapped[str | None] = mapped_column(sa.Text)
    """)
    result = project.alembic("zanith-verify", "--format", "json")
    (found,) = json.loads(result.stdout)["databases"]
    assert (found["verdict"], found["findings"]) == ("ok", []), result.output


def test_later_operations_of_a_plan_know_the_new_columns(make_project: MakeProject) -> None:
    project = make_project()
    split_project(project)
    project.revision("op.execute('UPDATE users SET last = upper(last)')")
    result = project.alembic("zanith-plan", "--format", "json", "--offline")
    plan: dict[str, Any] = json.loads(result.stdout)
    text = json.dumps(plan)
    assert "split_column" in text
    assert "destructive" not in text
