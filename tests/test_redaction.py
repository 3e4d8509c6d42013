"""What is a secret in SQL is hidden, whoever wrote it however."""

from __future__ import annotations

import pytest

from alembic_zanith.redaction import without_secrets
from tests.support.database import Database
from tests.support.project import Project

HIDDEN = {
    "CREATE SUBSCRIPTION s CONNECTION 'host=a password=hunter2 user=b' PUBLICATION p": (
        "CREATE SUBSCRIPTION s CONNECTION 'host=a password=*** user=b' PUBLICATION p"
    ),
    "ALTER SUBSCRIPTION s CONNECTION 'host=a password=''hunter 2'' user=b'": (
        "ALTER SUBSCRIPTION s CONNECTION 'host=a password=*** user=b'"
    ),
    "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password 'hunter2')": (
        "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password '***')"
    ),
    "SELECT dblink_connect('postgresql://u:hunter2@h/db?sslpassword=hunter2&x=y')": (
        "SELECT dblink_connect('postgresql://u:***@h/db?sslpassword=***&x=y')"
    ),
    r"ALTER ROLE x ENCRYPTED PASSWORD E'hun\'ter2' LOGIN": (
        "ALTER ROLE x ENCRYPTED PASSWORD '***' LOGIN"
    ),
    "ALTER USER a WITH PASSWORD U&'hunter2'": "ALTER USER a WITH PASSWORD '***'",
    "ALTER ROLE a PASSWORD $x$hunter2$x$ LOGIN": "ALTER ROLE a PASSWORD '***' LOGIN",
    "CREATE ROLE a PASSWORD /* of a */ 'hunter2'": "CREATE ROLE a PASSWORD /* of a */ '***'",
    "ALTER ROLE a PASSWORD 'hunter2": "ALTER ROLE a PASSWORD '***'",
    "SET app.password = 'hunter2'": "SET app.password = '***'",
    "UPDATE t SET \"api_token\" = 'hunter2' WHERE id = 1": (
        "UPDATE t SET \"api_token\" = '***' WHERE id = 1"
    ),
    "DO $$BEGIN EXECUTE 'ALTER ROLE x PASSWORD ''hunter2'''; END$$": (
        "DO $$BEGIN EXECUTE 'ALTER ROLE x PASSWORD ***'; END$$"
    ),
    "DO $a$BEGIN ALTER ROLE x PASSWORD 'hunter2'; END$a$": (
        "DO $a$BEGIN ALTER ROLE x PASSWORD '***'; END$a$"
    ),
    "-- password=hunter2\nSELECT 1": "-- password=***\nSELECT 1",
}

LEFT_ALONE = [
    "CREATE TYPE t AS ENUM ('token', 'secret', 'other')",
    "COMMENT ON COLUMN users.password IS 'The hash of it'",
    "ALTER TABLE users ADD password text DEFAULT 'none' NOT NULL",
    "INSERT INTO token VALUES ('a', 'b')",
    "SELECT $1, a.password FROM t a WHERE a.password = $1 AND x = 'y'",
    "ALTER ROLE r PASSWORD NULL VALID UNTIL 'infinity'",
    "SELECT 'it''s', E'a\\'b', $$ 'x' $$, \"a\"\"b\" -- 'password'",
]


@pytest.mark.parametrize("sql", HIDDEN)
def test_a_secret_is_hidden(sql: str) -> None:
    assert without_secrets(sql) == HIDDEN[sql]


@pytest.mark.parametrize("sql", LEFT_ALONE)
def test_all_else_is_left_as_it_is(sql: str) -> None:
    assert without_secrets(sql) == sql


STATEMENTS = [
    "ALTER ROLE nobody PASSWORD 'hunter2'",
    "UPDATE a SET api_token = 'hunter2'",
    "DROP TABLE a; SELECT dblink('password=hunter2')",
    "SET app.password = 'hunter2'",
    "BOGUS PASSWORD 'hunter2'",
    "DO $$BEGIN EXECUTE 'ALTER ROLE x PASSWORD ''hunter2'''; END$$",
]


@pytest.mark.parametrize(
    "arguments",
    [
        ["zanith-plan"],
        ["zanith-plan", "--verbose"],
        *(["zanith-plan", "--format", name] for name in ("json", "markdown", "sarif", "github")),
        ["zanith-verify"],
        ["upgrade", "head"],
    ],
    ids=" ".join,
)
def test_no_command_prints_it(project: Project, arguments: list[str]) -> None:
    project.settings(mode="production")
    project.revision("\n".join(f"op.execute({each!r})" for each in STATEMENTS))
    result = project.alembic(*arguments)
    assert result.exit_code != 0
    assert "***" in result.output or arguments[0] == "upgrade"
    assert "hunter2" not in result.output


def test_no_table_holds_it(project: Project, database: Database) -> None:
    project.settings(mode="dev")
    database.execute("CREATE TABLE a (api_token text)")
    project.revision(f"op.execute({STATEMENTS[1]!r})\nop.execute({STATEMENTS[0]!r})")
    assert project.alembic("upgrade", "head").exit_code != 0
    told = database.rows("SELECT sql FROM _zanith_migration_steps ORDER BY id")
    assert told == [
        ("UPDATE a SET api_token = '***'",),
        ("ALTER ROLE nobody PASSWORD '***'",),
    ]
    database.execute("DROP TABLE a")
    assert "hunter2" not in database.dump_of_all()


ERRORS = [
    "raise RuntimeError('cannot reach postgresql://a:hunter2@h/d or host=h password=hunter2')",
    "op.get_bind().execute(sa.text('INSERT INTO a VALUES (1, :x)'), {'x': 'hunter2'})",
]


@pytest.mark.parametrize("body", ERRORS)
def test_no_table_holds_what_an_error_says_of_it(
    project: Project, database: Database, body: str
) -> None:
    project.settings(mode="dev")
    database.execute("CREATE TABLE a (id int, token text CHECK (length(token) < 3))")
    project.revision(body)
    assert "hunter2" not in project.alembic("zanith-plan", "--verbose").output
    assert project.alembic("upgrade", "head").exit_code != 0
    assert database.scalar("SELECT error FROM _zanith_migrations")
    assert "hunter2" not in database.dump_of_all()


def test_no_snapshot_holds_it(project: Project, database: Database) -> None:
    body = "BEGIN PERFORM dblink('host=h password=hunter2', 'x'); NEW.password = OLD.password; END"
    definition = f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    comment = "COMMENT ON FUNCTION f() IS 'postgresql://a:hunter2@h/d'"
    project.revision(f"op.execute({definition!r})\nop.execute({comment!r})", rev_id="first")
    project.upgrade()
    database.execute("DROP FUNCTION f()")
    assert "hunter2" not in database.dump_of_all()
    shown = project.alembic("zanith-history", "show", "first", "--json").succeeded().stdout
    assert "NEW.password = OLD.password" in shown
    assert "hunter2" not in shown
