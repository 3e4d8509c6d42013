"""A backfill that is killed at any point, while others write, does each row once."""

from __future__ import annotations

import random

import pytest

from tests.conftest import MakeProject
from tests.support.backfills import (
    FORMS,
    KEYS,
    Killed,
    make_table,
    revision,
    rows_done,
    wait_for_walk,
    writers,
    wrong_rows,
)

_KILLS = 10
_MARKERS = (
    "SELECT attname FROM pg_attribute WHERE attname LIKE '\\_zanith\\_%' AND NOT attisdropped"
)


@pytest.mark.slow
@pytest.mark.parametrize(("key", "form"), [*zip(KEYS, [*FORMS] * 3, strict=False)])
def test_no_row_is_done_twice_or_left_out_however_often_it_is_killed(
    make_project: MakeProject, key: str, form: str
) -> None:
    """Ten kills for each kind of key, fifty in all."""
    rows = 20_000
    project = make_project()
    database = project.database
    make_table(database, key, rows)
    revision(project, form, batch_size=40)
    choose = random.Random(f"{key} {form}")
    kills = 0
    with writers(database, key, rows, seed=7):
        while kills < _KILLS:
            upgrade = Killed.start(project.root)
            if kills % 3:
                wait_for_walk(database, upgrade)
                wait = choose.random() * 0.3
            else:
                wait = choose.random() * 2
            killed = upgrade.kill_after(wait)
            assert killed, "the upgrade came to its end before it could be killed ten times"
            kills += 1
            print(key, form, kills, wait, rows_done(database))
        finished = Killed.start(project.root)
        print(finished.finish())
    assert wrong_rows(database, form) == []
    assert database.scalar("SELECT count(*) FROM t WHERE touched = 1") > rows * 0.5
    assert database.rows(_MARKERS) == []
    counted = database.scalar("SELECT rows_done FROM _zanith_migration_checkpoints")
    assert counted >= database.scalar("SELECT sum(touched) FROM t")
