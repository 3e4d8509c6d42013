"""A backfill that is killed at any point, while others write, does each row once."""

from __future__ import annotations

import random

import pytest

from tests.conftest import MakeDatabase, MakeProject
from tests.support.backfills import (
    FORMS,
    KEYS,
    Killed,
    make_table,
    revision,
    wait_for_walk,
    writers,
    wrong_rows,
)
from tests.support.database import Database
from tests.support.project import Project

_KILLS = 10
_MARKERS = (
    "SELECT attname FROM pg_attribute WHERE attname LIKE '\\_zanith\\_%' AND NOT attisdropped"
)
_CONTENT = "SELECT id, number, value, filled, touched FROM t ORDER BY id"


def test_an_upgrade_that_was_killed_goes_on_where_it_was(project: Project) -> None:
    make_table(project.database, "integer", 2000)
    revision(project, "marker", batch_size=20)
    upgrade = Killed.start(project.root)
    wait_for_walk(project.database, upgrade)
    assert upgrade.kill_after(0.05)
    done = project.database.scalar("SELECT count(*) FROM t WHERE touched = 1")
    assert 0 < done < 2000
    assert f"goes on: {done:,} rows are done" in project.upgrade().output
    assert wrong_rows(project.database, "marker") == []
    assert project.database.rows(_MARKERS) == []


@pytest.mark.slow
@pytest.mark.parametrize(("key", "form"), [*zip(KEYS, [*FORMS] * 3, strict=False)])
def test_no_row_is_done_twice_or_left_out_however_often_it_is_killed(
    make_project: MakeProject, key: str, form: str
) -> None:
    """Ten kills for each kind of key, fifty in all."""
    rows = 12_000
    project = make_project()
    database = project.database
    make_table(database, key, rows)
    revision(project, form, batch_size=25)
    choose = random.Random(f"{key} {form}")
    with writers(database, key, rows, seed=7):
        for kill in range(_KILLS):
            upgrade = Killed.start(project.root)
            if kill % 3:
                wait_for_walk(database, upgrade)
                wait = choose.random() * 0.3
            else:
                wait = choose.random() * 2
            assert upgrade.kill_after(wait), "it came to its end before it was killed ten times"
        Killed.start(project.root).finish()
    assert wrong_rows(database, form) == []
    assert database.scalar("SELECT count(*) FROM t WHERE touched = 1") > rows * 0.5
    assert database.rows(_MARKERS) == []
    counted = database.scalar("SELECT rows_done FROM _zanith_migration_checkpoints")
    assert counted >= database.scalar("SELECT sum(touched) FROM t")


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_killed_at_any_moment_to_the_end_it_leaves_what_an_undisturbed_run_does(
    make_project: MakeProject, make_database: MakeDatabase, form: str
) -> None:
    undisturbed = _filled(make_project(name="undisturbed", database=make_database()), form)
    project = make_project()
    make_table(project.database, "integer", 300)
    # After the walk it is not over: what is done has to be found done.
    script = revision(project, form, batch_size=100)
    (path,) = project.versions.glob(f"{script}_*.py")
    sleeps = "    op.get_bind().exec_driver_sql('SELECT pg_sleep(0.5)')\n\n\ndef downgrade"
    path.write_text(path.read_text().replace("\n\ndef downgrade", f"{sleeps}", 1))
    choose = random.Random(form)
    for _ in range(20):
        if not Killed.start(project.root).kill_after(0.5 + choose.random() * 2.5):
            break
    else:
        Killed.start(project.root).finish()
    assert project.database.rows(_CONTENT) == undisturbed.rows(_CONTENT)
    assert project.database.rows(_MARKERS) == []


def _filled(project: Project, form: str) -> Database:
    make_table(project.database, "integer", 300)
    revision(project, form, batch_size=100)
    project.upgrade()
    return project.database
