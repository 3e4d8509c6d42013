"""The verbs of `alembic zanith-recover`, as a user types them."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    soft_drop_column,
    soft_drop_table,
)
from tests.support.database import Database
from tests.support.project import Project
from tests.support.running import Result
from tests.support.terminal import run_on_terminal

SHOP = """
CREATE TABLE users (id int PRIMARY KEY, legacy_uuid uuid, note text NOT NULL DEFAULT '');
INSERT INTO users SELECT i, md5(i::text)::uuid, 'note ' || i FROM generate_series(1, 5000) i;
CREATE TABLE audit_log (id int PRIMARY KEY, what text);
INSERT INTO audit_log VALUES (1, 'login'), (2, 'logout');
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """A project whose database has a table and two columns parked."""
    project.database.execute(SHOP)
    with project.database.begin() as connection:
        soft_drop_column(connection, "users", "legacy_uuid")
        archive_column(connection, "users", "note")
        soft_drop_table(connection, "audit_log", retention_days=None)
    return project


def recover(project: Project, *arguments: str, **options: Any) -> Result:
    return project.alembic("zanith-recover", *arguments, **options)


def listed(project: Project, *arguments: str) -> list[dict[str, Any]]:
    found = json.loads(recover(project, "list", "--json", *arguments).succeeded().stdout)
    assert isinstance(found, list)
    return found


def id_of(project: Project, source: str) -> str:
    (artifact_id,) = [each["id"] for each in listed(project, "--all") if each["source"] == source]
    return str(artifact_id)


def backdate(database: Database, days: int) -> None:
    database.execute(
        f"UPDATE _zanith_migration_artifacts SET created_at = created_at - interval '{days} days',"
        f" expires_at = expires_at - interval '{days} days'"
    )


# --------------------------------------------------------------------------------- list


def test_list_shows_the_newest_first_with_what_matters(shop: Project) -> None:
    header, *lines = recover(shop, "list").succeeded().stdout.splitlines()
    assert header.split() == ["Source", "Kind", "Rows", "Size", "Age", "Expires", "Id"]
    columns = [re.split(r"\s{2,}", line) for line in lines]
    assert [row[0] for row in columns] == ["audit_log", "users.note", "users.legacy_uuid"]
    assert columns[1][1:3] == ["archive_column", "5,000"]
    assert re.fullmatch(r"\d+ kB", columns[1][3])
    assert [row[5] for row in columns] == ["never", "in 30d", "in 30d"]
    assert columns[0][6] == id_of(shop, "audit_log")


def test_list_as_json_has_every_field_of_the_artifact(shop: Project) -> None:
    newest = listed(shop)[0]
    assert newest["source"] == "audit_log"
    assert newest["kind"] == "soft_drop_table"
    assert newest["status"] == "live"
    assert newest["present"] is True
    assert newest["expires_at"] is None
    assert newest["database"] == shop.database.name
    assert newest["size_bytes"] > 0


def test_what_was_restored_is_listed_only_with_all(shop: Project) -> None:
    recover(shop, "restore-table", "audit_log", "--as", "audit_old").succeeded()
    assert [each["source"] for each in listed(shop)] == ["users.note", "users.legacy_uuid"]
    restored = listed(shop, "--all")[0]
    assert (restored["status"], restored["restored_as"]) == ("restored", "audit_old")
    text = recover(shop, "list", "--all").succeeded().stdout
    assert re.search(r"audit_log .* restored \d+s ago as audit_old\n", text)


def test_list_where_nothing_was_ever_parked_is_no_error(project: Project) -> None:
    result = recover(project, "list").succeeded()
    assert result.stdout == "Nothing is parked.\n"
    assert listed(project) == []
    assert project.database.rows("SELECT FROM pg_class WHERE relname LIKE '%zanith%'") == []


