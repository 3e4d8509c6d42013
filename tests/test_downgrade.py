"""What `alembic downgrade` finds when things have happened since the upgrade; `--sql`; SQLite."""

from __future__ import annotations

import re

import pytest

from tests.support.journey import AUDIT, LEGACY, USERS, Journey
from tests.support.project import Project, Script


@pytest.fixture
def journey(project: Project) -> Journey:
    """A project with rows, whose newest revision has parked a column and a table."""
    journey = Journey(project)
    journey.with_rows()
    return journey


@pytest.mark.majors
def test_after_a_purge_the_structure_comes_back_empty_with_a_warning(journey: Journey) -> None:
    database = journey.project.database
    structure = database.dump("--schema-only")
    journey.drops()
    journey.alembic("upgrade", "head")
    for target in ("users.legacy_code", "audit"):
        journey.alembic("zanith-recover", "purge", target, "--yes")
    result = journey.project.downgrade()
    assert "users.legacy_code came back empty" in result.output
    assert "audit came back empty" in result.output
    assert database.dump("--schema-only") == structure
    assert database.rows("SELECT count(*), count(legacy_code) FROM users") == [(60, 0)]
    assert database.scalar("SELECT count(*) FROM audit") == 0
    before = database.dump()
    journey.alembic("upgrade", "head")
    assert journey.is_up_to_date()
    assert "came back empty" not in journey.project.downgrade().output
    assert database.dump() == before


def test_after_a_cleanup_what_is_left_comes_back_with_its_rows(journey: Journey) -> None:
    database = journey.project.database
    journey.drops()
    journey.alembic("upgrade", "head")
    database.execute(
        "UPDATE _zanith_migration_artifacts SET expires_at = now() - interval '1 day' "
        "WHERE source_column IS NULL"
    )
    assert "Purged audit" in journey.alembic("zanith-recover", "cleanup")
    output = journey.project.downgrade().output
    assert "audit came back empty" in output
    assert "users.legacy_code came back empty" not in output
    assert database.rows("SELECT count(*), count(legacy_code) FROM users") == [(60, 40)]


def test_rows_that_came_and_went_meanwhile_are_reported(journey: Journey) -> None:
    """A foreign key whose parent rows are gone comes back NOT VALID; nothing is guessed."""
    database = journey.project.database
    journey.drops()
    journey.alembic("upgrade", "head")
    database.execute(
        "DELETE FROM users WHERE id IN (5, 6); INSERT INTO users (id, email) VALUES (100, 'new')"
    )
    output = journey.project.downgrade().output
    assert "audit_user_id_fkey" in output
    assert "NOT VALID" in output
    assert database.scalar("SELECT count(*) FROM audit") == 40
    assert database.rows("SELECT legacy_code FROM users WHERE id IN (7, 100) ORDER BY id") == [
        ("code 7",),
        (None,),
    ]
    valid = "SELECT convalidated FROM pg_constraint WHERE conname = 'audit_user_id_fkey'"
    assert database.scalar(valid) is False


def test_what_no_longer_fits_stops_the_downgrade_and_says_what_to_do(journey: Journey) -> None:
    database = journey.project.database
    database.execute(
        "UPDATE users SET legacy_code = 'x' || id WHERE legacy_code IS NULL;"
        "ALTER TABLE users ALTER legacy_code SET NOT NULL"
    )
    script = journey.drops()
    journey.alembic("upgrade", "head")
    database.execute("INSERT INTO users (id, email) VALUES (100, 'new')")
    parked = database.dump()
    output = journey.project.alembic("downgrade", "-1").failed().output
    assert "FAILED: " in output
    assert "(in a revision: fill=)" in output
    assert "(in a revision: relax=True)" in output
    assert database.dump() == parked
    # What the message offers works where the downgrade is, too.
    call = r"(op\.restore_column\('users',.*?)\n    \)\n"
    filled = r"""\1,\n    fill="'none'"\n    )\n"""
    source, count = re.subn(call, filled, script.source, count=1, flags=re.DOTALL)
    assert count == 1
    script.path.write_text(source)
    journey.alembic("downgrade", "-1")
    codes = "SELECT legacy_code FROM users WHERE id IN (7, 100) ORDER BY id"
    assert database.rows(codes) == [("code 7",), ("none",)]


