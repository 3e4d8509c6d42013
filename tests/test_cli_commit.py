"""`zanith-recover` commits what env.py commits, and PostgreSQL is asked if it has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import MakeProject
from tests.support.committing import has_column, migrate_with, park_a_column, restored
from tests.support.project import Project

BEFORE_CONFIGURE = 'connection.exec_driver_sql("SELECT 1")'

ENVIRONMENTS: dict[str, Any] = {
    "stock": lambda project: None,
    "transaction per migration": lambda project: project.configure_context(
        "transaction_per_migration=True"
    ),
    "SQL first, then commit": lambda project: (
        project.edit_env(
            r"^    with connectable\.connect\(\) as connection:\n",
            rf"\g<0>        {BEFORE_CONFIGURE}\n",
        ),
        project.edit_env(
            r"^            context\.run_migrations\(\)\n(?=\n\nif)",
            r"\g<0>        connection.commit()\n",
        ),
    ),
    "SQL first, and no commit": lambda project: project.edit_env(
        r"^    with connectable\.connect\(\) as connection:\n",
        rf"\g<0>        {BEFORE_CONFIGURE}\n",
    ),
    "SQL first, transaction per migration": lambda project: (
        project.configure_context("transaction_per_migration=True"),
        project.edit_env(
            r"^    with connectable\.connect\(\) as connection:\n",
            rf"\g<0>        {BEFORE_CONFIGURE}\n",
        ),
    ),
    "engine.begin()": lambda project: project.edit_env(
        r"connectable\.connect\(\)", "connectable.begin()"
    ),
    "no begin_transaction()": lambda project: project.edit_env(
        r"with context\.begin_transaction\(\):", "if True:"
    ),
    "transactional_ddl=False": lambda project: project.configure_context("transactional_ddl=False"),
}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_an_upgrade_would_commit_is_committed(project: Project, environment: str) -> None:
    """No more than that either: what env.py rolls back was not to be."""
    park_a_column(project.database)
    project.revision("op.execute('CREATE TABLE from_upgrade (id int)')")
    ENVIRONMENTS[environment](project)
    project.upgrade()
    upgrade_commits = project.database.scalar("SELECT to_regclass('from_upgrade')") is not None
    done = project.alembic("zanith-recover", "restore-column", "t.v")
    assert (done.exit_code == 0) is upgrade_commits
    assert has_column(project.database) is upgrade_commits
    if not upgrade_commits:
        assert "env.py ended without a commit" in done.stderr
        assert "Restored" not in done.stdout
        purged = project.alembic("zanith-recover", "purge", "--yes", "t.v").failed()
        assert "Nothing has changed" in purged.stderr


def test_the_environments_of_the_test_above_differ(project: Project) -> None:
    ENVIRONMENTS["SQL first, and no commit"](project)
    project.revision("op.execute('CREATE TABLE from_upgrade (id int)')")
    project.upgrade()
    assert project.database.scalar("SELECT to_regclass('from_upgrade')") is None


# ------------------------------------------------------------- what only PostgreSQL knows


COMMITTED = {
    "COMMIT as SQL": """
        with connectable.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
            CONFIGURE
            context.run_migrations()
            connection.exec_driver_sql("COMMIT")
        """,
    "commit through the driver": """
        with connectable.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
            CONFIGURE
            context.run_migrations()
            connection.connection.commit()
        """,
    "commit, then invalidate()": """
        with connectable.connect() as connection:
            CONFIGURE
            context.run_migrations()
            connection.commit()
            connection.invalidate()
        """,
    "commit, and never closed": """
        global connection
        connection = connectable.connect()
        CONFIGURE
        context.run_migrations()
        connection.commit()
        """,
    "savepoints that are released": """
        with connectable.begin() as connection:
            with connection.begin_nested(), connection.begin_nested():
                CONFIGURE
                context.run_migrations()
        """,
    "a savepoint that is rolled back later": """
        with connectable.begin() as connection:
            CONFIGURE
            context.run_migrations()
            with connection.begin_nested() as savepoint:
                connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS other ()")
                savepoint.rollback()
        """,
    "a session": """
        from sqlalchemy.orm import Session

        with Session(connectable) as session:
            connection = session.connection()
            CONFIGURE
            context.run_migrations()
            session.commit()
        """,
}


@pytest.mark.parametrize("shape", COMMITTED)
def test_what_is_committed_in_whatever_way_is_reported_as_done(
    project: Project, shape: str
) -> None:
    park_a_column(project.database)
    migrate_with(project, COMMITTED[shape])
    assert "Restored" in restored(project).succeeded().stdout
    assert has_column(project.database)


def test_a_purge_that_is_committed_as_sql_is_reported_as_done(project: Project) -> None:
    park_a_column(project.database)
    migrate_with(project, COMMITTED["COMMIT as SQL"])
    done = project.alembic("zanith-recover", "cleanup", "--older-than", "0d").succeeded()
    assert "Purged t.v" in done.stdout
    assert project.database.scalar("SELECT count(*) FROM _zanith_migration_artifacts") == 0


ROLLED_BACK = "Nothing has changed in {}: env.py ended without a commit"
SAVEPOINT = "Nothing has changed in {}: env.py calls context.run_migrations() inside a savepoint"
LEFT_OPEN = "Nothing is committed in {}: env.py has opened a connection and ended without a commit"

NOT_COMMITTED = {
    "left open": (
        LEFT_OPEN,
        """
        global connection
        connection = connectable.connect()
        connection.exec_driver_sql("SELECT 1")
        CONFIGURE
        with context.begin_transaction():
            context.run_migrations()
        """,
    ),
    "left to the garbage collector": (
        LEFT_OPEN,
        """
        connection = connectable.connect()
        connection.exec_driver_sql("SELECT 1")
        CONFIGURE
        context.run_migrations()
        """,
    ),
    "left open, the pool exhausted": (
        LEFT_OPEN,
        """
        import sqlalchemy as sa

        connectable = sa.create_engine(connectable.url, pool_size=1, max_overflow=0)
        connection = connectable.connect()
        CONFIGURE
        context.run_migrations()
        """,
    ),
    "invalidate()": (
        ROLLED_BACK,
        """
        connection = connectable.connect()
        connection.exec_driver_sql("SELECT 1")
        CONFIGURE
        context.run_migrations()
        connection.invalidate()
        """,
    ),
    "invalidate(), then a commit of something else": (
        ROLLED_BACK,
        """
        with connectable.connect() as connection:
            CONFIGURE
            context.run_migrations()
            connection.invalidate()
            connection.rollback()
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS other ()")
            connection.commit()
        """,
    ),
    "a rollback, then a commit of something else": (
        ROLLED_BACK,
        """
        with connectable.connect() as connection:
            CONFIGURE
            context.run_migrations()
            connection.rollback()
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS other ()")
            connection.commit()
        """,
    ),
    "a savepoint is rolled back, the rest committed": (
        SAVEPOINT,
        """
        with connectable.begin() as connection:
            with connection.begin_nested() as savepoint:
                CONFIGURE
                context.run_migrations()
                savepoint.rollback()
        """,
    ),
    "an outer savepoint is rolled back, in SQL": (
        SAVEPOINT,
        """
        with connectable.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS other ()")
            connection.exec_driver_sql("SAVEPOINT one")
            with connection.begin_nested():
                CONFIGURE
                context.run_migrations()
            connection.exec_driver_sql("ROLLBACK TO one")
        """,
    ),
    "COMMIT after an error, which is a rollback": (
        ROLLED_BACK,
        """
        with connectable.begin() as connection:
            CONFIGURE
            context.run_migrations()
            try:
                connection.exec_driver_sql("SELECT 1 / 0")
            except Exception:
                pass
        """,
    ),
}


@pytest.mark.parametrize("shape", NOT_COMMITTED)
def test_what_is_not_committed_is_not_reported_as_done(project: Project, shape: str) -> None:
    park_a_column(project.database)
    message, body = NOT_COMMITTED[shape]
    migrate_with(project, body)
    done = restored(project).failed()
    assert message.format(project.database.name) in done.stderr
    assert "Restored" not in done.stdout
    assert not has_column(project.database)


# --------------------------------------------------------------- failures after the commit


FAILING = """
    with connectable.connect() as connection:
        CONFIGURE
        with context.begin_transaction():
            context.run_migrations()
        columns = "FROM information_schema.columns WHERE table_name = 't' AND column_name = 'v'"
        if connection.exec_driver_sql(f"SELECT {columns}").one_or_none() is not None:
            ENDING
