"""`purge` and `cleanup` let go of what they are told to, and of nothing else."""

from __future__ import annotations

import datetime as dt
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from alembic_zanith.errors import (
    AmbiguousTargetError,
    TransactionRequiredError,
    UnknownObjectError,
)
from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    cleanup,
    list_artifacts,
    purge,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)
from tests.support.database import Database
from tests.support.drivers import DRIVERS, in_transaction

SCHEMA = """
CREATE TABLE users (
    id int PRIMARY KEY, legacy_uuid uuid UNIQUE, note text NOT NULL DEFAULT '', rank serial
);
INSERT INTO users (id, note) SELECT i, 'note ' || i FROM generate_series(1, 100) i;
CREATE TABLE sessions (id bigserial PRIMARY KEY, user_id int REFERENCES users);
CREATE INDEX ON sessions (user_id);
INSERT INTO sessions (user_id) SELECT id FROM users;
"""

DROPS: dict[str, tuple[Callable[..., object], tuple[str, ...], str]] = {
    "soft_drop_column": (soft_drop_column, ("users", "legacy_uuid"), "users.legacy_uuid"),
    "soft_drop_table": (soft_drop_table, ("sessions",), "sessions"),
    "archive_column": (archive_column, ("users", "note"), "users.note"),
    "archive_table": (archive_table, ("sessions",), "sessions"),
    "archive_column_with_sequence": (archive_column, ("users", "rank"), "users.rank"),
}

REAL_DROPS = {
    "soft_drop_column": "ALTER TABLE users DROP COLUMN legacy_uuid",
    "soft_drop_table": "DROP TABLE sessions",
    "archive_column": "ALTER TABLE users DROP COLUMN note",
    "archive_table": "DROP TABLE sessions",
    "archive_column_with_sequence": "ALTER TABLE users DROP COLUMN rank",
}


def artifact_count(database: Database) -> int:
    return int(database.scalar("SELECT count(*) FROM _zanith_migration_artifacts"))


def objects_in_archive_schema(database: Database) -> list[Any]:
    return database.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('_zanith_archive')"
    )


@pytest.mark.majors
@pytest.mark.parametrize("kind", DROPS)
def test_drop_and_purge_leave_what_a_real_drop_leaves(database: Database, kind: str) -> None:
    database.execute(SCHEMA)
    twin = database.clone()
    twin.execute(REAL_DROPS[kind])
    operation, names, target = DROPS[kind]
    with database.begin() as connection:
        operation(connection, *names)
    with database.begin() as connection:
        report = purge(connection, target)
    assert report.dropped
    assert database.dump() == twin.dump()
    assert objects_in_archive_schema(database) == []
    assert artifact_count(database) == 0


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_driver_can_clean_up(database: Database, driver: str) -> None:
    database.execute(SCHEMA)

    def drop_and_clean(connection: sa.Connection) -> list[str]:
        for operation, names, _ in list(DROPS.values())[:3]:
            operation(connection, *names)
        return [report.artifact.source for report in cleanup(connection, older_than=dt.timedelta())]

    purged = in_transaction(database, driver, drop_and_clean)
    assert purged == ["users.legacy_uuid", "sessions", "users.note"]


def test_what_was_restored_is_never_dropped(database: Database) -> None:
    database.execute(SCHEMA)
    before = database.dump()
    for kind in ("soft_drop_column", "soft_drop_table", "archive_table"):
        operation, names, target = DROPS[kind]
        with database.begin() as connection:
            operation(connection, *names)
        with database.begin() as connection:
            restore = restore_column if len(names) == 2 else restore_table
            restore(connection, target)
        with database.begin() as connection:
            report = purge(connection, target)
        assert not report.dropped
    assert database.dump() == before
    assert artifact_count(database) == 0


def test_the_archive_of_a_restored_column_goes_with_the_purge(database: Database) -> None:
    database.execute(SCHEMA)
    with database.begin() as connection:
        archive_column(connection, "users", "note")
        restore_column(connection, "users.note")
    assert objects_in_archive_schema(database) != []
    with database.begin() as connection:
        assert purge(connection, "users.note").dropped
    assert objects_in_archive_schema(database) == []
    assert database.scalar("SELECT note FROM users WHERE id = 7") == "note 7"


