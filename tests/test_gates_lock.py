"""Five deploys at once, and migrations that wait for others: one after the other, and bounded."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from alembic_zanith.locking.advisory import run_lock
from tests.support.database import Database
from tests.support.locks import in_the_way, in_the_way_awhile
from tests.support.project import Project

CONCURRENTLY = """\
with op.get_context().autocommit_block():
    op.create_index('t_value', 't', ['value'], postgresql_concurrently=True)"""


def start(project: Project, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("per_migration", [False, True])
def test_five_deploys_at_once_apply_once(
    project: Project, database: Database, per_migration: bool
) -> None:
    project.configure_context(f"transaction_per_migration={per_migration}")
    project.revision(
        upgrade="op.create_table('t', sa.Column('id', sa.Integer), sa.Column('value', sa.Text))\n"
        "op.create_table('applied', sa.Column('at', sa.DateTime))"
    )
    project.revision(upgrade="op.execute('INSERT INTO applied VALUES (now())')")
    project.revision(upgrade=CONCURRENTLY)
    project.revision(
        upgrade="op.execute('INSERT INTO applied VALUES (now())')\nop.execute('SELECT pg_sleep(0.3)')"
    )
    deploys = [start(project, "upgrade", "head") for _ in range(5)]
    outputs = [deploy.communicate(timeout=120)[0] for deploy in deploys]
    assert [deploy.returncode for deploy in deploys] == [0] * 5, outputs
    assert database.scalar("SELECT count(*) FROM applied") == 2
    assert database.scalar("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_value'::regclass")
    assert sum("Running upgrade" in output for output in outputs) == 1


@contextmanager
def held_by_another_run(database: Database) -> Iterator[None]:
    engine = database.engine()
    with engine.connect() as connection, run_lock(connection, wait_seconds=0):
        yield
    engine.dispose()


def test_a_second_deploy_says_who_holds_the_lock(project: Project, database: Database) -> None:
    project.revision(upgrade="op.create_table('t', sa.Column('id', sa.Integer))")
    project.settings(lock_wait="200ms")
    with held_by_another_run(database):
        before = database.dump()
        refused = project.alembic("upgrade", "head").failed()
        assert "Another run of migrations holds the lock of this database since" in refused.output
        assert "pg_terminate_backend(" in refused.output
        assert database.dump() == before
    project.upgrade()


@pytest.mark.parametrize("arguments", [["--mode", "dev"], ["--dry-run"]])
def test_dev_and_a_dry_run_wait_for_nobody(
    project: Project, database: Database, arguments: list[str]
) -> None:
    project.revision(upgrade="op.create_table('t', sa.Column('id', sa.Integer))")
    project.settings(lock_wait="200ms")
    with held_by_another_run(database):
        project.alembic("upgrade", "head", *arguments).succeeded()


READS_T = "LOCK TABLE t IN ACCESS SHARE MODE"


def test_a_migration_is_tried_again_until_it_has_its_lock(
    project: Project, database: Database
) -> None:
    database.execute("CREATE TABLE t (id int)")
    project.settings(lock_timeout="200ms", lock_retries=20)
    project.revision(
        upgrade="op.execute('CREATE TABLE made (id int)')\nop.add_column('t', sa.Column('value', sa.Text))"
    )
    with in_the_way_awhile(database, 1.0, READS_T) as pid:
        done = project.alembic("upgrade", "head").succeeded()
    assert "attempt 1 of 21" in done.output
    assert str(pid) in done.output
    assert database.scalar("SELECT count(*) FROM made") == 0
    assert database.scalar("SELECT count(value) FROM t") == 0


def test_without_its_lock_a_migration_fails_and_names_who_has_it(
    project: Project, database: Database
) -> None:
    database.execute("CREATE TABLE t (id int)")
    project.settings(lock_timeout="200ms", lock_retries=1)
    project.revision(upgrade="op.add_column('t', sa.Column('value', sa.Text))")
    before = database.dump()
    began = time.monotonic()
    with in_the_way(database, READS_T, "SELECT pg_backend_pid()") as pid:
        failed = project.alembic("upgrade", "head").failed()
    assert time.monotonic() - began < 60
    assert f"pg_terminate_backend({pid})" in failed.output
    assert "SELECT pg_backend_pid()" in failed.output
    assert database.dump() == before


def test_statement_timeout_holds_for_the_run_alone(project: Project, database: Database) -> None:
    project.settings(statement_timeout="300ms")
    project.revision(upgrade="op.execute('SELECT pg_sleep(5)')")
    assert "statement timeout" in project.alembic("upgrade", "head").output
