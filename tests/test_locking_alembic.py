"""Lock, timeouts and retries around the runs of a real Alembic project."""

from __future__ import annotations

import threading

import pytest

from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.locks import eventually, in_the_way, in_the_way_awhile
from tests.support.project import Project

GUARD = '''
import functools
from alembic import context
from alembic_zanith.locking.advisory import run_lock
from alembic_zanith.locking.blockers import watching_blockers
from alembic_zanith.locking.retrying import RetryPolicy, run_with_retries
from alembic_zanith.locking.timeouts import Timeout, run_timeouts

POLICY = RetryPolicy(attempts=3, first_wait=0.1, longest_wait=0.2)


def run_migrations():
    """Run the migrations as the package does."""
    migration = context.get_context()
    steps_of, connection = migration._migrations_fn, migration.connection
    with (
        run_lock(connection, wait_seconds=60) as lock,
        run_timeouts(connection, lock_timeout=Timeout(300), concurrent_patience=300),
        watching_blockers(connection, after_seconds=0.1) as watch,
    ):

        def patient(work):
            @functools.wraps(work)
            def migration_fn(**arguments):
                call = functools.partial(work, **arguments)
                run_with_retries(connection, call, policy=POLICY, watch=watch, on_retry=told)

            return migration_fn

        def told(retry):
            print("RETRY", retry.attempt, flush=True)

        def guarded(heads, migration):
            for step in steps_of(heads, migration):
                lock.check()
                step.migration_fn = patient(step.migration_fn)
                yield step

        migration._migrations_fn = guarded
        try:
            context.run_migrations()
        finally:
            migration._migrations_fn = steps_of
'''

CREATE = "op.create_table('users', sa.Column('id', sa.Integer))\nop.create_table('log', sa.Column('entry', sa.Text))"
ADD_NOTE = "op.add_column('users', sa.Column('note', sa.Text))"
LOG = "op.execute(\"INSERT INTO log VALUES ('x')\")"
BUILD = """
with op.get_context().autocommit_block():
    op.create_index("by_id", "users", ["id"], postgresql_concurrently=True)
"""

WAYS = {
    "one transaction": "",
    "a transaction per migration": "transaction_per_migration=True",
}


def guarded(project: Project, configure: str = "") -> Project:
    """Have the project's env.py run its migrations through the guard, and through no other."""
    project.settings(mode="dev")
    (project.root / "guard.py").write_text(GUARD)
    project.edit_env(
        r"(connection=connection.*\n(?:.*\n)*?.*)context\.run_migrations\(\)",
        r"\1guard.run_migrations()",
    )
    project.edit_env(r"^from alembic import context$", r"\g<0>\nimport guard")
    if configure:
        project.configure_context(configure)
    return project