@pytest.mark.parametrize("strategy", ["soft_drop", "archive"])
def test_up_and_down_again_and_again(project: Project, strategy: str) -> None:
    project.settings(drop_strategy=strategy)
    journey = Journey(project)
    journey.with_rows()
    before = project.database.dump()
    project.write_models(USERS)
    journey.autogenerate("less")
    for _ in range(3):
        journey.alembic("upgrade", "head")
        assert journey.is_up_to_date()
        journey.alembic("downgrade", "-1")
        assert project.database.dump() == before
    restored = "SELECT count(*) FROM _zanith_migration_artifacts WHERE status = 'restored'"
    assert project.database.scalar(restored) == 6


def test_sql_mode_refuses_the_drop_and_its_way_back(journey: Journey) -> None:
    project = journey.project
    script = journey.drops()
    after = project.revision("op.execute('SELECT 42')")
    before = project.database.dump()
    for command, span in (("upgrade", "base:head"), ("downgrade", "head:base")):
        refused = project.alembic(command, span, "--sql", "--allow-destructive").failed()
        assert "cannot be written as SQL ahead of time" in refused.output
        assert "FAILED: " in refused.output
    # The revisions before and after it are SQL as ever.
    first = project.alembic("upgrade", "--sql", f"base:{base_of(script)}").succeeded()
    assert "CREATE TABLE users" in first.stdout
    last = project.alembic("upgrade", "--sql", f"{script.id}:{after}").succeeded()
    assert "SELECT 42" in last.stdout
    assert project.database.dump() == before


def base_of(script: Script) -> str:
    (line,) = [line for line in script.source.splitlines() if line.startswith("Revises: ")]
    return line.removeprefix("Revises: ")


@pytest.fixture
def on_sqlite(project: Project) -> Project:
    """A project on SQLite that imports the package."""
    ini = project.root / "alembic.ini"
    url = project.database.url().render_as_string(hide_password=False)
    ini.write_text(ini.read_text().replace(url, "sqlite:///shop.db"))
    return project


def test_a_project_on_sqlite_runs_on_as_without_the_package(on_sqlite: Project) -> None:
    on_sqlite.write_models(USERS + AUDIT)
    on_sqlite.autogenerate("everything")
    on_sqlite.upgrade()
    on_sqlite.write_models(USERS)
    script = on_sqlite.autogenerate("less")
    assert "op.drop_table('audit')" in script.source
    assert "zanith" not in script.source
    on_sqlite.upgrade()
    on_sqlite.alembic("check").succeeded()
    on_sqlite.downgrade("base")
    on_sqlite.upgrade()
    refused = on_sqlite.alembic("zanith-recover", "list").failed()
    assert "FAILED: Nothing can be parked on sqlite" in refused.output
    assert "PostgreSQL only" in refused.output


def test_on_sqlite_a_soft_drop_names_what_to_write_instead(on_sqlite: Project) -> None:
    on_sqlite.write_models(USERS + LEGACY)
    on_sqlite.autogenerate("everything")
    on_sqlite.upgrade()
    on_sqlite.revision("op.soft_drop_column('users', 'legacy_code')")
    refused = on_sqlite.alembic("upgrade", "head").failed()
    assert "soft_drop_column('users', 'legacy_code') works on PostgreSQL only" in refused.output
    assert "op.drop_column" in refused.output


def test_what_is_there_again_is_left_as_it_is_although_its_record_is_gone(
    journey: Journey,
) -> None:
    database = journey.project.database
    before = database.dump()
    journey.drops()
    journey.alembic("upgrade", "head")
    journey.alembic("zanith-recover", "restore-column", "users.legacy_code")
    journey.alembic("zanith-recover", "restore-table", "audit")
    journey.alembic("zanith-recover", "cleanup", "--older-than", "0d")
    assert database.scalar("SELECT count(*) FROM _zanith_migration_artifacts") == 0
    output = journey.project.downgrade().output
    for name in ("users.legacy_code", "audit"):
        assert f"{name} is there already, as the definition in the script has it" in output
    assert database.dump() == before


def test_but_not_where_it_is_of_another_type(journey: Journey) -> None:
    journey.drops()
    journey.alembic("upgrade", "head")
    journey.alembic("zanith-recover", "purge", "users.legacy_code", "--yes")
    journey.project.database.execute("ALTER TABLE users ADD legacy_code bytea")
    unrecorded = {"ZANITH_AUDIT": "off"}
    before = journey.project.database.dump_of_all()
    failed = journey.project.alembic("downgrade", "-1", env=unrecorded).failed()
    assert "users.legacy_code exists, and nothing is parked that could come back" in failed.output
    assert journey.project.database.dump_of_all() == before