def test_list_says_when_the_data_is_gone(shop: Project) -> None:
    shop.database.execute("DROP SCHEMA _zanith_archive CASCADE")
    assert re.search(r"users\.note .* data gone ", recover(shop, "list").succeeded().stdout)


def test_rows_of_soft_drops_are_estimated_as_the_planner_does(shop: Project) -> None:
    shop.database.execute("ANALYZE")
    assert re.search(r"legacy_uuid  soft_drop_column +~5,000 ", recover(shop, "list").stdout)


def test_names_cannot_play_tricks_on_a_terminal(project: Project) -> None:
    name = 'we"ird.\x1b[2J[bold]\nname'
    quoted = '"' + name.replace('"', '""') + '"'
    project.database.execute(f"CREATE TABLE {quoted} (id int)")
    with project.database.begin() as connection:
        soft_drop_table(connection, name)
    result = recover(project, "list").succeeded()
    assert "\x1b" not in result.stdout
    assert len(result.stdout.splitlines()) == 2
    assert r'"we""ird.\x1b[2J[bold]\nname"' in result.stdout
    assert listed(project)[0]["source_table"] == name
    recover(project, "restore-table", quoted).succeeded()


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_on_a_terminal_of_any_width_ids_are_whole(shop: Project, columns: int) -> None:
    result = run_on_terminal(shop.root, "zanith-recover", "list", columns=columns).succeeded()
    assert [line for line in result.stdout.splitlines() if len(line) > columns] == []
    for artifact in listed(shop):
        assert artifact["id"] in result.stdout


# ------------------------------------------------------------------------------ inspect


def test_inspect_shows_definition_plan_and_integrity(shop: Project) -> None:
    text = recover(shop, "inspect", "users.note").succeeded().stdout
    assert re.search(r"^Source +users\.note$", text, re.MULTILINE)
    assert re.search(r"^Parked as +_zanith_archive\._zanith_archived_users_note_", text, re.M)
    assert re.search(r"^Integrity +matches", text, re.MULTILINE)
    assert '"holdings": [' in text
    plan = text.partition("Recovery plan\n")[2]
    assert plan.startswith("-- Brings back users.note")
    assert shop.database.psql(plan) == ""
    assert shop.database.scalar("SELECT note FROM users WHERE id = 7") == "note 7"


def test_inspect_as_json_is_complete(shop: Project) -> None:
    artifact_id = id_of(shop, "users.legacy_uuid")
    found = json.loads(recover(shop, "inspect", artifact_id[:4], "--json").succeeded().stdout)
    assert found["id"] == artifact_id
    assert found["matches"] is True
    assert found["checksum"] == found["actual_checksum"]
    assert found["definition"]["column"]["type"] == "uuid"
    assert "RENAME COLUMN" in found["plan_sql"]


def test_inspect_tells_what_was_tampered_with(shop: Project) -> None:
    table = listed(shop)[1]["parked"]
    shop.database.execute(f"UPDATE {table} SET value = 'changed' WHERE key_1 = 7")
    text = recover(shop, "inspect", "users.note").succeeded().stdout
    assert re.search(r"^Integrity +DOES NOT MATCH: it is [0-9a-f]{32} now$", text, re.MULTILINE)
    found = json.loads(recover(shop, "inspect", "users.note", "--json").succeeded().stdout)
    assert found["matches"] is False


def test_inspect_of_what_was_restored_says_so(shop: Project) -> None:
    recover(shop, "restore-table", "audit_log").succeeded()
    text = recover(shop, "inspect", "audit_log").succeeded().stdout
    assert "nothing to check: it was restored" in text
    assert re.search(r"^Restored as +audit_log$", text, re.MULTILINE)


# ------------------------------------------------------------------------------ restore


