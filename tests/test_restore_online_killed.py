"""An online restore that is killed at any point, while others write, gives each row its value."""

from __future__ import annotations

import random
import subprocess
import time

import pytest

from alembic_zanith.recovery import archive_column, purge, restore_column
from tests.conftest import MakeDatabase
from tests.support.backfills import KEYS, writers
from tests.support.database import Database
from tests.support.online import content, has_begun, leftovers, online, start

_KILLS = 20
_ROWS = 4000


def _make(database: Database, key: str, kind: str) -> None:
    definition, of, columns = KEYS[key]
    listing = ", ".join(columns)
    database.execute(
        f"CREATE TABLE t ({definition}, number integer NOT NULL, note {kind});"
        f"INSERT INTO t ({listing}, number)"
        f" SELECT {of.format(n='n')}, n FROM generate_series(1, {_ROWS}) AS n;"
        "ALTER TABLE t ADD CONSTRAINT positive CHECK (note > 0);"
        "CREATE INDEX by_note ON t (note) WHERE note > 10;"
        "CREATE STATISTICS st ON note, number FROM t"
    )
    database.do(archive_column, "t", "note")


def _kill(process: subprocess.Popen[bytes]) -> bool:
    """Kill a process; return False if it had come to its end well."""
    if process.poll() is not None:
        said = process.communicate()[0]
        assert process.returncode == 0, said.decode()
        return False
    process.kill()
    process.communicate()
    return True


def _finish(process: subprocess.Popen[bytes]) -> None:
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said.decode()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("integer", "integer NOT NULL DEFAULT 7"),
        ("composite", "serial"),
        ("uuid", "bigint GENERATED ALWAYS AS IDENTITY"),
    ],
)
def test_killed_twenty_times_it_leaves_what_an_undisturbed_run_does(
    make_database: MakeDatabase, key: str, kind: str
) -> None:
    database = make_database()
    _make(database, key, kind)
    undisturbed = database.clone()
    online(undisturbed, "t.note")
    choose = random.Random(f"{key} {kind}")
    kills = 0
    for number in range(_KILLS * 3):
        process = start(database, "t.note", batch_size=100)
        deadline = time.monotonic() + 20
        while number and not has_begun(database) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # It takes most of a second to come to its first statement.
        time.sleep(0.4 + choose.random() * 0.9)
        kills += _kill(process)
        if kills >= _KILLS or not database.rows(
            "SELECT 1 FROM _zanith_migration_artifacts WHERE status = 'live'"
        ):
            break
    _finish(start(database, "t.note", batch_size=1000))
    assert kills > 3
    assert content(database) == content(undisturbed)
    assert leftovers(database) == []


@pytest.mark.slow
def test_killed_while_others_write(make_database: MakeDatabase) -> None:
    database = make_database()
    _make(database, "integer", "integer NOT NULL DEFAULT 7")
    archive = database.scalar("SELECT parked_table FROM _zanith_migration_artifacts")
    database.execute(f"UPDATE _zanith_archive.{archive} SET value = key_1")
    choose = random.Random("writers")
    kills = 0
    with writers(database, "integer", _ROWS, seed=5):
        for _ in range(_KILLS):
            process = start(database, "t.note", batch_size=20)
            time.sleep(0.6 + choose.random() * 0.8)
            kills += _kill(process)
        with pytest.MonkeyPatch.context():
            online(database, "t.note", force=True)
    wrong = (
        "SELECT * FROM t WHERE CASE WHEN number <= 4000 AND id = number THEN note <> number"
        " WHEN number > 4000 THEN note <> 7 END LIMIT 3"
    )
    assert database.rows(wrong) == []
    assert leftovers(database) == []


@pytest.mark.slow
@pytest.mark.parametrize("then", ["restore", "purge"])
def test_after_a_kill_it_can_be_had_at_once_or_given_up(
    make_database: MakeDatabase, then: str
) -> None:
    choose = random.Random(then)
    for number in range(6):
        database = make_database()
        _make(database, "integer", "integer GENERATED ALWAYS AS IDENTITY")
        expected = database.clone()
        process = start(database, "t.note", batch_size=40)
        while not has_begun(database) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(choose.random() * 0.6)
        if not _kill(process):
            continue
        if then == "restore":
            expected.do(restore_column, "t.note")
            _again_until_free(database, restore_column)
        else:
            expected.do(purge, "t.note")
            _again_until_free(database, purge)
        assert content(database) == content(expected), number
        assert leftovers(database) == []


def _again_until_free(database: Database, act: object) -> None:
    """The server may be at the last statement of the one that was killed."""
    assert callable(act)
    database.do(act, "t.note")
