"""A downgrade brings back what its own revision parked, or says that it cannot."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from alembic_zanith.recovery import purge, soft_drop_column
from tests.support.project import Project
from tests.support.running import Result

TABLE = "CREATE TABLE u (id int PRIMARY KEY, x text); INSERT INTO u VALUES (1, 'first')"
RESTORE = "op.restore_column('u', sa.Column('x', sa.Text))"


def values(project: Project, column: str = "x") -> list[str | None]:
    return [value for (value,) in project.database.rows(f"SELECT {column} FROM u")]


def ids(project: Project) -> list[str]:
    """Return the ids of the artifacts, oldest first."""
    query = "SELECT id FROM _zanith_migration_artifacts ORDER BY created_at"
    return [artifact_id for (artifact_id,) in project.database.rows(query)]


@pytest.fixture
def twice(project: Project) -> Project:
    """A project in which one revision parks a column, another a new one of the same name."""
    project.database.execute(TABLE)
    project.revision("op.soft_drop_column('u', 'x')", RESTORE)
    project.revision(
        "op.add_column('u', sa.Column('x', sa.Text, server_default='second'))",
        "op.drop_column('u', 'x')",
    )
    project.revision("op.soft_drop_column('u', 'x')", RESTORE)
    project.alembic("upgrade", "head").succeeded()
    return project


def test_each_revision_gets_its_own_back(twice: Project) -> None:
    twice.downgrade()
    assert values(twice) == ["second"]
    twice.alembic("downgrade", "base", "--mode", "dev").succeeded()
    assert values(twice) == ["first"]


def test_what_another_revision_parked_is_not_handed_out(twice: Project) -> None:
    first, second = ids(twice)
    twice.database.do(purge, second)
    output = twice.downgrade().output
    assert "u.x came back empty" in output
    assert first in output
    assert values(twice) == [None]
    twice.alembic("downgrade", "base", "--mode", "dev").succeeded()
    assert values(twice) == ["first"]


def test_without_a_definition_the_others_are_named(project: Project) -> None:
    project.database.execute(TABLE)
    project.revision("op.soft_drop_column('u', 'x')", "pass")
    project.revision("pass", "op.restore_column('u', 'x')")
    project.alembic("upgrade", "head").succeeded()
    (artifact,) = ids(project)
    assert artifact in project.alembic("downgrade", "-1").failed().output
    project.alembic("zanith-recover", "restore-column", "u.x").succeeded()
    assert values(project) == ["first"]


def test_an_upgrade_may_undo_an_earlier_drop(project: Project) -> None:
    project.database.execute(TABLE)
    project.revision("op.soft_drop_column('u', 'x')", "pass")
    project.revision("op.restore_column('u', 'x')", "pass")
    project.alembic("upgrade", "head").succeeded()
    assert values(project) == ["first"]


def test_what_was_parked_by_hand_may_come_back(project: Project) -> None:
    project.database.execute(TABLE)
    project.revision("pass", "op.restore_column('u', 'x')")
    project.alembic("upgrade", "head").succeeded()
    project.database.do(soft_drop_column, "u", "x")
    project.downgrade()
    assert values(project) == ["first"]


def test_a_namesake_in_other_letters_is_not_handed_out(project: Project) -> None:
    project.database.execute(
        'CREATE TABLE users (id int); CREATE TABLE "Users" (id int, other text)'
    )
    project.revision(
        "op.soft_drop_table('users', retention_days=0)\nop.soft_drop_table('Users')",
        "op.restore_table('users', sa.Column('id', sa.Integer))",
    )
    project.alembic("upgrade", "head").succeeded()
    project.alembic("zanith-recover", "cleanup").succeeded()
    assert "users came back empty" in project.downgrade().output
    assert project.database.scalar("SELECT to_regclass('public.\"Users\"')") is None


@pytest.fixture(params=["soft_drop_column", "archive_column"])
def restored_as_x2(request: pytest.FixtureRequest, project: Project) -> Project:
    """A project whose parked column somebody has restored under another name."""
    project.database.execute(TABLE)
    project.revision(f"op.{request.param}('u', 'x')", RESTORE)
    project.alembic("upgrade", "head").succeeded()
    project.alembic("zanith-recover", "restore-column", "u.x", "--as", "x2").succeeded()
    return project


def test_a_downgrade_refuses_to_leave_the_column_under_another_name(
    restored_as_x2: Project,
) -> None:
    project = restored_as_x2
    revision = "SELECT version_num FROM alembic_version"
    before = project.database.scalar(revision)
    output = project.alembic("downgrade", "-1").failed().output
    assert "restored by hand" in output
    assert "as u.x2" in output
    assert project.database.scalar(revision) == before
    (statement,) = {part for part in output.split("`") if part.startswith("ALTER TABLE")}
    assert statement == "ALTER TABLE u RENAME COLUMN x2 TO x"
    project.database.execute(statement)
    project.downgrade()
    assert values(project) == ["first"]
    project.alembic("upgrade", "head").succeeded()
    project.downgrade()
    assert values(project) == ["first"]


def test_after_a_purge_the_downgrade_makes_an_empty_one_beside_it(restored_as_x2: Project) -> None:
    project = restored_as_x2
    project.alembic("zanith-recover", "purge", *ids(project), "--yes").succeeded()
    assert "u.x came back empty" in project.downgrade().output
    assert (values(project), values(project, "x2")) == ([None], ["first"])


def test_a_table_under_another_name_is_refused_as_well(project: Project) -> None:
    project.database.execute(TABLE)
    project.revision("op.soft_drop_table('u')", "op.restore_table('u')")
    project.alembic("upgrade", "head").succeeded()
    project.alembic("zanith-recover", "restore-table", "u", "--as", "u2").succeeded()
    assert "`ALTER TABLE u2 RENAME TO u`" in project.alembic("downgrade", "-1").failed().output
    project.database.execute("ALTER TABLE u2 RENAME TO u")
    project.downgrade()
    assert values(project) == ["first"]


def test_an_archive_serves_a_downgrade_when_what_came_back_was_dropped(project: Project) -> None:
    project.database.execute(TABLE)
    project.revision("op.archive_column('u', 'x')", RESTORE)
    project.alembic("upgrade", "head").succeeded()
    project.alembic("zanith-recover", "restore-column", "u.x", "--as", "x2").succeeded()
    project.database.execute("ALTER TABLE u DROP COLUMN x2")
    output = project.downgrade().output
    assert "came back empty" not in output
    assert "restored before, as u.x2" in output
    assert values(project) == ["first"]


@pytest.mark.parametrize("operation", ["soft_drop_column", "archive_column"])
def test_what_an_earlier_downgrade_brought_back_is_not_used_again(
    project: Project, operation: str
) -> None:
    """It is older than what was parked since, and purged by now."""
    project.database.execute(TABLE)
    project.revision(f"op.{operation}('u', 'x')", RESTORE)
    project.upgrade()
    project.downgrade()
    project.database.execute("UPDATE u SET x = 'newer'")
    project.upgrade()
    _, newer = ids(project)
    project.alembic("zanith-recover", "purge", newer, "--yes").succeeded()
    output = project.downgrade().output
    assert "u.x came back empty" in output
    assert values(project) == [None]


def test_a_new_column_of_the_name_is_not_what_came_back_under_another(project: Project) -> None:
    project.database.execute(TABLE)
    project.revision("op.soft_drop_column('u', 'x')", RESTORE)
    project.upgrade()
    project.alembic("zanith-recover", "restore-column", "u.x", "--as", "x2").succeeded()
    project.database.execute("ALTER TABLE u ADD x int")
    output = project.alembic("downgrade", "-1").failed().output
    assert "u.x is not what was parked" in output
    assert "`ALTER TABLE u RENAME COLUMN x2 TO x`" in output
    project.database.execute("ALTER TABLE u DROP x; ALTER TABLE u RENAME COLUMN x2 TO x")
    assert "u.x is back already" in project.downgrade().output
    assert values(project) == ["first"]


def test_a_table_that_came_first_on_the_path_since_is_not_the_one(project: Project) -> None:
    project.database.execute(TABLE)
    project.database.execute(
        f'ALTER DATABASE "{project.database.name}" SET search_path = app, public'
    )
    project.revision("op.soft_drop_column('u', 'x')", RESTORE)
    project.upgrade()
    project.database.execute("CREATE SCHEMA app; CREATE TABLE app.u (id int)")
    output = project.alembic("downgrade", "-1").failed().output
    assert "Write schema='public' into the migration" in output
    project.database.execute("DROP TABLE app.u")
    project.downgrade()
    assert values(project) == ["first"]


def test_an_archived_column_of_a_table_that_came_back_empty(project: Project) -> None:
    """No value can go astray where there are no rows, so the downgrade goes on."""
    project.database.execute(TABLE)
    project.revision("op.archive_column('u', 'x')", RESTORE)
    project.revision(
        "op.soft_drop_table('u')",
        "op.restore_table('u', sa.Column('id', sa.Integer, primary_key=True))",
    )
    project.alembic("upgrade", "head").succeeded()
    project.alembic("zanith-recover", "purge", "u", "--yes").succeeded()
    output = project.alembic("downgrade", "base").succeeded().output
    assert "1 archived row has a key that public.u does not have any more" in output
    assert values(project) == []


@pytest.fixture
def somebody_reads_busy(project: Project) -> Iterator[None]:
    project.database.execute(
        "CREATE TABLE hot (id int, x text); CREATE TABLE busy (id int, x text)"
    )
    for table in ("hot", "busy"):
        project.database.do(soft_drop_column, table, "x", retention_days=0)
    with project.database.begin() as reader:
        reader.exec_driver_sql("SELECT * FROM busy")
        yield


@pytest.mark.usefixtures("somebody_reads_busy")
def test_a_cleanup_locks_no_table_while_it_waits_for_another(project: Project) -> None:
    project.revision("pass", "pass")
    project.alembic("upgrade", "head").succeeded()
    results: list[Result] = []
    cleaning = threading.Thread(
        target=lambda: results.append(project.alembic_subprocess("zanith-recover", "cleanup"))
    )
    cleaning.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'busy'::regclass"
    while cleaning.is_alive() and not project.database.scalar(waiting):
        time.sleep(0.05)
    locks = project.database.scalar(
        "SELECT count(*) FROM pg_locks WHERE granted AND relation = 'hot'::regclass"
    )
    cleaning.join()
    assert locks == 0
    assert "Purged hot.x" in results[0].output
    assert "Not purged: busy.x" in results[0].output