def test_restore_column_brings_it_back_and_is_idempotent(shop: Project) -> None:
    first = recover(shop, "restore-column", "users.legacy_uuid").succeeded()
    assert re.match(r"Restored users\.legacy_uuid from soft_drop_column \w{8}\.\n", first.stdout)
    again = recover(shop, "restore-column", "users.legacy_uuid").succeeded()
    assert "is restored already" in again.stdout
    assert shop.database.scalar("SELECT count(legacy_uuid) FROM users") == 5000


@pytest.mark.parametrize(
    ("verb", "target", "other"),
    [
        ("restore-table", "users.legacy_uuid", "restore-column"),
        ("restore-column", "audit_log", "restore-table"),
    ],
)
def test_the_wrong_verb_is_answered_with_the_right_one(
    shop: Project, verb: str, target: str, other: str
) -> None:
    failed = recover(shop, verb, target).failed()
    assert f"`alembic zanith-recover {other} {target}`" in failed.stderr


def test_restore_by_id_under_another_name(shop: Project) -> None:
    artifact_id = id_of(shop, "users.note")
    arguments = ("users.note", "--artifact", artifact_id, "--as", "old_note")
    text = recover(shop, "restore-column", *arguments).succeeded().stdout
    assert text.startswith(
        f"Restored users.note as users.old_note from archive_column {artifact_id}"
    )
    assert shop.database.scalar("SELECT old_note FROM users WHERE id = 7") == "note 7"


def test_a_dry_run_prints_sql_that_psql_can_run(shop: Project) -> None:
    before = shop.database.dump()
    plan = recover(shop, "restore-table", "audit_log", "--dry-run").succeeded().stdout
    assert shop.database.dump() == before
    assert plan.startswith("-- Would restore audit_log as audit_log from soft_drop_table")
    shop.database.psql(plan)
    assert shop.database.scalar("SELECT count(*) FROM audit_log") == 2


def test_a_restore_reports_what_is_not_as_it_was(shop: Project) -> None:
    shop.database.execute("DELETE FROM users WHERE id <= 3; INSERT INTO users VALUES (9001)")
    result = recover(shop, "restore-column", "users.note", "--json", "--fill", "'new'").succeeded()
    report = json.loads(result.stdout)
    assert report["orphaned_rows"] == 3
    assert report["rows_without_value"] == 1
    assert report["artifact"]["source"] == "users.note"
    assert shop.database.scalar("SELECT note FROM users WHERE id = 9001") == "new"


def test_a_refused_restore_changes_nothing_and_offers_the_ways_on(shop: Project) -> None:
    shop.database.execute("ALTER TABLE users ADD COLUMN legacy_uuid int")
    before = shop.database.dump()
    result = recover(shop, "restore-column", "users.legacy_uuid").failed()
    assert result.exit_code == 1
    assert result.stderr.startswith("FAILED: ")
    assert "--as" in result.stderr
    assert shop.database.dump() == before


# ------------------------------------------------------------------------------- export


def test_export_to_a_file_that_only_its_owner_can_read(shop: Project) -> None:
    previous = os.umask(0)
    try:
        result = recover(shop, "export", "users.note", "--output", "notes.jsonl").succeeded()
    finally:
        os.umask(previous)
    file = shop.root / "notes.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().splitlines()[6] == '{"id":7,"note":"note 7"}'
    assert re.fullmatch(r"Exported 5,000 rows of users\.note \(\d+ kB\) to .*\n", result.stdout)
    assert sorted(path.name for path in shop.root.iterdir() if path.name.startswith(".")) == []