"""


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("raise RuntimeError('no cache to clear.')", "no cache to clear"),
        ("raise ValueError", "ValueError"),
        ("connection.exec_driver_sql('SELECT 1/0')", "division by zero"),
        (
            "connection.exec_driver_sql('SELECT pg_terminate_backend(pg_backend_pid())')",
            "",  # each driver has its own words for it
        ),
    ],
)
def test_a_failure_after_the_commit_is_not_told_as_nothing_done(
    project: Project, ending: str, reason: str
) -> None:
    park_a_column(project.database)
    migrate_with(project, FAILING.replace("ENDING", ending))
    failed = restored(project).failed()
    assert has_column(project.database)
    assert "is committed. After that env.py failed: " + reason in failed.stderr
    assert "changed nothing" not in failed.stderr
    assert "Restored" not in failed.stdout


def test_a_failure_before_the_commit_is_told_as_it_was(project: Project) -> None:
    park_a_column(project.database)
    migrate_with(
        project,
        """
        with connectable.connect() as connection:
            CONFIGURE
            with context.begin_transaction():
                context.run_migrations()
                connection.exec_driver_sql("SELECT 1/0")
        """,
    )
    failed = restored(project).failed()
    assert "restore-column changed nothing: division by zero" in failed.stderr
    assert not has_column(project.database)


def test_a_failure_in_one_database_tells_what_is_committed_in_others(
    make_project: MakeProject,
) -> None:
    project = make_project("multidb")
    first, second = project.databases.values()
    for database in (first, second):
        park_a_column(database)
    project.edit_env(
        r"^( +)context\.run_migrations\(engine_name=name\)\n",
        r"\1runs = config.attributes.setdefault(name, [])\n"
        r"\1runs.append(1)\n"
        r"\1assert (name, len(runs)) != ('engine2', 2), 'no second time'\n"
        r"\g<0>\1rec['connection'].connection.commit()\n",
    )
    failed = project.alembic("zanith-recover", "cleanup", "--older-than", "0d").failed()
    assert "What was done in engine1 is committed. After that env.py failed: no " in failed.stderr
    assert first.scalar("SELECT count(*) FROM _zanith_migration_artifacts") == 0
    assert second.scalar("SELECT count(*) FROM _zanith_migration_artifacts") == 1