def test_a_name_that_fits_several_live_artifacts_is_refused_with_their_ids(
    database: Database,
) -> None:
    database.execute(SCHEMA)
    with database.begin() as connection:
        old = soft_drop_column(connection, "users", "note")
        connection.exec_driver_sql("ALTER TABLE users ADD COLUMN note text")
        new = soft_drop_column(connection, "users", "note")
    with database.begin() as connection:
        with pytest.raises(AmbiguousTargetError, match="fits 2 artifacts") as caught:
            purge(connection, "users.note")
        assert old.id in str(caught.value)
        assert new.id in str(caught.value)
        assert purge(connection, old.id).artifact.id == old.id
        assert purge(connection, "users.note").artifact.id == new.id
        with pytest.raises(UnknownObjectError):
            purge(connection, "users.note")


def test_a_live_artifact_goes_before_a_restored_one_of_the_same_name(database: Database) -> None:
    database.execute(SCHEMA)
    with database.begin() as connection:
        live = soft_drop_column(connection, "users", "note")
        connection.exec_driver_sql("ALTER TABLE users ADD COLUMN note text")
        newer = soft_drop_column(connection, "users", "note")
        restore_column(connection, "users.note", artifact=newer.id)
        assert purge(connection, "users.note").artifact.id == live.id


def test_the_entry_of_data_that_is_gone_can_be_purged(database: Database) -> None:
    database.execute(SCHEMA)
    with database.begin() as connection:
        archive_table(connection, "sessions")
    database.execute("DROP SCHEMA _zanith_archive CASCADE")
    with database.begin() as connection:
        (summary,) = list_artifacts(connection)
        assert not summary.present
        assert not purge(connection, "sessions").dropped
    assert artifact_count(database) == 0


def test_a_purge_that_is_rolled_back_has_not_happened(database: Database) -> None:
    database.execute(SCHEMA)
    with database.begin() as connection:
        soft_drop_table(connection, "sessions")
    before = database.dump()
    with database.engine().connect() as connection:
        purge(connection, "sessions")
        connection.rollback()
    assert database.dump() == before
    assert artifact_count(database) == 1


def test_what_came_to_depend_on_parked_data_is_not_dropped_with_it(database: Database) -> None:
    database.execute(SCHEMA)
    with database.begin() as connection:
        artifact = soft_drop_table(connection, "sessions")
    database.execute(f"CREATE VIEW audit AS SELECT * FROM {artifact.parked_name}")
    with (
        database.engine().connect() as connection,
        pytest.raises(sa.exc.DBAPIError, match="other objects depend on it"),
    ):
        purge(connection, "sessions")
    assert artifact_count(database) == 1


def test_outside_of_a_transaction_nothing_is_purged(database: Database) -> None:
    database.execute(SCHEMA)
    with database.begin() as connection:
        soft_drop_table(connection, "sessions")
    with database.engine(isolation_level="AUTOCOMMIT").connect() as connection:
        with pytest.raises(TransactionRequiredError):
            purge(connection, "sessions")
        with pytest.raises(TransactionRequiredError):
            cleanup(connection, older_than=dt.timedelta())
    assert artifact_count(database) == 1


# ------------------------------------------------------------------------------ cleanup


def aged(database: Database, artifact_id: str, days: int) -> None:
    database.execute(
        "UPDATE _zanith_migration_artifacts SET created_at = created_at - interval"
        f" '{days} days', expires_at = expires_at - interval '{days} days'"
        f" WHERE id = '{artifact_id}'"
    )


def drop_at_ages(database: Database) -> dict[str, str]:
    """Park a table that is 40 days old, one of 10 days, and one of 40 that is kept for ever."""
    with database.begin() as connection:
        for name in ("old", "young", "eternal"):
            connection.exec_driver_sql(f"CREATE TABLE {name} (id int PRIMARY KEY)")
        ids = {
            "old": soft_drop_table(connection, "old", retention_days=90).id,
            "young": soft_drop_table(connection, "young", retention_days=90).id,
            "eternal": soft_drop_table(connection, "eternal", retention_days=None).id,
        }
    for name, days in (("old", 40), ("young", 10), ("eternal", 40)):
        aged(database, ids[name], days)
    return ids


