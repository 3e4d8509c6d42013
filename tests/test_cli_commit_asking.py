"""Over what connection PostgreSQL is asked if env.py has committed, and where it cannot be."""

from __future__ import annotations

import pytest

from tests.conftest import MakeProject
from tests.support.committing import (
    has_column,
    migrate_with,
    park_a_column,
    restored,
    run_program,
)
from tests.support.project import Project

# ------------------------------------------------- connections of a program that calls it


SHARING_PROGRAM = """
import sys
import sqlalchemy as sa
from alembic.config import Config
from alembic_zanith.cli import recover

config = Config("alembic.ini")
with sa.create_engine(config.get_main_option("sqlalchemy.url")).connect() as connection:
    connection.begin()
    config.attributes["connection"] = connection
    try:
        recover(config, ["restore-column", "t.v"])
    except SystemExit as end:
        assert not end.code
    assert connection.scalar(sa.text("SELECT v FROM t")) == "one"
    if "commit" in sys.argv:
        connection.commit()
"""


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_a_connection_that_the_program_shares_is_its_own_to_commit(
    project: Project, ending: str
) -> None:
    """Alembic's recipe: https://alembic.sqlalchemy.org/en/latest/cookbook.html#connection-sharing"""
    project.edit_env(
        r"with connectable\.connect\(\) as connection:",
        "import contextlib\n\n"
        '    with contextlib.nullcontext(config.attributes["connection"]) as connection:',
    )
    park_a_column(project.database)
    run_program(project, SHARING_PROGRAM, ending).succeeded()
    assert has_column(project.database) is (ending == "commit")


def test_what_env_py_rolls_back_on_a_shared_connection_is_not_reported_as_done(
    project: Project,
) -> None:
    project.edit_env(
        r"(?m)^    connectable = (?:.*\n)*?(?=\nif context)",
        """\
    connection = config.attributes["connection"]
    with connection.begin_nested() as savepoint:
        context.configure(connection=connection, target_metadata=target_metadata)
        context.run_migrations()
        savepoint.rollback()
""",
    )
    park_a_column(project.database)
    done = run_program(project, SHARING_PROGRAM, "commit")
    assert "Nothing has changed" in done.stderr
    assert not has_column(project.database)


# ------------------------------------------------------- async engines, several databases


@pytest.mark.parametrize(
    ("driver", "statement"),
    [
        ("asyncpg", "COMMIT"),
        ("asyncpg", "ROLLBACK"),
        ("psycopg", "COMMIT"),
        ("psycopg", "SELECT 1"),
    ],
)
def test_an_async_engine_is_asked_too(
    make_project: MakeProject, driver: str, statement: str
) -> None:
    """One that keeps its connections, which belong to the event loop of env.py: that is over."""
    project = make_project("async", driver)
    park_a_column(project.database)
    project.edit_env(r"pool\.NullPool", "None")
    project.edit_env(r"^    await connectable\.dispose\(\)\n", "")
    project.edit_env(
        r"^    with context\.begin_transaction\(\):\n        context\.run_migrations\(\)\n(?=\n\nasync)",
        f'    context.run_migrations()\n    connection.exec_driver_sql("{statement}")\n',
    )
    done = project.alembic_subprocess("zanith-recover", "restore-column", "t.v")
    assert (done.exit_code == 0) is has_column(project.database) is (statement == "COMMIT")
    assert ("Nothing has changed" in done.stderr) is (statement != "COMMIT")


ASYNC_PROGRAM = """
import asyncio
import sys
from sqlalchemy.ext.asyncio import create_async_engine
from alembic.config import Config
from alembic_zanith.cli import recover

config = Config("alembic.ini")

def restore(connection):
    config.attributes["connection"] = connection
    try:
        recover(config, ["restore-column", "t.v"])
    except SystemExit as end:
        return end.code or 0

async def main():
    engine = create_async_engine(config.get_main_option("sqlalchemy.url"))
    async with engine.connect() as connection:
        code = await connection.run_sync(restore)
    await engine.dispose()
    return code

sys.exit(asyncio.run(main()))
"""


