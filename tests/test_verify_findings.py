"""What a rehearsal sees: locks, rewrites, rows; restores and the way back; samples and receipts."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from devtools.postgres import LocalPostgres
from tests.support.database import Database
from tests.support.project import Project
from tests.test_verify import verdict, verify

ORDERS = """\
op.create_table('users', sa.Column('id', sa.Integer, primary_key=True), sa.Column('code', sa.Text))
op.create_table(
    'orders',
    sa.Column('id', sa.Integer, primary_key=True),
    sa.Column('user_id', sa.Integer, sa.ForeignKey('users.id')),
    sa.Column('total', sa.Integer),
)
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """A project without models, whose production has two tables."""
    project.edit_env(r"^target_metadata = .*$", "target_metadata = None")
    project.revision(ORDERS, rev_id="first")
    project.upgrade()
    return project


def observed(project: Project, upgrade: str, *arguments: str) -> dict[str, Any]:
    """Return what is seen of the only operation of a pending revision."""
    project.revision(upgrade, rev_id="second")
    found = verdict(project, "--no-rehearsals", *arguments)
    assert found["verdict"] == "ok", found["failure"]
    return found


def texts(found: dict[str, Any]) -> list[str]:
    return [each["text"] for each in found["findings"] if each["kind"] != "not_compared"]


# -- observed ----------------------------------------------------------------------------


def test_the_lock_of_an_operation_is_told_beside_the_predicted_one(shop: Project) -> None:
    found = observed(shop, "op.create_index('ix', 'users', ['code'])")
    (operation,) = found["operations"]
    assert operation["predicted_lock"] == "SHARE"
    assert operation["locks"] == [{"relation": "users", "mode": "SHARE"}]
    assert texts(found) == []


def test_a_rewrite_is_seen(shop: Project) -> None:
    found = observed(shop, "op.alter_column('orders', 'total', type_=sa.BigInteger)")
    (operation,) = found["operations"]
    assert operation["rewritten"] == ["orders"]
    assert operation["predicted_rewrite"]
    assert operation["locks"] == [{"relation": "orders", "mode": "ACCESS EXCLUSIVE"}]
    assert texts(found) == []


def test_a_type_change_that_rewrites_nothing_is_seen_as_such(shop: Project) -> None:
    found = observed(
        shop, "op.alter_column('users', 'code', type_=sa.String(), existing_type=sa.Text())"
    )
    (operation,) = found["operations"]
    assert operation["rewritten"] == []


def test_a_lock_that_nobody_has_predicted_is_a_finding(shop: Project) -> None:
    found = observed(
        shop,
        """\
        op.execute('''CREATE FUNCTION tidy() RETURNS void LANGUAGE plpgsql AS
            $$ BEGIN EXECUTE 'ALTER TABLE or' || 'ders ALTER total TYPE numeric'; END $$''')
        op.execute('SELECT tidy()')
        """,
    )
    assert [each["kind"] for each in found["findings"]][:2] == [
        "unpredicted_lock",
        "unpredicted_rewrite",
    ]
    assert "takes ACCESS EXCLUSIVE on orders, which the plan does not say" in texts(found)[0]
    assert "writes orders anew" in texts(found)[1]
    assert found["findings"][0]["revision"] == "second"


def test_what_the_migrations_have_made_themselves_is_no_surprise(shop: Project) -> None:
    found = observed(
        shop,
        "op.create_table('t', sa.Column('id', sa.Integer))\nop.execute('LOCK TABLE t')",
    )
    assert texts(found) == []


def test_rows_are_counted(shop: Project, database: Database) -> None:
    database.execute("INSERT INTO users SELECT n, 'c' FROM generate_series(1, 30) n")
    found = observed(
        shop,
        "op.execute(\"DO $$ BEGIN UPDATE users SET code = 'd' WHERE id <= 20; END $$\")",
        "--sample",
        "100",
    )
    (operation,) = found["operations"]
    assert operation["rows"] == 20