@pytest.fixture(params=WAYS.values(), ids=list(WAYS))
def configure(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("template", ["generic", "async"])
def test_a_revision_is_tried_again_and_applied_once(
    make_project: MakeProject, template: str, configure: str
) -> None:
    project = guarded(make_project(template), configure)
    project.revision(CREATE)
    project.upgrade()
    project.revision(LOG)
    project.revision(f"{LOG}\n{ADD_NOTE}")
    head = project.revision(LOG)
    with in_the_way_awhile(project.database, 0.5):
        result = project.upgrade()
    assert "RETRY 1" in result.stdout
    assert version(project.database) == head
    assert entries(project.database) == 3
    assert has_note(project.database)


@pytest.mark.parametrize("template", ["generic", "async"])
def test_a_revision_that_never_gets_its_lock_fails_and_leaves_nothing(
    make_project: MakeProject, template: str, configure: str
) -> None:
    project = guarded(make_project(template), configure)
    applied = project.revision(CREATE)
    project.upgrade()
    project.revision(f"{LOG}\n{ADD_NOTE}")
    with in_the_way(project.database) as pid:
        result = project.alembic("upgrade", "head").failed()
    assert (
        "No lock on public.users (canceling statement due to lock timeout), after 3"
        in result.output
    )
    assert f"In the way: session {pid} (user postgres, application reports" in result.output
    assert version(project.database) == applied
    assert entries(project.database) == 0


@pytest.mark.parametrize("template", ["generic", "async"])
def test_an_index_is_built_concurrently_between_other_revisions(
    make_project: MakeProject, template: str, configure: str
) -> None:
    project = guarded(make_project(template), configure)
    project.revision(CREATE)
    project.revision(f"{LOG}\n{BUILD}\n{LOG}")
    head = project.revision(LOG)
    project.upgrade()
    assert version(project.database) == head
    assert entries(project.database) == 3
    assert has_index(project.database)


def test_what_comes_after_an_autocommit_block_is_not_tried_again(
    make_project: MakeProject, configure: str
) -> None:
    project = guarded(make_project(), configure)
    applied = project.revision(CREATE)
    project.upgrade()
    project.revision(f"{LOG}\n{BUILD}\n{ADD_NOTE}")
    with in_the_way(project.database):
        result = project.alembic("upgrade", "head").failed()
    assert "RETRY" not in result.stdout
    assert (
        "It was not tried again, because it committed or rolled back in between." in result.output
    )
    assert version(project.database) == applied
    assert entries(project.database) == 1
    assert has_index(project.database)


def test_an_index_build_that_is_kept_out_is_not_tried_again(
    make_project: MakeProject, configure: str
) -> None:
    project = guarded(make_project(), configure)
    project.revision(CREATE)
    project.upgrade()
    project.revision(BUILD)
    with in_the_way(project.database, "INSERT INTO users VALUES (1)"):
        result = project.alembic("upgrade", "head").failed()
    assert "RETRY" not in result.stdout
    assert "If it has left an index that is marked INVALID, drop that one first." in result.output


def test_an_external_transaction_stays_the_callers(make_project: MakeProject) -> None:
    project = make_project()
    project.edit_env(
        r"with connectable\.connect\(\) as connection:",
        "with connectable.begin() as connection:",
    )
    guarded(project)
    project.revision(CREATE)
    project.upgrade()
    head = project.revision(f"{LOG}\n{ADD_NOTE}")
    with in_the_way_awhile(project.database, 0.5):
        result = project.upgrade()
    assert "RETRY 1" in result.stdout
    assert version(project.database) == head
    assert entries(project.database) == 1


@pytest.mark.parametrize("is_guarded", [True, False])
def test_a_script_that_commits_by_itself_does_as_ever(
    make_project: MakeProject, configure: str, is_guarded: bool
) -> None:
    project = make_project()
    if is_guarded:
        guarded(project)
    if configure:
        project.configure_context(configure)
    first = project.revision(CREATE)
    project.revision(f"{LOG}\nop.get_bind().commit()\n{LOG}")
    project.upgrade()
    # Alembic's own transaction is over by then, and nobody commits the one that came after it.
    assert entries(project.database) == 1
    assert version(project.database) == first


@pytest.mark.parametrize(
    ("template", "level"),
    [
        ("generic", "READ COMMITTED"),
        ("async", "REPEATABLE READ"),
        pytest.param("generic", "REPEATABLE READ", marks=pytest.mark.slow),
        pytest.param("async", "READ COMMITTED", marks=pytest.mark.slow),
    ],
)
def test_five_deploys_at_once_apply_each_revision_once(
    make_project: MakeProject, template: str, level: str
) -> None:
    project = guarded(make_project(template), "transaction_per_migration=True")
    project.edit_env(r"poolclass=pool.NullPool,", rf'\g<0> isolation_level="{level}",')
    project.revision(CREATE)
    project.revision(f"{LOG}\n{BUILD}")
    head = project.revision(LOG)
    outputs: list[str] = []

    def deploy() -> None:
        outputs.append(project.alembic_subprocess("upgrade", "head").succeeded().output)

    deploys = [threading.Thread(target=deploy) for _ in range(5)]
    for thread in deploys:
        thread.start()
    for thread in deploys:
        thread.join()
    assert len(outputs) == 5
    assert version(project.database) == head
    assert entries(project.database) == 2


def test_a_run_leaves_no_session_behind(make_project: MakeProject) -> None:
    project = guarded(make_project())
    project.revision(CREATE)
    project.upgrade()
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    eventually(lambda: project.database.scalar(sessions) == 1)


def version(database: Database) -> str:
    return str(database.scalar("SELECT version_num FROM alembic_version"))


def entries(database: Database) -> int:
    return int(database.scalar("SELECT count(*) FROM log"))


def has_note(database: Database) -> bool:
    columns = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'note'"
    return bool(database.scalar(columns))


def has_index(database: Database) -> bool:
    return bool(
        database.scalar("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_id'::regclass")
    )