def test_export_never_replaces_a_file_unasked(shop: Project) -> None:
    file = shop.root / "notes.csv"
    file.write_text("precious")
    result = recover(shop, "export", "users.note", "-o", "notes.csv").failed()
    assert "--force" in result.stderr
    assert file.read_text() == "precious"
    recover(shop, "export", "users.note", "-o", "notes.csv", "--force").succeeded()
    assert file.read_text().startswith("id,note\n1,note 1\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_failed_export_leaves_no_file(shop: Project) -> None:
    before = sorted(shop.root.iterdir())
    recover(shop, "export", "users.nothing", "-o", "notes.csv").failed()
    shop.database.execute("DROP SCHEMA _zanith_archive CASCADE")
    recover(shop, "export", "users.note", "-o", "notes.csv").failed()
    assert "is a folder" in recover(shop, "export", "audit_log", "-o", ".").failed().stderr
    assert "No such file" in recover(shop, "export", "audit_log", "-o", "no/x").failed().stderr
    assert sorted(shop.root.iterdir()) == before


@pytest.mark.parametrize("arguments", [(), ("--output", "-")])
def test_export_to_standard_output_is_the_rows_and_nothing_else(
    shop: Project, arguments: tuple[str, ...]
) -> None:
    """Even where env.py prints and the engine echoes its SQL to standard output."""
    shop.edit_env(r"poolclass=pool\.NullPool", "poolclass=pool.NullPool, echo=True")
    shop.edit_env(r"^from alembic import context", 'from alembic import context\nprint("noise")')
    result = shop.alembic_subprocess("zanith-recover", "export", "audit_log", *arguments)
    assert result.succeeded().stdout == "id,what\n1,login\n2,logout\n"
    assert "noise" in result.stderr
    found = json.loads(shop.alembic_subprocess("zanith-recover", "list", "--json").stdout)
    assert len(found) == 3


def test_export_into_a_pipe_that_closes_early_is_no_traceback(shop: Project) -> None:
    shop.database.execute("INSERT INTO users SELECT i FROM generate_series(10000, 300000) i")
    command = "alembic zanith-recover export users.legacy_uuid | head -1"
    path = f"{Path(os.sys.executable).parent}:{os.environ['PATH']}"  # type: ignore[attr-defined]
    done = subprocess.run(
        command,
        shell=True,
        cwd=shop.root,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "id,legacy_uuid\n"
    assert "Traceback" not in done.stderr
    assert "FAILED" not in done.stderr


def test_a_terminal_shows_progress_only_while_rows_go_elsewhere(shop: Project) -> None:
    shop.database.execute("INSERT INTO users SELECT i FROM generate_series(10000, 300000) i")
    arguments = ("zanith-recover", "export", "users.legacy_uuid")
    shown = run_on_terminal(shop.root, *arguments, "-o", "uuids.csv").succeeded()
    assert re.search(r"users\.legacy_uuid .*\d+/.* rows", shown.stdout)
    file = shop.root / "redirected.csv"
    with file.open("wb") as output:
        shown = run_on_terminal(shop.root, *arguments, stdout=output.fileno()).succeeded()
    assert re.search(r"users\.legacy_uuid .*\d+/.* rows", shown.stdout)
    assert file.read_bytes() == (shop.root / "uuids.csv").read_bytes()


def test_the_name_of_the_file_says_the_format_unless_told(shop: Project) -> None:
    for name, form, start in (
        ("a.json", (), "[\n{"),
        ("a.jsonl", (), '{"id"'),
        ("a.dat", (), "id,what"),
        ("b.json", ("--format", "csv"), "id,what"),
    ):
        recover(shop, "export", "audit_log", "-o", name, *form).succeeded()
        assert (shop.root / name).read_text().startswith(start)


# ------------------------------------------------------------------------ purge, cleanup


def test_purge_asks_on_a_terminal(shop: Project) -> None:
    refused = run_on_terminal(shop.root, "zanith-recover", "purge", "audit_log", typed="n\n")
    assert refused.exit_code == 1
    assert re.search(r"Purge audit_log \(soft_drop_table \w{8}.*for good", refused.stdout, re.S)
    assert len(listed(shop)) == 3
    run_on_terminal(shop.root, "zanith-recover", "purge", "audit_log", typed="y\n").succeeded()
    assert len(listed(shop)) == 2


def test_purge_without_anybody_to_ask_refuses(shop: Project) -> None:
    result = recover(shop, "purge", "audit_log", stdin="y\n").failed()
    assert "Nothing was purged" in result.stderr
    assert "--yes" in result.stderr
    assert len(listed(shop)) == 3
    done = recover(shop, "purge", "audit_log", "--yes").succeeded()
    assert re.match(r"Purged audit_log \(soft_drop_table \w{8}, .*\d+ kB\)\n", done.stdout)
    assert len(listed(shop)) == 2


def test_cleanup_prints_one_line_a_purge_and_none_for_nothing(shop: Project) -> None:
    assert recover(shop, "cleanup", "--older-than", "30d").succeeded().stdout == ""
    backdate(shop.database, 31)
    preview = recover(shop, "cleanup", "--older-than", "30d", "--dry-run").succeeded().stdout
    assert [line.split()[:3] for line in preview.splitlines()] == [
        ["Would", "purge", "users.legacy_uuid"],
        ["Would", "purge", "users.note"],
    ]
    done = recover(shop, "cleanup", "--older-than", "30d").succeeded().stdout
    assert [line.split()[:2] for line in done.splitlines()] == [
        ["Purged", "users.legacy_uuid"],
        ["Purged", "users.note"],
    ]
    assert [each["source"] for each in listed(shop)] == ["audit_log"]


def test_cleanup_without_an_age_takes_what_has_expired(shop: Project) -> None:
    backdate(shop.database, 29)
    assert json.loads(recover(shop, "cleanup", "--json").succeeded().stdout) == []
    backdate(shop.database, 1)
    purged = json.loads(recover(shop, "cleanup", "--json").succeeded().stdout)
    assert [each["source"] for each in purged] == ["users.legacy_uuid", "users.note"]
    assert all(each["dropped"] for each in purged)


def test_cleanup_that_fails_in_part_says_so_and_does_the_rest(shop: Project) -> None:
    column = listed(shop)[2]["parked_column"]
    shop.database.execute(f'CREATE VIEW v AS SELECT "{column}" FROM users')
    result = recover(shop, "cleanup", "--older-than", "0d").failed()
    assert result.exit_code == 1
    assert result.stderr.startswith("Not purged: users.legacy_uuid")
    assert result.stdout.startswith("Purged users.note")
    assert [each["source"] for each in listed(shop)] == ["audit_log", "users.legacy_uuid"]


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1.5h", "30 months", "", "99999999w"])
def test_an_age_that_is_none_is_wrong_usage(project: Project, age: str) -> None:
    result = recover(project, "cleanup", "--older-than", age)
    assert result.exit_code == 2
    assert "--older-than" in result.stderr


@pytest.mark.parametrize("age", ["0d", "90m", "12h", "30d", "2w", " 2 w "])
def test_an_age_has_a_unit(project: Project, age: str) -> None:
    recover(project, "cleanup", "--older-than", age).succeeded()


# --------------------------------------------------------------------------------- help


def test_help_of_every_verb(project: Project) -> None:
    text = recover(project, "--help").succeeded().stdout
    verbs = ["cleanup", "export", "inspect", "list", "purge", "restore-column", "restore-table"]
    for verb in verbs:
        assert re.search(rf"^  {verb} +\w", text, re.MULTILINE)
        page = recover(project, verb, "--help").succeeded().stdout
        assert page.startswith(f"Usage: alembic zanith-recover {verb} ")
    assert "..." not in text.partition("Commands:")[2]


def test_quiet_prints_data_but_no_chatter(shop: Project) -> None:
    assert shop.alembic("-q", "zanith-recover", "restore-table", "audit_log").stdout == ""
    assert "users.note" in shop.alembic("-q", "zanith-recover", "list").stdout
    with shop.database.begin() as connection:
        archive_table(connection, "audit_log")
    assert shop.alembic("-q", "zanith-recover", "purge", "audit_log", "--yes").stdout == ""