def test_the_report_shows_both_sides(shop: Project) -> None:
    shop.revision("op.alter_column('orders', 'total', type_=sa.BigInteger)", rev_id="second")
    shown = verify(shop).succeeded().stdout
    (line,) = [line for line in shown.splitlines() if "alter_column_type" in line]
    assert re.search(
        r"second +alter_column_type orders\.total +high \(60\) +ACCESS EXCLUSIVE, rewrite +"
        r"ACCESS EXCLUSIVE on orders, rewrite of orders",
        line,
    )
    for stage in ("connect and reset", "replay and apply", "introspect", "compare with the models"):
        assert re.search(rf"{stage} +\d+\.\d\d s", shown)


def test_an_index_built_concurrently_can_be_rehearsed(shop: Project) -> None:
    found = observed(
        shop,
        """\
        with op.get_context().autocommit_block():
            op.create_index('ix', 'users', ['code'], postgresql_concurrently=True)
        """,
    )
    (operation,) = found["operations"]
    assert not operation["is_observed"]


# -- rehearsals --------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["soft_drop_column", "archive_column"])
def test_what_will_be_parked_is_brought_back_once(
    shop: Project, database: Database, operation: str
) -> None:
    database.execute("INSERT INTO users SELECT n, 'c' || n FROM generate_series(1, 30) n")
    shop.revision(
        f"op.{operation}('users', 'code')",
        "op.restore_column('users', sa.Column('code', sa.Text))",
    )
    found = verdict(shop, "--sample", "10")
    assert (found["verdict"], texts(found)) == ("ok", [])


def test_a_restore_that_fails_is_a_finding(shop: Project) -> None:
    """A trigger on DDL refuses what the restore does, but not the soft drop."""
    shop.revision(
        """\
        op.execute('''CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_query() LIKE '%RENAME COLUMN "_zanith%' THEN RAISE EXCEPTION 'not back'; END IF;
            END $$''')
        op.execute('CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no()')
        op.soft_drop_column('users', 'code')
        """,
        "op.execute('DROP EVENT TRIGGER no')",
    )
    found = verdict(shop)
    assert found["verdict"] == "ok"
    assert "What is parked of users.code does not come back: not back" in texts(found)[0]
    assert verdict(shop, "--strict")["verdict"] == "drift"


def test_what_a_split_parks_is_brought_back_as_well(shop: Project) -> None:
    shop.revision(
        """\
        op.execute('''CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_query() LIKE '%RENAME COLUMN "_zanith%' THEN RAISE EXCEPTION 'not back'; END IF;
            END $$''')
        op.execute('CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no()')
        op.split_column('users', 'code', into=[sa.Column('a', sa.Text)], using={'a': 'code'})
        """,
        "op.execute('DROP EVENT TRIGGER no')",
    )
    assert "What is parked of users.code does not come back: not back" in texts(verdict(shop))[0]


def test_a_downgrade_that_fails_is_a_finding(shop: Project) -> None:
    shop.revision("op.add_column('users', sa.Column('a', sa.Text))", "op.drop_column('users', 'b')")
    found = verdict(shop)
    assert found["verdict"] == "ok"
    (text,) = texts(found)
    assert text.startswith("There is no way back: downgrade() of revision ")
    assert 'column "b" of relation "users" does not exist' in text


def test_a_downgrade_that_leads_elsewhere_is_a_finding(shop: Project) -> None:
    shop.revision("op.add_column('users', sa.Column('a', sa.Text))", "pass")
    found = verdict(shop)
    differs, fails = texts(found)
    assert differs == (
        "The downgrade does not lead back to where it began: column users.a is new (text)."
    )
    assert fails.startswith("After the downgrade the upgrade does not run any more: ")


def test_an_upgrade_after_a_downgrade_that_differs_is_a_finding(shop: Project) -> None:
    shop.revision(
        """\
        exists = op.get_bind().scalar(sa.text("SELECT to_regclass('left_over') IS NOT NULL"))
        op.add_column('users', sa.Column('b' if exists else 'a', sa.Text))
        op.execute('CREATE TABLE IF NOT EXISTS left_over (id int)')
        """,
        "op.drop_column('users', 'a')",
    )
    found = verdict(shop)
    kinds = [each["kind"] for each in found["findings"] if each["kind"] != "not_compared"]
    assert kinds == ["downgrade_differs", "upgrade_differs"]
    assert "leads elsewhere" in texts(found)[1]


