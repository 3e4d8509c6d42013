"""A rehearsal stays on its shadow, begins where a deploy begins, and tells what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeDatabase
from tests.support.database import Database
from tests.support.project import Project
from tests.test_verify import verdict, verify
from tests.test_verify_findings import texts

USERS = "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True))"
AUTOCOMMIT = r"with connectable\.connect\(\) as connection:"


def kinds(found: dict[str, Any]) -> list[str]:
    return [each["kind"] for each in found["findings"]]


@pytest.fixture
def shop(project: Project, database: Database) -> Project:
    """A project without models, whose production has a table with two rows."""
    project.edit_env(r"^target_metadata = .*$", "target_metadata = None")
    project.revision(USERS, rev_id="first")
    project.upgrade()
    database.execute("INSERT INTO users VALUES (5), (7)")
    return project


# -- what a whole server has -------------------------------------------------------------

BEYOND = {
    "CREATE ROLE {role} LOGIN": "makes a role",
    "ALTER ROLE {role} CREATEDB": "changes a role",
    "DROP ROLE IF EXISTS {role}": "drops a role",
    "GRANT pg_monitor TO {role}": "changes the members of a role",
    "ALTER DATABASE {database} SET work_mem = '7MB'": "changes a database",
    "ALTER ROLE ALL SET work_mem = '7MB'": "changes a role",
    "COMMENT ON DATABASE {database} IS 'x'": "acts on a database",
    "GRANT ALL ON DATABASE {database} TO PUBLIC": "acts on a database",
    "ALTER DATABASE {database} RENAME TO other": "acts on a database",
    "ALTER SYSTEM SET work_mem = '9MB'": "changes the settings of the server",
    "COPY users TO '/tmp/zanith_copy.txt'": "writes a file of the server",
    "COPY users FROM PROGRAM 'echo 1'": "runs a program",
    "SELECT pg_terminate_backend(1)": "calls pg_terminate_backend()",
    "SELECT dblink_exec('dbname=x', 'DELETE FROM users')": "calls dblink_exec()",
    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p": "connects to another server",
    "CREATE USER MAPPING FOR PUBLIC SERVER s": "says how to connect to another server",
    "DO $$ BEGIN CREATE ROLE {role}; END $$": "makes a role",
    "DO $$ BEGIN EXECUTE format('CREATE ROLE %I', '{role}'); END $$": "it has changed pg_auth",
    "DO $$ BEGIN EXECUTE format('ALTER ROLE %I SET work_mem = 9999', current_user); END $$": (
        "it has changed pg_db_role_setting"
    ),
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 9999', '{database}'); END $$": (
        "it has changed pg_db_role_setting"
    ),
    "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO PUBLIC', '{database}'); END $$": (
        "it has changed pg_database"
    ),
    "DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE %I IS NULL', 'postgres'); END $$": (
        "it has changed pg_shdescription"
    ),
    "DO $$ BEGIN EXECUTE 'GRANT CREATE ON TABLESPACE ' || 'pg_default TO PUBLIC'; END $$": (
        "it has changed pg_tablespace"
    ),
    "UPDATE pg_database SET datconnlimit = 9 WHERE datname = '{database}'": (
        "it has changed pg_database"
    ),
}


@pytest.mark.majors
@pytest.mark.parametrize("statement", BEYOND)
def test_what_the_server_has_is_not_changed(
    shop: Project, database: Database, statement: str
) -> None:
    role = f"{database.name}_made"
    if statement.startswith(("ALTER ROLE {", "GRANT pg", "DROP ROLE")):
        role = database.role("made")
    given = statement.format(role=role, database=database.name)
    of_server = (
        "SELECT md5(concat((SELECT string_agg(r::text, '' ORDER BY rolname) FROM pg_roles r),"
        " (SELECT string_agg(d::text, '') FROM pg_db_role_setting d),"
        " (SELECT string_agg(d::text, '') FROM pg_shdescription d),"
        " (SELECT string_agg(t::text, '') FROM pg_tablespace t),"
        " (SELECT d::text FROM pg_database d WHERE datname = current_database()),"
        " (SELECT string_agg(m::text, '' ORDER BY m::text) FROM pg_auth_members m)))"
    )
    before = database.scalar(of_server)
    shop.revision(f"op.execute({given!r})", rev_id="second")
    found = verdict(shop)
    assert found["verdict"] == "apply-failed"
    assert found["failed_revision"] == "second"
    assert BEYOND[statement] in found["failure"]
    assert database.scalar(of_server) == before
    assert not Path("/tmp/zanith_copy.txt").exists()


@pytest.mark.min_major(15)
def test_rights_on_settings_are_not_granted_by_computed_sql(
    shop: Project, database: Database
) -> None:
    given = "DO $$ BEGIN EXECUTE 'GRANT SET ON PARAMETER ' || 'log_statement TO PUBLIC'; END $$"
    shop.revision(f"op.execute({given!r})")
    assert "it has changed pg_parameter_acl" in verdict(shop)["failure"]
    assert database.rows("SELECT FROM pg_parameter_acl") == []


def test_a_script_that_commits_on_its_way_changes_nothing_of_the_server(
    shop: Project, database: Database
) -> None:
    role = database.role("made")
    given = f"DO $$ BEGIN EXECUTE format('ALTER ROLE %I SET work_mem = 9999', '{role}'); END $$"
    shop.revision(
        f"op.execute({given!r})\nwith op.get_context().autocommit_block():\n    op.execute('SELECT 1')"
    )
    assert "it has changed pg_db_role_setting" in verdict(shop)["failure"]
    assert database.rows(f"SELECT rolconfig FROM pg_roles WHERE rolname = '{role}'") == [(None,)]


def test_what_stays_in_its_database_runs(shop: Project) -> None:
    shop.revision(
        """\
        op.execute("COMMENT ON TABLE users IS 'x'; GRANT SELECT ON users TO PUBLIC")
        op.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 9999',"
                   " current_database()); EXECUTE format('COMMENT ON DATABASE %I IS NULL',"
                   " current_database()); END $$")
        """
    )
    assert verdict(shop, "--no-rehearsals")["verdict"] == "ok"


# -- production's own connection ---------------------------------------------------------


def test_productions_connection_cannot_be_written_to(shop: Project, database: Database) -> None:
    shop.edit_env(
        r"^( +)context\.configure\(", r"\1config.attributes['connection'] = connection\n\g<0>"
    )
    shop.revision(
        """\
        given = op.get_context().config.attributes['connection'].connection.dbapi_connection
        given.cursor().execute('DELETE FROM users')
        """
    )
    found = verdict(shop)
    assert found["verdict"] == "apply-failed"
    assert "uses a connection of one, which could be production's" in found["failure"]
    assert database.scalar("SELECT count(*) FROM users") == 2


def test_imported_code_connects_to_nothing(
    shop: Project, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database.url().set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"helper_of_{database.name}"
    (shop.root / f"{name}.py").write_text(
        f"import psycopg\n\ndef go():\n    with psycopg.connect({url!r}) as c:\n"
        "        c.execute('DELETE FROM users')\n"
    )
    monkeypatch.syspath_prepend(str(shop.root))
    shop.revision(f"import {name}; {name}.go()")
    found = verdict(shop)
    assert found["verdict"] == "apply-failed"
    assert "connects to a database with a driver" in found["failure"]
    assert database.scalar("SELECT count(*) FROM users") == 2


OLDER = {
    "the engine of an application": "c = app.engine.raw_connection()",
    "production's, rolled back": (
        "c = op.get_context().config.attributes['connection'].connection; c.rollback()"
    ),
    "that of a driver": "c = app.connection",
}


@pytest.mark.parametrize("whose", OLDER)
def test_connections_older_than_the_rehearsal_are_not_used(
    shop: Project, database: Database, whose: str
) -> None:
    url = database.url("psycopg2").render_as_string(hide_password=False)
    dsn = database.url().set(drivername="postgresql").render_as_string(hide_password=False)
    (shop.root / "app.py").write_text(
        "import psycopg, sqlalchemy as sa\n"
        f"engine = sa.create_engine({url!r})\nengine.connect().close()\n"
        f"connection = psycopg.connect({dsn!r})\n"
    )
    shop.edit_env(
        r"^( +)context\.configure\(", r"\1config.attributes['connection'] = connection\n\g<0>"
    )
    shop.edit_env(r"^from alembic import context$", r"\g<0>\nimport app")
    shop.revision(
        f"import app\n{OLDER[whose]}\n"
        "cursor = c.cursor()\ncursor.execute('DELETE FROM users')\nc.commit()"
    )
    # Both run in programs of their own, which close what they leave open.
    done = shop.alembic_subprocess("zanith-verify")
    assert done.exit_code == 4, done.output
    assert "It was kept from that" in done.stdout
    shop.alembic_subprocess("zanith-plan")
    assert database.scalar("SELECT count(*) FROM users") == 2


def test_history_that_gets_at_the_driver_is_no_history_for_a_schema(
    shop: Project, database: Database
) -> None:
    shop.revision(
        """\
        raw = op.get_bind().connection.cursor()
        raw.execute('INSERT INTO public.users VALUES (8)')
        """,
        rev_id="raw",
    )
    shop.upgrade()
    before = database.dump_of_all()
    for command in ("zanith-verify", "zanith-drift"):
        done = shop.alembic(command, "--topology", "schema")
        assert done.exit_code == 5
        assert "revision raw, line" in done.stdout
        assert "reaches a database by itself" in done.stdout
    assert database.dump_of_all() == before


# -- sessions ----------------------------------------------------------------------------

BROKEN = "op.execute('CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT x FROM nowhere $$')"


@pytest.mark.parametrize("arguments", [(), ("--schema-from-production",)])
def test_what_the_history_has_set_is_not_set_for_what_is_pending(
    project: Project, arguments: tuple[str, ...]
) -> None:
    project.edit_env(r"^target_metadata = .*$", "target_metadata = None")
    project.settings(pg_dump=str(project.database.server.bin("pg_dump")))
    project.revision("op.execute('SET check_function_bodies = false')", rev_id="first")
    project.upgrade()
    project.revision(BROKEN, rev_id="second")
    found = verdict(project, *arguments)
    assert found["verdict"] == "apply-failed"
    assert 'relation "nowhere" does not exist' in found["failure"]


@pytest.mark.parametrize("topology", ["database", "schema"])
def test_an_engine_in_autocommit_can_be_rehearsed(
    shop: Project, database: Database, topology: str
) -> None:
    shop.edit_env(
        AUTOCOMMIT,
        "with connectable.connect().execution_options(isolation_level='AUTOCOMMIT') as connection:",
    )
    shop.revision("op.add_column('users', sa.Column('note', sa.Text))")
    before = database.dump_of_all()
    sample = () if topology == "schema" else ("--sample", "5")
    found = verdict(shop, "--topology", topology, *sample)
    assert found["failure"] is None
    assert found["verdict"] == "ok"
    assert [each["rows"] for each in found["sample"]] == ([2] if sample else [])
    drift = shop.alembic("zanith-drift", "--topology", topology)
    assert drift.exit_code == 0, drift.stdout
    assert database.dump_of_all() == before


@pytest.mark.parametrize("arguments", [(), ("--schema-from-production",)])
def test_a_schema_that_was_there_before_the_first_revision_is_made(
    project: Project, database: Database, arguments: tuple[str, ...]
) -> None:
    database.execute(f"CREATE SCHEMA app; ALTER DATABASE {database.name} SET search_path = app")
    project.edit_env(r"^target_metadata = .*$", "target_metadata = None")
    project.revision(USERS, "op.drop_table('users')", rev_id="first")
    if len(arguments) == 0:
        # Not even the version table is there yet.
        assert "downgrade_differs" not in kinds(verdict(project))
    project.upgrade()
    project.revision(
        "op.add_column('users', sa.Column('note', sa.Text))", "op.drop_column('users', 'note')"
    )
    project.settings(pg_dump=str(database.server.bin("pg_dump")))
    found = verdict(project, *arguments)
    assert (found["verdict"], found["failure"]) == ("ok", None)
    assert kinds(found) == ["not_compared"]
    assert project.alembic("zanith-drift").exit_code == 0


# -- what is said ------------------------------------------------------------------------


def test_passwords_in_findings_are_hidden(shop: Project, database: Database) -> None:
    shop.revision(
        "pass", "raise RuntimeError('cannot reach postgresql://app:topsecret9@db/x')", rev_id="way"
    )
    done = verify(shop)
    receipt = (shop.root / "zanith-verify.json").read_text()
    assert "There is no way back" in done.stdout
    assert "There is no way back" in receipt
    database.execute(
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS"
        " $$ SELECT 'postgresql://app:topsecret9@db/x password=topsecret9' $$"
    )
    drift = shop.alembic("zanith-drift")
    assert "function f()" in drift.stdout
    for text in (done.stdout, done.stderr, receipt, drift.stdout, drift.stderr):
        assert "topsecret9" not in text


def test_a_url_with_two_ats_is_refused_without_its_password(shop: Project) -> None:
    shop.revision("pass")
    url = "postgresql://postgres:hunter2@xyzzy@127.0.0.1:1/sh"
    done = shop.alembic("zanith-verify", "--shadow-url", url)
    assert done.exit_code == 5
    assert "Write one in a user or a password as %40" in done.stdout
    assert "xyzzy" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "leaving", ["import sys; sys.exit('bye')", "class Own(BaseException): pass\nraise Own()"]
)
def test_a_script_that_leaves_python_has_failed(shop: Project, leaving: str) -> None:
    (shop.root / "zanith-verify.json").write_text("{}")
    shop.revision(leaving, rev_id="left")
    found = verdict(shop)
    assert (found["verdict"], found["failed_revision"]) == ("apply-failed", "left")
    assert not (shop.root / "zanith-verify.json").exists()


@pytest.mark.parametrize("revision", ["base", "base:head"])
def test_only_an_upgrade_is_rehearsed(shop: Project, revision: str) -> None:
    done = shop.alembic("zanith-verify", "--", revision)
    assert done.exit_code == 2
    assert f"{revision} is nothing to upgrade to" in done.stderr


def test_what_a_killed_rehearsal_has_left_is_named(shop: Project, database: Database) -> None:
    name = "_zanith_shadow_00000001"
    database.execute(
        f"CREATE SCHEMA {name}; COMMENT ON SCHEMA {name} IS 'Made by a rehearsal of alembic-zanith,"
        " to be thrown away. 2026-01-01 00:00:00 UTC'"
    )
    shop.revision("pass")
    done = verify(shop, "--topology", "schema")
    assert f"The schema {name} is left from a rehearsal of 2026-01-01 00:00:00 UTC" in done.stderr


# -- samples -----------------------------------------------------------------------------

SEQUENCES = (
    "id int GENERATED ALWAYS AS IDENTITY (INCREMENT BY -1 START WITH -1)",
    "id int GENERATED ALWAYS AS IDENTITY (START WITH 1000 MINVALUE 1000)",
    "id numeric DEFAULT nextval('s')",
    "id text DEFAULT 'A' || nextval('s')",
)


@pytest.mark.parametrize("column", SEQUENCES)
def test_sequences_of_all_kinds_go_on(shop: Project, database: Database, column: str) -> None:
    shop.revision(
        f"""\
        op.execute("CREATE SEQUENCE s; CREATE TABLE t ({column.replace("'", chr(39))}, n int);"
                   " ALTER SEQUENCE s OWNED BY t.id")
        """,
        rev_id="table",
    )
    shop.upgrade()
    database.execute(
        "INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (DEFAULT, 1), ('5', 2)"
        if "text" not in column
        else "INSERT INTO t VALUES (DEFAULT, 1), ('x', 2)"
    )
    # Where a text is made of it, nobody knows how far it has come.
    more = "op.execute('INSERT INTO t (n) VALUES (3)'); " if "text" not in column else ""
    shop.revision(f"{more}op.execute('ALTER TABLE t ADD UNIQUE (id)')")
    found = verdict(shop, "--sample", "5")
    assert (found["verdict"], found["failure"]) == ("ok", None)


def test_triggers_of_partitions_are_off_while_rows_are_copied(
    shop: Project, database: Database
) -> None:
    shop.revision(
        '''\
        op.execute("""
        CREATE TABLE log (n int);
        CREATE TABLE t (n int) PARTITION BY LIST (n);
        CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1, 2);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN INSERT INTO public.log VALUES (NEW.n); RETURN NEW; END $$;
        CREATE TRIGGER above AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TRIGGER own AFTER INSERT ON t1 FOR EACH ROW EXECUTE FUNCTION note();
        """)
        ''',
        rev_id="table",
    )
    shop.upgrade()
    database.execute("INSERT INTO t VALUES (1), (2); TRUNCATE log")
    shop.revision(
        """\
        assert op.get_bind().scalar(sa.text('SELECT count(*) FROM t')) == 2
        assert op.get_bind().scalar(sa.text('SELECT count(*) FROM log')) == 0
        op.execute('ALTER TABLE t ADD m int')
        op.execute('INSERT INTO t VALUES (1, 1)')
        assert op.get_bind().scalar(sa.text('SELECT count(*) FROM log')) == 2
        """
    )
    found = verdict(shop, "--sample", "10", "--no-rehearsals")
    assert (found["verdict"], found["failure"]) == ("ok", None)
    # What is locked of a partition is no surprise.
    assert texts(found) == []


def test_a_sample_of_which_nothing_is_left_is_a_finding(shop: Project, database: Database) -> None:
    shop.revision("op.execute('CREATE TABLE t (n int)')", rev_id="table")
    shop.upgrade()
    # By hand, so that the history knows nothing of it.
    database.execute("INSERT INTO t VALUES (1); ALTER TABLE t ALTER n TYPE text USING 'x'")
    shop.revision("op.execute('ALTER TABLE t ADD m int')")
    found = verdict(shop, "--sample", "10")
    (text,) = [each["text"] for each in found["findings"] if each["kind"] == "sample"]
    assert text.startswith("The sample of t: 1 left out: invalid input syntax")


def test_a_shadow_with_a_prepared_transaction_is_not_empty(
    shop: Project, make_database: MakeDatabase
) -> None:
    shadow = make_database()
    if int(str(shadow.scalar("SHOW max_prepared_transactions"))) == 0:
        pytest.skip("this server prepares no transactions")
    shadow.execute("BEGIN; CREATE TABLE precious (); PREPARE TRANSACTION 'p'")
    try:
        shop.revision("pass")
        url = shadow.url().render_as_string(hide_password=False)
        done = verify(shop, "--shadow-url", url)
        assert done.exit_code == 5
        assert "has transactions that are prepared" in done.stdout
    finally:
        shadow.execute("ROLLBACK PREPARED 'p'")


# -- dumps -------------------------------------------------------------------------------


def test_what_only_looks_like_public_or_an_extension_is_loaded(
    shop: Project, database: Database
) -> None:
    database.execute(
        """
        CREATE SCHEMA public_api; COMMENT ON SCHEMA public_api IS 'of ours';
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN EXECUTE 'COMMENT ON EXTENSION plpgsql IS NULL'; RETURN NEW; END $$;
        CREATE TRIGGER note AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION note();
        """
    )
    shop.revision("op.add_column('users', sa.Column('note', sa.Text))")
    shop.settings(pg_dump=str(database.server.bin("pg_dump")))
    found = verdict(shop, "--schema-from-production")
    assert (found["verdict"], found["failure"]) == ("ok", None)


def test_a_foreign_table_of_production_leads_nowhere(
    shop: Project, database: Database, make_database: MakeDatabase
) -> None:
    remote = make_database()
    remote.execute("CREATE TABLE r (n int); INSERT INTO r VALUES (1)")
    database.execute(
        f"""
        CREATE EXTENSION postgres_fdw;
        CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{database.server.host}',
            port '{database.server.port}', dbname '{remote.name}');
        CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (user 'postgres');
        CREATE FOREIGN TABLE r (n int) SERVER s;
        """
    )
    shop.settings(pg_dump=str(database.server.bin("pg_dump")))
    shop.revision("op.execute('DELETE FROM r')")
    found = verdict(shop, "--schema-from-production")
    assert found["verdict"] == "apply-failed"
    assert "user mapping not found" in found["failure"]
    assert remote.scalar("SELECT count(*) FROM r") == 1


@pytest.mark.parametrize(
    "function",
    [
        "LANGUAGE plpgsql AS $$ BEGIN PERFORM public.dblink_exec('{dsn}', 'DELETE FROM r');"
        " RETURN NEW; END $$",
        "LANGUAGE plpgsql AS $a$ BEGIN EXECUTE 'SELECT 1'; PERFORM public.called(); RETURN NEW; END $a$",
    ],
)
def test_a_trigger_of_production_reaches_nothing(
    shop: Project, database: Database, make_database: MakeDatabase, function: str
) -> None:
    remote = make_database()
    remote.execute("CREATE TABLE r (n int); INSERT INTO r VALUES (1)")
    dsn = f"host={database.server.host} port={database.server.port} user=postgres dbname={remote.name}"
    database.execute(
        f"""
        CREATE EXTENSION dblink;
        CREATE FUNCTION called() RETURNS text LANGUAGE sql AS
            $$ SELECT public.dblink_exec('{dsn}', 'DELETE FROM r') $$;
        CREATE FUNCTION far() RETURNS trigger {function.format(dsn=dsn)};
        CREATE TRIGGER far BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION far();
        """
    )
    shop.settings(pg_dump=str(database.server.bin("pg_dump")))
    shop.revision("op.execute('ALTER TABLE users ADD note text')", rev_id="note")
    # A function that nobody calls is in nobody's way.
    assert verdict(shop, "--schema-from-production", "--no-rehearsals")["failure"] is None
    shop.revision("op.execute('INSERT INTO users VALUES (9)')", rev_id="more")
    found = verdict(shop, "--schema-from-production")
    assert found["failed_revision"] == "more"
    assert remote.scalar("SELECT count(*) FROM r") == 1


def test_functions_of_types_of_ones_own_are_no_drift_in_a_schema(shop: Project) -> None:
    shop.revision(
        "op.execute('CREATE TYPE mood AS ENUM (); CREATE FUNCTION f(mood) RETURNS int"
        " LANGUAGE sql AS $$ SELECT 1 $$')"
    )
    shop.upgrade()
    done = shop.alembic("zanith-drift", "--topology", "schema")
    assert done.exit_code == 0, done.stdout
