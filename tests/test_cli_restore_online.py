"""`alembic zanith-recover restore-column --online`, as a user types it."""

from __future__ import annotations

import json

import pytest

from alembic_zanith.locking.connections import backend_pid
from alembic_zanith.movement.walk import Walk
from alembic_zanith.recovery import archive_column, soft_drop_column
from tests.conftest import MakeProject
from tests.support.online import leftovers, online
from tests.support.project import Project
from tests.test_cli_recover import recover

SETUP = """
CREATE TABLE users (id integer PRIMARY KEY, note text NOT NULL DEFAULT '', nick text);
CREATE INDEX by_note ON users (note);
INSERT INTO users SELECT n, 'note ' || n, n FROM generate_series(1, 300) AS n;
"""


def _archived(project: Project) -> Project:
    project.database.execute(SETUP)
    project.database.do(archive_column, "users", "note")
    return project


@pytest.mark.parametrize(
    ("template", "driver"),
    [("generic", "psycopg"), ("generic", "psycopg2"), ("async", "asyncpg"), ("pyproject", None)],
)
def test_it_brings_a_column_back(
    make_project: MakeProject, template: str, driver: str | None
) -> None:
    project = make_project(template, driver)
    project.database.execute(SETUP)
    project.database.do(archive_column, "users", "note")
    arguments = (
        "restore-column",
        "users.note",
        "--online",
        "--batch-size",
        "70",
        "--pause",
        "0.01",
    )
    said = recover(project, *arguments).succeeded()
    assert said.stdout.startswith("Restored users.note from archive_column ")
    assert project.database.scalar("SELECT count(*) FROM users WHERE note = 'note ' || id") == 300
    assert leftovers(project.database) == []
    assert "is restored already" in recover(project, *arguments).succeeded().stdout


def test_json(project: Project) -> None:
    _archived(project)
    said = recover(project, "restore-column", "users.note", "--online", "--json").succeeded()
    report = json.loads(said.stdout)
    assert report["restored_as"] == "users.note"
    assert any("CREATE INDEX CONCURRENTLY" in each for each in report["statements"])


def test_a_dry_run_prints_steps_that_psql_can_run(project: Project) -> None:
    _archived(project)
    before = project.database.dump_of_all()
    plan = recover(project, "restore-column", "users.note", "--online", "--dry-run").succeeded()
    assert project.database.dump_of_all() == before
    assert "-- The UPDATE is sent in batches of 10,000 rows by id" in plan.stdout
    project.database.psql(plan.stdout)
    assert project.database.scalar("SELECT note FROM users WHERE id = 7") == "note 7"


def test_a_soft_drop_comes_back_at_once_and_it_says_so(project: Project) -> None:
    project.database.execute(SETUP)
    project.database.do(soft_drop_column, "users", "nick")
    said = recover(project, "restore-column", "users.nick", "--online").succeeded()
    assert "--online makes no difference" in said.stdout
    assert project.database.scalar("SELECT nick FROM users WHERE id = 7") == "7"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--batch-size", "10"), "--batch-size is for --online"),
        (("--pause", "1"), "--pause is for --online"),
        (("--online", "--batch-size", "0"), "0 is not in the range"),
        (("--online", "--pause", "-1"), "-1.0 is not in the range"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    project: Project, arguments: tuple[str, ...], said: str
) -> None:
    _archived(project)
    result = recover(project, "restore-column", "users.note", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_an_env_that_has_begun_its_own_transaction_is_refused(project: Project) -> None:
    _archived(project)
    project.edit_env(
        r"context\.configure\(\n *connection=",
        "connection.exec_driver_sql('SELECT 1')\n        context.configure(connection=",
    )
    failed = recover(project, "restore-column", "users.note", "--online").failed()
    assert failed.stderr.startswith("FAILED: Nothing has changed: --online commits step by step")
    assert leftovers(project.database) == []


def test_what_is_not_possible_online_fails_with_the_way_on(project: Project) -> None:
    project.database.execute(
        "CREATE TABLE users (id integer PRIMARY KEY, note int4range,"
        " EXCLUDE USING gist (note WITH &&))"
    )
    project.database.do(archive_column, "users", "note")
    failed = recover(project, "restore-column", "users.note", "--online").failed()
    assert failed.stderr.startswith("FAILED: users.note cannot come back online: constraint ")
    assert "Without --online it comes back in one transaction" in failed.stderr
    recover(project, "restore-column", "users.note").succeeded()


def test_a_name_that_nothing_has_is_answered_with_close_ones(project: Project) -> None:
    _archived(project)
    failed = recover(project, "restore-column", "users.nota", "--online").failed()
    assert "Did you mean 'users.note'?" in failed.stderr


def test_list_and_inspect_tell_of_one_that_is_unfinished(project: Project) -> None:
    _archived(project)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Walk, "_wait", _stop)
        with pytest.raises(RuntimeError):
            online(project.database, "users.note", batch_size=50)
    assert "users.note (coming back)" in recover(project, "list").succeeded().stdout
    (listed,) = json.loads(recover(project, "list", "--json").succeeded().stdout)
    assert listed["rows_back"] == 50
    text = recover(project, "inspect", "users.note").succeeded().stdout
    assert "unfinished: 50 rows back; restore-column --online goes on" in text
    recover(project, "restore-column", "users.note", "--online").succeeded()
    (listed,) = json.loads(recover(project, "list", "--all", "--json").succeeded().stdout)
    assert listed["rows_back"] is None


def _stop(_: Walk) -> None:
    raise RuntimeError


@pytest.mark.parametrize("how", ["Ctrl-C", "lost"])
def test_broken_off_it_says_what_stays_and_how_it_goes_on(project: Project, how: str) -> None:
    _archived(project)

    def stop(walk: Walk) -> None:
        if how == "Ctrl-C":
            raise KeyboardInterrupt
        pid = backend_pid(walk.connection)
        project.database.execute(f"SELECT pg_terminate_backend({pid})")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Walk, "_wait", stop)
        failed = recover(
            project, "restore-column", "users.note", "--online", "--batch-size", "50"
        ).failed()
    said = {
        "Ctrl-C": "The online restore of users.note was stopped. ",
        "lost": "FAILED: The online restore of users.note stopped: the connection to the database "
        "was lost (",  # and in the driver's words why
    }
    assert said[how] in failed.stderr
    assert "What was done before stays. Run it again to go on there." in failed.stderr
    recover(project, "restore-column", "users.note", "--online").succeeded()
    assert project.database.scalar("SELECT count(*) FROM users WHERE note = 'note ' || id") == 300