def cleaned(database: Database, **options: Any) -> list[str]:
    with database.begin() as connection:
        return [report.artifact.source for report in cleanup(connection, **options)]


def test_cleanup_takes_what_is_older(database: Database) -> None:
    drop_at_ages(database)
    assert cleaned(database) == []
    assert cleaned(database, older_than=dt.timedelta(days=30)) == ["old"]
    assert cleaned(database, older_than=dt.timedelta(days=30)) == []
    assert cleaned(database, older_than=dt.timedelta(days=5)) == ["young"]


def test_cleanup_takes_what_is_past_its_expiry_oldest_first(database: Database) -> None:
    ids = drop_at_ages(database)
    aged(database, ids["old"], 100)
    aged(database, ids["young"], 85)
    assert cleaned(database) == ["old", "young"]


def test_cleanup_never_takes_what_is_kept_for_ever(database: Database) -> None:
    ids = drop_at_ages(database)
    assert cleaned(database, older_than=dt.timedelta()) == ["old", "young"]
    with database.begin() as connection:
        assert [s.artifact.id for s in list_artifacts(connection)] == [ids["eternal"]]
        assert purge(connection, "eternal").dropped


def test_a_dry_run_tells_the_same_and_changes_nothing(database: Database) -> None:
    drop_at_ages(database)
    before = database.dump()
    with database.begin() as connection:
        reports = cleanup(connection, older_than=dt.timedelta(), dry_run=True)
    assert [report.artifact.source for report in reports] == ["old", "young"]
    assert all(report.dry_run and not report.dropped for report in reports)
    assert database.dump() == before
    assert artifact_count(database) == 3


def test_one_that_cannot_be_purged_stops_none_of_the_others(database: Database) -> None:
    ids = drop_at_ages(database)
    database.execute(f"CREATE VIEW v AS SELECT * FROM _zanith_dropped_old_{ids['old']}")
    with database.begin() as connection:
        reports = cleanup(connection, older_than=dt.timedelta())
    assert [(r.artifact.source, r.dropped, bool(r.error)) for r in reports] == [
        ("old", False, True),
        ("young", True, False),
    ]
    assert "depend" in str(reports[0].error)
    assert database.rows("SELECT id FROM _zanith_migration_artifacts ORDER BY 1") == sorted(
        [(ids["eternal"],), (ids["old"],)]
    )


def test_cleanup_does_not_wait_long_for_a_table_in_use(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for an exclusive lock makes all that come after wait as well."""
    module = sys.modules["alembic_zanith.recovery.purge"]  # the package has the function there
    monkeypatch.setattr(module, "CLEANUP_LOCK_TIMEOUT", "100ms")
    database.execute(SCHEMA)
    with database.begin() as connection:
        soft_drop_column(connection, "users", "note")
        soft_drop_table(connection, "sessions")
    with database.engine().connect() as reader:
        reader.exec_driver_sql("SELECT 1 FROM users")
        with database.begin() as connection:
            reports = cleanup(connection, older_than=dt.timedelta())
            assert connection.scalar(sa.text("SHOW lock_timeout")) == "0"
    assert [(r.artifact.source, bool(r.error)) for r in reports] == [
        ("users.note", True),
        ("sessions", False),
    ]
    assert "lock timeout" in str(reports[0].error)


def test_two_cleanups_at_once_purge_everything_once(database: Database) -> None:
    drop_at_ages(database)
    done: list[list[str]] = []

    def run() -> None:
        done.append(cleaned(database, older_than=dt.timedelta()))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for names in done for name in names) == ["old", "young"]


def test_nothing_ever_parked_is_nothing_to_clean(database: Database) -> None:
    assert cleaned(database, older_than=dt.timedelta()) == []
    with database.begin() as connection:
        assert list_artifacts(connection) == []
        with pytest.raises(UnknownObjectError, match="Nothing is parked"):
            purge(connection, "users")
