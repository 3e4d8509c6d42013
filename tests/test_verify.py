"""Pending revisions are rehearsed on a shadow before production sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import MakeDatabase, MakeProject
from tests.support.database import Database
from tests.support.project import Project
from tests.support.running import Result

MODELS = """\
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.Text)
"""
FIRST = "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True))"
SECOND = "op.add_column('users', sa.Column('email', sa.Text, nullable=False, server_default=''))"
THIRD = "op.alter_column('users', 'email', server_default=None)"


@pytest.fixture
def shop(project: Project) -> Project:
    """A project whose production is at the first of three revisions."""
    project.write_models(MODELS)
    project.settings(mode="staging")
    project.revision(FIRST, "op.drop_table('users')", rev_id="one")
    project.upgrade()
    project.revision(SECOND, "op.drop_column('users', 'email')", rev_id="two")
    project.revision(THIRD, "op.alter_column('users', 'email', server_default='')", rev_id="three")
    return project


def verify(project: Project, *arguments: str) -> Result:
    return project.alembic("zanith-verify", *arguments)


def verdict(project: Project, *arguments: str) -> dict[str, Any]:
    """Return the JSON of a rehearsal, whose exit status is that of its verdict."""
    result = verify(project, "--format", "json", *arguments)
    assert result.stdout, result.output
    (found,) = json.loads(result.stdout)["databases"]
    assert result.exit_code == found["exit_status"], result.output
    return dict(found)


def test_what_leads_to_the_models_is_ok(shop: Project, database: Database) -> None:
    before = database.fingerprint()
    found = verdict(shop)
    assert (found["verdict"], found["failure"]) == ("ok", None)
    assert found["pending"] == ["two", "three"]
    assert found["findings"] == []
    assert database.fingerprint() == before
    assert [stage["name"] for stage in found["stages"]] == [
        "connect and reset",
        "replay and apply",
        "introspect",
        "compare with the models",
    ]


def test_a_missing_revision_is_drift(shop: Project) -> None:
    shop.write_models(MODELS + "    phone: Mapped[str | None] = mapped_column(sa.Text)\n")
    found = verdict(shop)
    assert found["verdict"] == "drift"
    assert found["drift"] == [
        "op.add_column('users', sa.Column('phone', sa.Text(), nullable=True))"
    ]


def test_types_and_server_defaults_are_compared_whatever_env_py_says(shop: Project) -> None:
    shop.configure_context("compare_type=False")
    shop.write_models(
        MODELS.replace("mapped_column(sa.Text)", "mapped_column(sa.String(9), server_default='x')")
    )
    found = verdict(shop)
    assert found["verdict"] == "drift"
    assert "existing_type=sa.TEXT()" in found["drift"][0]
    assert "server_default" in "".join(found["drift"])


def test_a_revision_that_fails_is_told(shop: Project, database: Database) -> None:
    before = database.fingerprint()
    shop.revision("op.execute('SELECT 1/0')", rev_id="four")
    found = verdict(shop)
    assert (found["verdict"], found["failed_revision"]) == ("apply-failed", "four")
    assert found["failure"] == "upgrade() of revision four failed: division by zero"
    assert database.fingerprint() == before


def test_a_history_that_does_not_run_any_more_is_told(shop: Project) -> None:
    script = next(shop.versions.glob("one_*.py"))
    script.write_text(script.read_text().replace("op.create_table", "op.create_tabel"))
    found = verdict(shop)
    assert (found["verdict"], found["failed_revision"]) == ("apply-failed", "one")
    assert "create_tabel" in found["failure"]


def test_a_shadow_that_cannot_be_reached_is_told_without_its_password(shop: Project) -> None:
    result = verify(shop, "--shadow-url", "postgresql://ada:hunter2@127.0.0.1:9/shadow")
    assert result.exit_code == 5
    assert "Verdict: shadow-unreachable" in result.stdout
    assert "The database shadow on 127.0.0.1:9 cannot be reached" in result.stdout
    assert "hunter2" not in result.output


def test_production_that_cannot_be_reached_is_told(shop: Project) -> None:
    ini = shop.root / "alembic.ini"
    ini.write_text(ini.read_text().replace(str(shop.database.server.port), "9"))
    result = verify(shop).failed()
    assert result.exit_code == 2
    assert "FAILED: zanith-verify" in result.stderr


def test_a_script_that_is_no_python_is_told(shop: Project) -> None:
    next(shop.versions.glob("three_*.py")).write_text("def upgrade(:")
    result = verify(shop).failed()
    assert result.exit_code == 2
    assert "Nothing was rehearsed: SyntaxError: " in result.stderr


def test_an_env_py_that_fails_is_told(shop: Project) -> None:
    shop.env_py.write_text(shop.env_py.read_text() + "\nraise RuntimeError('not today')\n")
    result = verify(shop).failed()
    assert result.exit_code == 2
    assert "RuntimeError: not today" in result.stderr


@pytest.mark.parametrize("template", ["generic", "async", "multidb", "pyproject_async"])
def test_every_template_can_be_rehearsed(make_project: MakeProject, template: str) -> None:
    project = make_project(template)
    project.revision("op.create_table('a', sa.Column('id', sa.Integer))")
    project.upgrade()
    project.revision("op.create_table('b', sa.Column('id', sa.Integer))")
    for topology in ("database", "schema"):
        result = verify(project, "--format", "json", "--topology", topology)
        assert result.stdout, result.output
        found = json.loads(result.stdout)["databases"]
        # There are no models, so the tables are too many.
        assert {each["verdict"] for each in found[:1]} == {"drift"}, result.output


# -- topologies --------------------------------------------------------------------------


def test_the_database_next_to_production_is_gone_afterwards(
    shop: Project, database: Database
) -> None:
    query = "SELECT count(*) FROM pg_database WHERE datname LIKE '\\_zanith\\_shadow\\_%'"
    before = database.scalar(query)
    assert verdict(shop, "--topology", "database")["topology"] == "database"
    shop.revision("op.execute('SELECT 1/0')")
    assert verdict(shop, "--topology", "database")["verdict"] == "apply-failed"
    assert database.scalar(query) == before


def test_what_is_kept_can_be_looked_at(shop: Project, database: Database) -> None:
    found = verdict(shop, "--topology", "database", "--keep")
    name = found["where"].split()[1]
    kept = Database(database.server, name)
    try:
        columns = kept.rows("SELECT attname FROM pg_attribute WHERE attrelid = 'users'::regclass")
        assert ("email",) in columns
        assert f'DROP DATABASE "{name}";' in found["kept"]
    finally:
        with database._connect("postgres") as connection:
            connection.execute(f"DROP DATABASE {name}".encode())


def test_a_schema_of_production_is_enough(shop: Project, database: Database) -> None:
    before = database.dump_of_all()
    found = verdict(shop, "--topology", "schema")
    assert (found["verdict"], found["failure"]) == ("ok", None)
    assert found["where"].startswith("schema _zanith_shadow_")
    assert database.dump_of_all() == before


def test_a_schema_is_not_enough_for_what_names_another_one(
    shop: Project, database: Database
) -> None:
    shop.revision("op.execute('DELETE FROM public.users')", rev_id="four")
    database.execute("INSERT INTO users VALUES (1)")
    before = database.dump_of_all()
    found = verdict(shop, "--topology", "schema")
    assert found["verdict"] == "shadow-unreachable"
    assert "revision four, line" in found["failure"]
    assert "public.users" in found["failure"]
    assert database.dump_of_all() == before


BREAKOUTS = {
    "in a function": "op.execute('CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM public.users $$')",
    "computed": "name = 'pub' + 'lic.users'\nop.get_bind().execute(sa.text(f'DELETE FROM {name}'))",
    "search_path": "op.get_bind().exec_driver_sql('SET LOCAL sea' + 'rch_path = public')",
    "set_config": "op.get_bind().exec_driver_sql(\"SELECT set_config('sea' || 'rch_path', 'public', true)\")",
    "regclass": 'op.get_bind().exec_driver_sql("SELECT nextval(\'pub" + "lic.s\'::regclass)")',
    "number": "oid = op.get_bind().scalar(sa.text(\"SELECT oid FROM pg_class WHERE relname = 's'\"))\nop.get_bind().exec_driver_sql(f\"SELECT setval('{oid}', 77)\")",
    "set schema": "op.get_bind().exec_driver_sql('ALTER TABLE users SET SCH' + 'EMA public')",
    "database": 'op.get_bind().exec_driver_sql("ALTER DATA" + "BASE postgres SET x.y = \'z\'")',
    "role": "op.get_bind().exec_driver_sql('CREATE RO' + 'LE zanith_breakout')",
    "extension": "op.get_bind().exec_driver_sql('CREATE EXTEN' + 'SION pg_trgm')",
    "large object": "op.get_bind().exec_driver_sql('SELECT lo_cre' + 'ate(4711)')",
    "copy": 'op.get_bind().exec_driver_sql("COPY users TO PROG" + "RAM \'true\'")',
    "do": "op.get_bind().exec_driver_sql(\"DO $$ BEGIN EXECUTE 'DELETE FROM pub' || 'lic.users'; END $$\")",
    "cursor": "c = op.get_bind().connection.cursor()\nc.execute('DELETE FROM pub' + 'lic.users')",
}


@pytest.mark.parametrize("way", BREAKOUTS)
def test_a_schema_cannot_be_left(shop: Project, database: Database, way: str) -> None:
    database.execute("INSERT INTO users VALUES (1); CREATE SEQUENCE s")
    shop.revision(BREAKOUTS[way])
    before = database.dump_of_all()
    found = verdict(shop, "--topology", "schema")
    assert found["verdict"] in ("apply-failed", "shadow-unreachable"), found
    assert database.dump_of_all() == before
    assert database.scalar("SELECT count(*) FROM pg_roles WHERE rolname = 'zanith_breakout'") == 0


def test_a_database_of_ones_own_is_used_again(shop: Project, make_database: MakeDatabase) -> None:
    shadow = make_database()
    url = shadow.url().render_as_string(hide_password=False)
    for _ in range(2):
        found = verdict(shop, "--shadow-url", url)
        assert (found["verdict"], found["failure"]) == ("ok", None)
        assert found["topology"] == "url"
    assert shadow.scalar("SELECT to_regclass('users') IS NULL")


FOREIGN = {
    "a table": "CREATE TABLE precious (id int); INSERT INTO precious VALUES (1)",
    "a foreign table": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
    " CREATE FOREIGN TABLE far (id int) SERVER s",
    "a schema": "CREATE SCHEMA other",
    "a function": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a type": "CREATE TYPE mood AS ENUM ('sad')",
    "a large object": "SELECT lo_create(4711)",
    "a sequence": "CREATE SEQUENCE s",
    "a table like ours": "CREATE TABLE users (id int); CREATE TABLE alembic_version (version_num text)",
    "somebody else's marker": "CREATE SCHEMA _zanith_shadow;"
    " CREATE TABLE _zanith_shadow.marker (created_at timestamptz, identity text, extensions text);"
    " INSERT INTO _zanith_shadow.marker VALUES (now(), '1/2/x', '[]'); CREATE TABLE t (id int)",
}


@pytest.mark.parametrize("content", FOREIGN)
def test_a_database_with_anything_of_somebody_elses_is_never_wiped(
    shop: Project, make_database: MakeDatabase, content: str
) -> None:
    shadow = make_database()
    shadow.execute(FOREIGN[content])
    before = shadow.dump_of_all()
    url = shadow.url().render_as_string(hide_password=False)
    found = verdict(shop, "--shadow-url", url)
    assert found["verdict"] == "shadow-unreachable"
    assert "Nothing was done" in found["failure"]
    assert shadow.dump_of_all() == before


@pytest.mark.parametrize("when", ["in the history", "at the end"])
def test_nothing_is_done_where_the_url_leads_in_the_meantime(
    shop: Project, make_database: MakeDatabase, when: str
) -> None:
    shadow, other = make_database(), make_database()
    other.execute("CREATE TABLE precious (n int)")
    services = shop.root / "services.conf"
    services.write_text(
        f"[shadow]\nhost={shadow.server.host}\nport={shadow.server.port}\nuser=postgres\n"
        f"dbname={shadow.name}\n"
    )
    moves = (
        # Nothing that is recorded knows how many rows there are.
        "assert op.get_bind().scalar(sa.text('SELECT 1')) == 1\n"
        "import os, pathlib\n"
        "if 'PGSERVICEFILE' in os.environ:\n"
        "    file = pathlib.Path(os.environ['PGSERVICEFILE'])\n"
        f"    file.write_text(file.read_text().replace({shadow.name!r}, {other.name!r}))"
    )
    if when == "in the history":
        shop.revision(moves, rev_id="moves")
        shop.upgrade()
        shop.revision("op.execute('DROP TABLE IF EXISTS precious')", rev_id="drops")
    else:
        shop.revision(moves, rev_id="moves")
    url = "postgresql+psycopg:///?service=shadow"
    done = shop.alembic(
        "zanith-verify",
        "--no-rehearsals",
        "--shadow-url",
        url,
        env={"PGSERVICEFILE": str(services)},
    )
    assert "led to another database" in done.output
    assert "of the service shadow" in done.output
    if when == "in the history":
        assert done.exit_code == 5
    assert other.scalar("SELECT to_regclass('precious')") == "precious"


def test_a_copy_of_a_shadow_is_not_wiped(shop: Project, make_database: MakeDatabase) -> None:
    shadow = make_database()
    verdict(shop, "--shadow-url", shadow.url().render_as_string(hide_password=False))
    copy = shadow.clone()
    copy.execute("CREATE TABLE precious (id int)")
    before = copy.dump_of_all()
    found = verdict(shop, "--shadow-url", copy.url().render_as_string(hide_password=False))
    assert found["verdict"] == "shadow-unreachable"
    assert "marker of another database" in found["failure"]
    assert copy.dump_of_all() == before


def test_a_shadow_that_became_a_real_database_is_not_wiped(
    shop: Project, make_project: MakeProject, make_database: MakeDatabase
) -> None:
    shadow = make_database()
    url = shadow.url().render_as_string(hide_password=False)
    verdict(shop, "--shadow-url", url, "--keep")
    used = make_project(name="used", database=shadow)
    used.configure_context("version_table='other_version'")
    used.revision("op.create_table('precious', sa.Column('id', sa.Integer))")
    used.upgrade()
    before = shadow.dump_of_all()
    found = verdict(shop, "--shadow-url", url)
    assert found["verdict"] == "shadow-unreachable"
    assert "`alembic upgrade` has been run in it since" in found["failure"]
    assert shadow.dump_of_all() == before


def test_production_is_never_its_own_shadow(shop: Project, database: Database) -> None:
    before = database.dump_of_all()
    for host in ("127.0.0.1", "localhost"):
        url = database.url().set(host=host).render_as_string(hide_password=False)
        found = verdict(shop, "--shadow-url", url)
        assert found["verdict"] == "shadow-unreachable"
    assert "production's own database" in found["failure"]
    assert database.dump_of_all() == before


def test_a_role_that_may_not_create_databases_is_told_the_other_places(
    shop: Project, database: Database
) -> None:
    role = database.role("app", "LOGIN PASSWORD 'hunter2'")
    database.execute(
        f"GRANT ALL ON SCHEMA public TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
    )
    url = database.url().set(username=role, password="hunter2")
    ini = shop.root / "alembic.ini"
    old = database.url().render_as_string(hide_password=False)
    ini.write_text(ini.read_text().replace(old, url.render_as_string(hide_password=False)))
    result = verify(shop, "--topology", "database")
    assert result.exit_code == 5
    for word in ("may not create databases", "--shadow-url", "shadow_url", "--topology schema"):
        assert word in result.stdout
    assert "hunter2" not in result.output


def test_whatever_a_rehearsal_leaves_is_wiped_by_the_next(
    shop: Project, make_database: MakeDatabase
) -> None:
    shadow = make_database()
    url = shadow.url().render_as_string(hide_password=False)
    verdict(shop, "--shadow-url", url)
    clean = shadow.dump_of_all()
    verdict(shop, "--shadow-url", url, "--keep")
    shadow.execute(
        """
        CREATE SCHEMA app; CREATE TABLE app.t (id int); CREATE TYPE mood AS ENUM ('x');
        CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f();
        CREATE PUBLICATION p FOR ALL TABLES; SELECT lo_create(4711);
        CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
        CREATE FOREIGN TABLE far (id int) SERVER s; CREATE VIEW v AS SELECT 1;
        CREATE MATERIALIZED VIEW m AS SELECT 1; CREATE SEQUENCE q;
        CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = int)
        """
    )
    found = verdict(shop, "--shadow-url", url)
    assert found["failure"] is None
    assert shadow.dump_of_all() == clean


def test_a_role_that_owns_the_shadow_is_enough(shop: Project, make_database: MakeDatabase) -> None:
    shadow = make_database()
    role = shadow.role("owner", "LOGIN PASSWORD 'hunter2'")
    shadow.execute(
        f'ALTER DATABASE "{shadow.name}" OWNER TO {role}; ALTER SCHEMA public OWNER TO {role}'
    )
    url = shadow.url().set(username=role, password="hunter2").render_as_string(hide_password=False)
    for _ in range(2):
        found = verdict(shop, "--shadow-url", url)
        assert (found["verdict"], found["failure"]) == ("ok", None)
    assert "hunter2" not in json.dumps(found)


def test_two_rehearsals_on_one_shadow_do_not_meet(
    shop: Project, make_database: MakeDatabase
) -> None:
    shadow = make_database()
    url = shadow.url().render_as_string(hide_password=False)
    verdict(shop, "--shadow-url", url)
    with shadow.begin() as other:
        other.exec_driver_sql(f"SELECT pg_advisory_lock({0x7A616E6974680002})")
        found = verdict(shop, "--shadow-url", url)
    assert found["verdict"] == "shadow-unreachable"
    assert "is in use by another rehearsal" in found["failure"]


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_no_password_is_shown_whatever_goes_wrong(
    make_project: MakeProject, database: Database, driver: str
) -> None:
    role = database.role("app", "LOGIN SUPERUSER PASSWORD 'hunter2'")
    project = make_project(driver=driver)
    url = database.url(driver).set(username=role, password="hunter2")
    ini = project.root / "alembic.ini"
    old = database.url(driver).render_as_string(hide_password=False)
    ini.write_text(ini.read_text().replace(old, url.render_as_string(hide_password=False)))
    project.revision("op.execute('SELECT 1/0')")
    wrong = url.set(database="nowhere").render_as_string(hide_password=False)
    shown = ""
    for arguments in (
        ("zanith-verify",),
        ("zanith-verify", "--keep", "--topology", "schema"),
        ("zanith-verify", "--schema-from-production"),
        ("zanith-verify", "--shadow-url", wrong),
        ("zanith-verify", "--shadow-url", url.render_as_string(hide_password=False)),
        ("zanith-verify", "--shadow-url", "postgresql://u:hunter2@["),
        ("zanith-drift", "--shadow-url", wrong),
        ("zanith-history", "show", "x"),
        ("zanith-report", "--html", "-"),
    ):
        result = project.alembic(*arguments)
        assert "Traceback" not in result.output, result.output
        shown += result.output
    assert "hunter2" not in shown
    receipt = project.root / "zanith-verify.json"
    assert not receipt.exists()