@pytest.mark.parametrize(
    ("body", "committed"),
    [
        ("with context.begin_transaction(): context.run_migrations()", True),
        ("context.run_migrations(); connection.connection.commit()", True),
        ("with connection.begin() as begun: context.run_migrations(); begun.rollback()", False),
    ],
)
def test_a_program_may_call_it_from_its_event_loop(
    make_project: MakeProject, body: str, committed: bool
) -> None:
    """With a connection that has begun nothing, so that env.py is the one to commit."""
    project = make_project("async", "asyncpg")
    park_a_column(project.database)
    project.edit_env(
        r"^    asyncio\.run\(run_async_migrations\(\)\)\n",
        f"""\
    connection = config.attributes["connection"]
    context.configure(connection=connection, target_metadata=target_metadata)
    {body}
""",
    )
    done = run_program(project, ASYNC_PROGRAM)
    assert (done.exit_code == 0) is has_column(project.database) is committed
    assert ("Nothing has changed" in done.stderr) is not committed


def test_each_database_of_several_is_asked(make_project: MakeProject) -> None:
    project = make_project("multidb")
    for database in project.databases.values():
        park_a_column(database)
    project.edit_env(r'rec\["transaction"\]\.commit\(\)', 'rec["connection"].connection.commit()')
    done = project.alembic("zanith-recover", "cleanup", "--older-than", "0d").succeeded()
    assert done.stdout.count("Purged t.v") == 2


# -------------------------------------------------------- where PostgreSQL cannot be asked


ONE_CONNECTION_A_RUN = """
    import sqlalchemy as sa

    made = []

    @sa.event.listens_for(connectable, "do_connect")
    def once(*arguments):
        if made:
            raise RuntimeError("the password is used up")
        made.append(arguments)

    with connectable.connect() as connection:
        CONFIGURE
        context.run_migrations()
        ENDING
"""


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("connection.commit()", None),
        ("connection.rollback()", "It is not known whether anything has changed"),
        ("connection.connection.commit()", "over a new connection: the password is used up."),
    ],
)
def test_where_nobody_can_be_asked_what_sqlalchemy_reports_counts(
    project: Project, ending: str, message: str | None
) -> None:
    park_a_column(project.database)
    migrate_with(project, ONE_CONNECTION_A_RUN.replace("ENDING", ending))
    done = restored(project)
    assert (done.exit_code == 0) is (message is None)
    assert (message or "") in done.stderr
    assert "Nothing" not in done.stderr


@pytest.mark.parametrize("pool", ["StaticPool", "QueuePool"])
def test_the_only_connection_of_an_engine_is_left_alone(project: Project, pool: str) -> None:
    """As in tests that put everything on one connection, which they close themselves."""
    park_a_column(project.database)
    migrate_with(
        project,
        f"""
        import psycopg
        import sqlalchemy as sa

        conninfo = connectable.url.set(drivername="postgresql").render_as_string(False)
        only = psycopg.connect(conninfo)
        connectable = sa.create_engine(
            "postgresql+psycopg://", creator=lambda: only, poolclass=sa.{pool}
        )
        with connectable.connect() as connection:
            CONFIGURE
            with context.begin_transaction():
                context.run_migrations()
        config.attributes["only"] = only
        """,
    )
    program = """
        from alembic.config import Config
        from alembic_zanith.cli import recover

        config = Config("alembic.ini")
        try:
            recover(config, ["restore-column", "t.v"])
        except SystemExit as end:
            assert not end.code
        with config.attributes["only"] as only:
            assert only.execute("SELECT v FROM t").fetchall() == [("one",)]
        """
    run_program(project, program).succeeded()


def test_no_connection_is_made_where_nothing_was_changed(project: Project) -> None:
    park_a_column(project.database)
    project.edit_env(
        r"^    with connectable\.connect\(\) as connection:\n",
        """\
    import sqlalchemy as sa

    sa.event.listen(connectable, "do_connect", lambda *_: print("connects"))

    with connectable.connect() as connection:
""",
    )
    for arguments, connections in (
        (("restore-column", "t.v", "--dry-run"), 2),
        (("cleanup",), 1),
        (("cleanup", "--older-than", "0d", "--dry-run"), 1),
        # To find it, to restore it and to ask if that is committed.
        (("restore-column", "t.v"), 3),
    ):
        done = project.alembic("zanith-recover", *arguments).succeeded()
        assert done.stderr.count("connects") == connections, arguments
        assert "connects" not in done.stdout, "it would get in between JSON"
