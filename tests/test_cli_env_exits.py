"""An env.py that ends with sys.exit(), or is interrupted, is told as what it did."""

from __future__ import annotations

import pytest

from tests.conftest import MakeProject
from tests.support.committing import has_column, migrate_with, park_a_column, restored
from tests.support.project import Project

AT_THE_END = "\nimport sys\n\nsys.exit({})\n"

AFTER_THE_COMMIT = """
    import sys

    with connectable.connect() as connection:
        CONFIGURE
        with context.begin_transaction():
            context.run_migrations()
        columns = "FROM information_schema.columns WHERE table_name = 't' AND column_name = 'v'"
        if connection.exec_driver_sql(f"SELECT 1 {columns}").one_or_none() is not None:
            ENDING
"""

BEFORE_THE_COMMIT = """
    import sys

    with connectable.connect() as connection:
        CONFIGURE
        with context.begin_transaction():
            context.run_migrations()
            ENDING
"""


def ends_with(project: Project, lines: str) -> None:
    """Put lines at the end of env.py."""
    project.env_py.write_text(project.env_py.read_text() + lines)


# ----------------------------------------------------------------------- exits that are none


@pytest.mark.parametrize("status", ["", "0", "None"])
@pytest.mark.parametrize("template", ["generic", "async"])
def test_an_exit_with_status_0_is_an_ordinary_end(
    make_project: MakeProject, template: str, status: str
) -> None:
    project = make_project(template)
    park_a_column(project.database)
    ends_with(project, AT_THE_END.format(status))
    assert "t.v" in project.alembic("zanith-recover", "list").succeeded().stdout
    project.alembic("zanith-recover", "export", "t.v", "-o", "v.csv").succeeded()
    assert (project.root / "v.csv").read_text().splitlines() == ["id,v", "1,one"]
    assert "Restored" in restored(project).succeeded().stdout
    assert has_column(project.database)


@pytest.mark.parametrize("verb", [("purge", "--yes", "t.v"), ("cleanup", "--older-than", "0d")])
def test_a_purge_is_done_where_env_py_exits_with_status_0(
    project: Project, verb: tuple[str, ...]
) -> None:
    park_a_column(project.database)
    ends_with(project, AT_THE_END.format(0))
    assert "Purged t.v" in project.alembic("zanith-recover", *verb).succeeded().stdout
    assert project.database.scalar("SELECT count(*) FROM _zanith_migration_artifacts") == 0


def test_a_failed_verb_fails_where_env_py_exits_with_status_0(project: Project) -> None:
    ends_with(project, AT_THE_END.format(0))
    failed = project.alembic("zanith-recover", "restore-column", "t.v").failed()
    assert "FAILED: No parked column is named 't.v'" in failed.stderr


def test_an_error_that_env_py_turns_into_an_exit_is_told(project: Project) -> None:
    park_a_column(project.database)
    project.database.execute("ALTER TABLE t ADD v text")
    project.edit_env(r"^ +context\.run_migrations\(\)\n(?=\n\nif)", _EXITS_ON_ERROR)
    failed = restored(project).failed()
    assert "FAILED: public.t has a column 'v' again" in failed.stderr


_EXITS_ON_ERROR = """\
            try:
                context.run_migrations()
            except Exception:
                raise SystemExit(0)
"""


def test_an_exit_with_status_0_before_the_commit_is_no_success(project: Project) -> None:
    park_a_column(project.database)
    migrate_with(project, BEFORE_THE_COMMIT.replace("ENDING", "sys.exit(0)"))
    failed = restored(project).failed()
    assert "Nothing has changed" in failed.stderr
    assert "Restored" not in failed.stdout
    assert not has_column(project.database)


# ------------------------------------------------------------------------------ real exits


@pytest.mark.parametrize(
    ("status", "words"), [("0", "with status 0"), ("3", "with status 3"), ("'no URL.'", "(no URL)")]
)
def test_an_exit_before_any_work_says_so(project: Project, status: str, words: str) -> None:
    park_a_column(project.database)
    project.env_py.write_text(AT_THE_END.format(status) + project.env_py.read_text())
    for verb in ("list", "cleanup", "restore-column t.v", "export t.v"):
        failed = project.alembic("zanith-recover", *verb.split()).failed()
        assert f"env.py exited {words} before it called context.run_migra" in failed.stderr
        assert not failed.stdout


def test_an_exit_that_leaves_databases_out_says_so(make_project: MakeProject) -> None:
    project = make_project("multidb")
    park_a_column(list(project.databases.values())[1])
    project.edit_env(
        r"^( +)context\.run_migrations\(engine_name=name\)\n",
        r"\g<0>\1rec['connection'].connection.commit()\n\1raise SystemExit\n",
    )
    failed = project.alembic("zanith-recover", "list", "--database", "engine2").failed()
    assert "It has engine1. env.py exited with status 0 after that" in failed.stderr


@pytest.mark.parametrize(("status", "words"), [("3", "with status 3"), ("'oops'", "(oops)")])
def test_an_exit_with_another_status_after_the_commit_tells_both(
    project: Project, status: str, words: str
) -> None:
    park_a_column(project.database)
    migrate_with(project, AFTER_THE_COMMIT.replace("ENDING", f"sys.exit({status})"))
    failed = restored(project).failed()
    assert f"is committed. After that env.py exited {words}. See" in failed.stderr
    assert "Restored" not in failed.stdout
    assert has_column(project.database)


def test_an_exit_with_another_status_before_the_commit_says_so(project: Project) -> None:
    park_a_column(project.database)
    migrate_with(project, BEFORE_THE_COMMIT.replace("ENDING", "sys.exit(3)"))
    for verb in ("list", "restore-column t.v"):
        failed = project.alembic("zanith-recover", *verb.split()).failed()
        assert "env.py exited with status 3 when zanith-recover had done its" in failed.stderr
        assert "Nothing is committed" in failed.stderr
        assert not failed.stdout
    assert not has_column(project.database)


# ------------------------------------------------------------------------------- interrupts


def test_an_interrupt_after_the_commit_tells_what_is_committed(project: Project) -> None:
    park_a_column(project.database)
    migrate_with(project, AFTER_THE_COMMIT.replace("ENDING", "raise KeyboardInterrupt"))
    failed = restored(project).failed()
    assert f"What was done in {project.database.name} is committed. After that" in failed.stderr
    assert "env.py was interrupted. See what" in failed.stderr
    assert "Restored" not in failed.stdout
    assert has_column(project.database)


def test_an_interrupt_before_the_commit_aborts(project: Project) -> None:
    park_a_column(project.database)
    migrate_with(project, BEFORE_THE_COMMIT.replace("ENDING", "raise KeyboardInterrupt"))
    assert restored(project).failed().stderr.strip() == "Aborted!"
    assert not has_column(project.database)