def test_strict_makes_a_finding_count(shop: Project) -> None:
    shop.revision("op.add_column('users', sa.Column('a', sa.Text))", "pass")
    found = verdict(shop, "--strict")
    assert found["verdict"] == "drift"
    assert found["receipt"] is None


# -- samples -----------------------------------------------------------------------------


def test_a_cast_that_fails_on_real_data_fails_on_the_shadow(
    shop: Project, database: Database
) -> None:
    database.execute("INSERT INTO users SELECT n, 'x' || n FROM generate_series(1, 50) n")
    before = database.fingerprint()
    shop.revision(
        "op.alter_column('users', 'code', type_=sa.Integer, postgresql_using='code::int')",
        rev_id="second",
    )
    assert verdict(shop)["verdict"] == "ok"
    found = verdict(shop, "--sample", "10")
    assert (found["verdict"], found["failed_revision"]) == ("apply-failed", "second")
    assert "invalid input syntax for type integer" in found["failure"]
    assert database.fingerprint() == before


def test_parents_come_with_their_children(shop: Project, database: Database) -> None:
    database.execute(
        "INSERT INTO users SELECT n, 'x' FROM generate_series(1, 500) n;"
        "INSERT INTO orders SELECT n, 501 - n, 1 FROM generate_series(1, 500) n; ANALYZE"
    )
    shop.revision("op.add_column('orders', sa.Column('note', sa.Text))", rev_id="second")
    for topology in ("database", "schema"):
        found = verdict(shop, "--sample", "20", "--topology", topology)
        assert (found["verdict"], found["failure"]) == ("ok", None)
        rows = {each["table"]: each["rows"] for each in found["sample"]}
        assert rows == {"orders": 20, "users": 20}


# -- from production's schema ------------------------------------------------------------


@pytest.fixture
def pg_dump(shop: Project, database: Database) -> str:
    program = str(database.server.bin("pg_dump"))
    shop.settings(pg_dump=program)
    return program


def test_a_rehearsal_can_start_from_productions_schema(
    shop: Project, database: Database, pg_dump: str
) -> None:
    first = next(shop.versions.glob("first_*.py"))
    first.write_text(first.read_text().replace("op.create_table", "op.no_such_thing"))
    shop.revision(
        "op.add_column('users', sa.Column('a', sa.Text))",
        "op.drop_column('users', 'a')",
        rev_id="second",
    )
    assert verdict(shop)["verdict"] == "apply-failed"
    before = database.fingerprint()
    found = verdict(shop, "--schema-from-production")
    assert (found["verdict"], found["failure"], texts(found)) == ("ok", None, [])
    assert found["stages"][1]["note"] == "from production's schema"
    assert database.fingerprint() == before


def test_a_missing_pg_dump_is_told(shop: Project) -> None:
    shop.settings(pg_dump="/nowhere/pg_dump")
    found = verdict(shop, "--schema-from-production")
    assert found["verdict"] == "apply-failed"
    assert "There is no program '/nowhere/pg_dump'" in found["failure"]


# -- receipts ----------------------------------------------------------------------------


@pytest.fixture
def verified(shop: Project) -> Project:
    """A project in mode production with a good receipt for its pending revision."""
    shop.revision(
        "op.add_column('users', sa.Column('a', sa.Text))",
        "op.drop_column('users', 'a')",
        rev_id="second",
    )
    found = verdict(shop)
    assert found["receipt"] == "zanith-verify.json"
    return shop


def receipt(project: Project) -> Path:
    return project.root / "zanith-verify.json"


def test_the_receipt_opens_production(verified: Project, database: Database) -> None:
    verified.alembic("upgrade", "head", "--mode", "production", "--shadow-verified").succeeded()
    assert (
        database.scalar(
            "SELECT count(*) FROM pg_attribute WHERE attname = 'a' AND attrelid = 'users'::regclass"
        )
        == 1
    )


