"""Split and merge while others write, and when the program that runs them is killed."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time

import psycopg
import pytest

from tests.support.backfills import Killed
from tests.support.database import Database
from tests.support.locks import conninfo, eventually
from tests.support.project import Project
from tests.support.splitting import USERS, column_names, merge, split, split_project, users

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.mark.parametrize("then", ["soft_drop", "archive", "keep"])
def test_what_others_write_before_the_lock_is_split_too(database: Database, then: str) -> None:
    database.execute(USERS)
    work = threading.Thread(target=split, args=(database,), kwargs={"then": then})
    with psycopg.connect(conninfo(database.url())) as writer:
        writer.execute("INSERT INTO users VALUES (9, 'Zoe Zed')")
        writer.execute("UPDATE users SET full_name = 'Ann Bee' WHERE id = 1")
        work.start()
        eventually(lambda: database.scalar(WAITING))
        writer.commit()
    work.join()
    found = users(database, "id, first, last")
    assert (found[0], found[-1]) == ((1, "Ann", "Bee"), (9, "Zoe", "Zed"))


def test_what_others_write_before_the_lock_is_merged_too(database: Database) -> None:
    database.execute(USERS)
    split(database)
    work = threading.Thread(target=merge, args=(database,))
    with psycopg.connect(conninfo(database.url())) as writer:
        writer.execute("INSERT INTO users (id, first, last) VALUES (9, 'Zoe', 'Zed')")
        writer.execute("DELETE FROM users WHERE id = 3")
        work.start()
        eventually(lambda: database.scalar(WAITING))
        writer.commit()
    work.join()
    assert users(database)[2:] == [(4, "Di de Ray"), (9, "Zoe Zed")]


def test_who_writes_while_it_runs_waits_and_then_has_the_new_columns(database: Database) -> None:
    database.execute(USERS)
    errors: list[str] = []

    def insert(values: str) -> None:
        try:
            database.execute(f"INSERT INTO users {values}")
        except psycopg.Error as error:
            errors.append(str(error).splitlines()[0])

    old = "(id, full_name) VALUES (8, 'Old App')"
    new = "(id, first, last) VALUES (9, 'New', 'App')"
    writers = [threading.Thread(target=insert, args=(values,)) for values in (old, new)]
    with psycopg.connect(conninfo(database.url())) as reader:
        reader.execute("SELECT * FROM users")
        work = threading.Thread(target=split, args=(database,))
        work.start()
        eventually(lambda: database.scalar(WAITING) == 1)
        for writer in writers:
            writer.start()
        eventually(lambda: database.scalar(WAITING) == 3)
    for thread in (work, *writers):
        thread.join()
    assert errors == ['column "full_name" of relation "users" does not exist']
    assert users(database, "id, first")[-1] == (9, "New")


def test_a_program_that_is_killed_leaves_all_as_it_was(project: Project) -> None:
    database = project.database
    split_project(project)
    database.execute("""
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_sleep(1); RETURN NEW; END';
        CREATE TRIGGER slow BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION slow();
    """)
    before = database.dump()
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    process = subprocess.Popen(
        command, cwd=project.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    running = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    try:
        eventually(lambda: database.scalar(running), seconds=60)
    finally:
        process.kill()
        process.wait()
    # The server notices when it has something to say.
    eventually(lambda: not database.scalar(running), seconds=30)
    assert database.dump() == before
    database.execute("DROP TRIGGER slow ON users")
    project.upgrade()
    assert users(database, "id, first, last")[0] == (1, "Ann", "Lee")


@pytest.mark.slow
@pytest.mark.parametrize("then", ["soft_drop", "archive"])
def test_killed_at_any_moment_it_comes_to_the_same_as_undisturbed(
    project: Project, then: str
) -> None:
    """Twenty-five kills of the split for each way of parking: all of it is there, or nothing."""
    database = project.database
    split_project(project, then)
    database.execute("INSERT INTO users SELECT g, 'Al No' || g FROM generate_series(5, 5000) AS g")
    undisturbed = database.clone()
    before, columns = users(database), "id, first, last"
    split(undisturbed, then=then)
    began = time.monotonic()
    Killed.start(project.root).finish()
    seconds = time.monotonic() - began
    project.alembic("downgrade", "-1").succeeded()
    assert users(database) == before
    choose, kills = random.Random(then), 0
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    while kills < 25:
        was_killed = Killed.start(project.root).kill_after(seconds * (0.3 + 0.7 * choose.random()))
        eventually(lambda: database.scalar(sessions) == 1, seconds=30)
        kills += was_killed
        if "full_name" in column_names(database):
            assert column_names(database) == ["id", "full_name"]
            assert users(database) == before
        else:
            assert users(database, columns) == users(undisturbed, columns)
            project.alembic("downgrade", "-1").succeeded()
    project.upgrade()
    assert users(database, columns) == users(undisturbed, columns)