def test_it_is_good_for_exactly_what_was_rehearsed(verified: Project, database: Database) -> None:
    """What else makes it no good is in test_receipt.py."""
    before = database.fingerprint()
    script = next(verified.versions.glob("second_*.py"))
    source = script.read_text()
    script.write_text(source + "# later\n")
    shown = verified.alembic("upgrade", "head", "--shadow-verified").failed().output
    assert "second" in shown
    script.write_text(source)
    verified.revision("op.add_column('users', sa.Column('b', sa.Text))", rev_id="third")
    shown = verified.alembic("upgrade", "head", "--shadow-verified").failed().output
    assert "third" in shown
    receipt(verified).rename(verified.root / "elsewhere.json")
    shown = verified.alembic("upgrade", "second", "--shadow-verified").failed().output
    assert "zanith-verify" in shown
    assert database.fingerprint() == before
    (verified.root / "elsewhere.json").rename(receipt(verified))
    verified.alembic("upgrade", "second", "--shadow-verified").succeeded()


def test_a_rehearsal_that_fails_takes_an_older_receipt_away(verified: Project) -> None:
    verified.revision("op.execute('SELECT 1/0')")
    assert verdict(verified)["verdict"] == "apply-failed"
    assert not receipt(verified).exists()


def test_what_was_found_out_is_shown_where_no_file_can_be_written(shop: Project) -> None:
    shop.revision("op.add_column('users', sa.Column('a', sa.Text))", "op.drop_column('users', 'a')")
    for option in ("--receipt", "--output"):
        done = shop.alembic("zanith-verify", option, "/nowhere/file")
        assert done.exit_code == 2
        assert "Verdict: ok" in done.stdout
        assert "/nowhere/file: No such file or directory" in done.stderr


def test_a_downgrade_needs_no_receipt(shop: Project) -> None:
    shop.alembic("downgrade", "base", "--mode", "production", "--shadow-verified").succeeded()


# -- servers that go away ----------------------------------------------------------------


def test_a_shadow_that_is_killed_in_the_middle_is_told(shop: Project, database: Database) -> None:
    """Two servers on two ports; that of the shadow goes while a migration runs on it."""
    second = LocalPostgres.start(in_memory=True)
    try:
        shadow = Database.create(second)
        shop.revision("op.execute('SELECT pg_sleep(30)')")
        before = database.fingerprint()
        killer = threading.Thread(target=_kill_when_asleep, args=(shadow, second))
        killer.start()
        url = shadow.url().render_as_string(hide_password=False)
        found = verdict(shop, "--shadow-url", url)
        killer.join()
        assert found["verdict"] == "shadow-unreachable"
        assert "The connection to the shadow was lost" in found["failure"]
        assert database.fingerprint() == before
    finally:
        second.stop()


def _kill_when_asleep(shadow: Database, server: LocalPostgres) -> None:
    asleep = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND"
        " wait_event = 'PgSleep'"
    )
    while not shadow.scalar(asleep):
        time.sleep(0.1)
    server.stop()


def test_a_script_that_connects_by_itself_is_kept_from_it(
    shop: Project, database: Database
) -> None:
    database.execute("INSERT INTO users VALUES (1, 'kept')")
    url = database.url().render_as_string(hide_password=False)
    shop.revision(
        f"""\
        engine = sa.create_engine({url!r})
        with engine.begin() as connection:
            connection.execute(sa.text('DELETE FROM users'))
        """
    )
    found = verdict(shop)
    assert found["verdict"] == "apply-failed"
    assert "connects to a database by itself" in found["failure"]
    assert database.scalar("SELECT count(*) FROM users") == 1


def test_a_script_that_connects_with_a_driver_is_not_run(shop: Project, database: Database) -> None:
    database.execute("INSERT INTO users VALUES (1, 'kept')")
    url = database.url().set(drivername="postgresql").render_as_string(hide_password=False)
    shop.revision(
        f"""\
        import psycopg
        with psycopg.connect({url!r}) as connection:
            connection.execute('DELETE FROM users')
        """
    )
    found = verdict(shop)
    assert found["verdict"] == "apply-failed"
    assert "would reach a database or a program by itself" in found["failure"]
    assert database.scalar("SELECT count(*) FROM users") == 1
