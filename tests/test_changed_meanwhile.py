"""Types, keys and tables that are others by the time something comes back: no value goes astray."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from alembic_zanith.errors import KeyChangedError, NoKeyError, ZanithError
from alembic_zanith.recovery import (
    archive_column,
    purge,
    restore_column,
    soft_drop_column,
)
from tests.support.database import Database, PsqlFailed
from tests.support.project import Project
from tests.support.ways import PARK, all_four

KEYED = """
CREATE TABLE t (id int PRIMARY KEY, n int, v text);
INSERT INTO t VALUES (5, 1, 'five'), (2, 5, 'two'), (1, 2, 'one');
"""


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE t DROP id; ALTER TABLE t ADD id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "ALTER TABLE t RENAME id TO former; ALTER TABLE t RENAME n TO id",
    ],
    ids=["renumbered", "renamed"],
)
def test_values_do_not_go_by_another_column_of_the_name(database: Database, change: str) -> None:
    database.execute(KEYED)
    artifact = database.do(archive_column, "t", "v")
    database.execute(change)
    with pytest.raises(KeyChangedError, match="another column"):
        database.do(restore_column, "t.v")
    with pytest.raises(PsqlFailed, match="another column"):
        database.psql(artifact.recovery_sql)
    assert database.do(restore_column, "t.v", force=True).restored_as == "t.v"


@pytest.mark.parametrize("way", ["command", "psql"])
def test_a_key_that_was_archived_itself_comes_back_as_the_key(database: Database, way: str) -> None:
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL UNIQUE, v text);"
        "INSERT INTO t VALUES (1, 'a', 'one'), (2, 'b', 'two')"
    )
    for _ in range(2):
        parked = [database.do(archive_column, "t", name) for name in ("v", "id")]
        for artifact in reversed(parked):
            if way == "command":
                database.do(restore_column, artifact.id)
            else:
                database.psql(artifact.recovery_sql)
    assert database.rows("SELECT id, code, v FROM t") == [(1, "a", "one"), (2, "b", "two")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ALTER TABLE t ALTER at TYPE timestamptz", "at is not of type timestamp without"),
        (
            "ALTER TABLE t DROP CONSTRAINT t_pkey; INSERT INTO t VALUES ('2026-01-02')",
            "several rows of public.t have the same at",
        ),
        ("ALTER TABLE t RENAME TO former", "no table public.t"),
        ("UPDATE {archive} SET value = 'other'", "not what was parked"),
    ],
)
def test_psql_stops_where_the_command_looks_closer(
    database: Database, change: str, message: str
) -> None:
    database.execute(
        "CREATE TABLE t (at timestamp PRIMARY KEY, v text NOT NULL DEFAULT 'none');"
        "INSERT INTO t VALUES ('2026-01-02', 'one')"
    )
    artifact = database.do(archive_column, "t", "v")
    database.execute(change.format(archive=artifact.parked_name))
    before = database.dump_of_all()
    with pytest.raises(PsqlFailed, match=message):
        database.psql(artifact.recovery_sql)
    assert database.dump_of_all() == before


def test_values_do_not_go_to_rows_of_a_child(database: Database) -> None:
    database.execute(KEYED)
    artifact = database.do(archive_column, "t", "v")
    database.execute("CREATE TABLE child (PRIMARY KEY (id)) INHERITS (t)")
    database.execute("INSERT INTO child VALUES (1), (7)")
    with pytest.raises(KeyChangedError, match="several rows"):
        database.do(restore_column, "t.v")
    with pytest.raises(PsqlFailed, match="several rows"):
        database.psql(artifact.recovery_sql)
    database.execute("DELETE FROM child WHERE id = 1")
    assert database.do(restore_column, "t.v").orphaned_rows == 0
    assert database.scalar("SELECT v FROM child") is None


@pytest.mark.parametrize("way", ["command", "psql"])
def test_a_key_that_went_with_the_column_still_finds_the_rows(database: Database, way: str) -> None:
    database.execute(
        "CREATE TABLE t (id int, v text, PRIMARY KEY (id) INCLUDE (v));"
        "INSERT INTO t VALUES (2, 'two'), (1, 'one')"
    )
    before = database.dump()
    artifact = database.do(archive_column, "t", "v")
    assert database.scalar("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass") == 0
    if way == "command":
        database.do(restore_column, "t.v")
    else:
        database.psql(artifact.recovery_sql)
    assert database.dump() == before


def test_values_do_not_go_to_several_rows(database: Database) -> None:
    database.execute(KEYED)
    database.do(archive_column, "t", "v")
    database.execute("ALTER TABLE t DROP CONSTRAINT t_pkey; INSERT INTO t VALUES (1), (1)")
    with pytest.raises(KeyChangedError, match=r"several rows with the same \(1\)"):
        database.do(restore_column, "t.v")


@all_four
@pytest.mark.parametrize("swap", ["renamed", "made anew"])
def test_a_table_that_is_replaced_while_we_wait_for_it(
    database: Database, way: str, swap: str
) -> None:
    park, names, _ = PARK[way]
    database.execute(f"{KEYED}; CREATE TABLE fresh (LIKE t INCLUDING ALL)")
    former = "DROP TABLE t" if swap == "made anew" else "ALTER TABLE t RENAME TO former"
    refusals = []

    def parks() -> None:
        try:
            database.do(park, *names)
        except ZanithError as error:
            refusals.append(str(error))

    with database.engine().connect() as session, session.begin():
        session.exec_driver_sql("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        thread = threading.Thread(target=parks)
        thread.start()
        while not database.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            time.sleep(0.02)
        session.exec_driver_sql(f"{former}; ALTER TABLE fresh RENAME TO t")
    thread.join()
    (refusal,) = refusals
    assert "renamed or replaced by another session" in refusal
    assert database.scalar("SELECT count(*) FROM t") == 0
    if swap == "renamed":
        assert database.scalar("SELECT count(v) FROM former") == 3


@pytest.mark.parametrize("park", [soft_drop_column, archive_column])
@pytest.mark.parametrize("change", ["added", "detached"])
def test_psql_stops_where_the_partitions_are_others(
    database: Database, park: Callable[..., Any], change: str
) -> None:
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);"
        "CREATE UNIQUE INDEX ON t (id, v); CREATE TABLE t_1 PARTITION OF t DEFAULT;"
    )
    artifact = database.do(park, "t", "v")
    if change == "added":
        database.execute("CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (1) TO (9)")
    else:
        database.execute("ALTER TABLE t DETACH PARTITION t_1")
    with pytest.raises(PsqlFailed, match=f"restore-column {artifact.id}"):
        database.psql(artifact.recovery_sql)
    database.do(restore_column, artifact.id)
    invalid = (
        "SELECT count(*) FROM pg_index WHERE indrelid::regclass::text ~ '^t' AND NOT indisvalid"
    )
    assert database.scalar(invalid) == 0


ROLLED_ON = """
CREATE TABLE t (id int, k int, v int{of_parent}, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE t_now (id int NOT NULL, k int NOT NULL, v int{of_partition});
ALTER TABLE t ATTACH PARTITION t_now FOR VALUES IN (1);
CREATE UNIQUE INDEX own ON t_now (v);
INSERT INTO t (id, k) VALUES (1, 1);
"""


@pytest.mark.parametrize("park", [soft_drop_column, archive_column])
@pytest.mark.parametrize("is_generated", [False, True])
def test_what_hung_on_a_partition_follows_it_to_another_name(
    database: Database, park: Callable[..., Any], is_generated: bool
) -> None:
    """Not to the new partition that has its name by now."""
    made = " GENERATED ALWAYS AS (id * {}) STORED" * is_generated
    if is_generated and database.server.major < 17:
        pytest.skip("a partition cannot have its own expression back before PostgreSQL 17")
    database.execute(
        ROLLED_ON.format(
            of_parent=made.format(10), of_partition=made.format(1000) or " DEFAULT 1000"
        )
    )
    artifact = database.do(park, "t", "v")
    database.execute(
        "ALTER TABLE t_now RENAME TO t_then; CREATE TABLE t_now PARTITION OF t FOR VALUES IN (2);"
        "INSERT INTO t (id, k) VALUES (9, 2)"
    )
    with pytest.raises(PsqlFailed, match="partitions"):
        database.psql(artifact.recovery_sql)
    database.do(restore_column, "t.v")
    assert database.rows("SELECT k, v FROM t") == (
        [(1, 1000), (2, 90)] if is_generated else [(1, None), (2, None)]
    )
    owner = "SELECT indrelid::regclass::text FROM pg_index WHERE indexrelid = 'own'::regclass"
    assert database.scalar(owner) == "t_then"


def test_values_of_a_detached_partition_are_told_of(database: Database) -> None:
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);"
        "CREATE TABLE t_1 PARTITION OF t DEFAULT; INSERT INTO t VALUES (1, 'a')"
    )
    artifact = database.do(archive_column, "t", "v")
    database.execute("ALTER TABLE t DETACH PARTITION t_1")
    detached, orphaned = database.do(restore_column, "t.v").warnings
    assert detached.startswith("public.t_1 is no part of public.t any more")
    assert f"zanith-recover export {artifact.id}" in detached
    assert orphaned.startswith("1 archived row has a key that public.t does not have any more")


@pytest.mark.min_major(18)
def test_a_key_that_need_not_hold_for_older_rows_is_none(database: Database) -> None:
    database.execute(
        "CREATE TABLE t (k int UNIQUE, v text); INSERT INTO t VALUES (NULL, 'a');"
        "ALTER TABLE t ADD CONSTRAINT given NOT NULL k NOT VALID"
    )
    with pytest.raises(NoKeyError, match="soft_drop_column"):
        database.do(archive_column, "t", "v")


def test_psql_stops_where_partitions_have_swapped_names(database: Database) -> None:
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, v int) PARTITION BY LIST (id);"
        "CREATE TABLE a PARTITION OF t FOR VALUES IN (1);"
        "CREATE TABLE b PARTITION OF t FOR VALUES IN (2); ALTER TABLE a ADD CHECK (v = 1);"
        "INSERT INTO t VALUES (1, 1), (2, 2)"
    )
    artifact = database.do(soft_drop_column, "t", "v")
    database.execute(
        "ALTER TABLE a RENAME TO c; ALTER TABLE b RENAME TO a; ALTER TABLE c RENAME TO b"
    )
    with pytest.raises(PsqlFailed, match="have other names"):
        database.psql(artifact.recovery_sql)
    database.do(restore_column, "t.v")
    with pytest.raises(psycopg.errors.CheckViolation):
        database.execute("UPDATE b SET v = 2")


def test_a_serial_comes_back_where_its_owner_has_another_name(database: Database) -> None:
    owner = database.role("owner")
    database.execute(
        f'CREATE TABLE t (id int PRIMARY KEY, v serial); ALTER TABLE t OWNER TO "{owner}"'
    )
    artifact = database.do(archive_column, "t", "v")
    database.execute(f'ALTER ROLE "{owner}" RENAME TO "{owner}_2"')
    database.do(restore_column, "t.v")
    database.execute(f'ALTER ROLE "{owner}_2" RENAME TO "{owner}"')
    owners = (
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname IN ('t', 't_v_seq')"
    )
    assert database.rows(owners) == [(owner,)]
    database.execute(f'SET ROLE "{owner}"; INSERT INTO t VALUES (1)')
    database.do(purge, artifact.id)


@pytest.mark.parametrize("operation", ["soft_drop_column", "archive_column"])
def test_a_downgrade_does_not_bring_a_column_back_to_another_table(
    project: Project, operation: str
) -> None:
    project.database.execute(KEYED)
    project.revision(f'op.{operation}("t", "v")', 'op.restore_column("t", "v")')
    project.upgrade()
    project.database.execute("ALTER TABLE t RENAME TO former; CREATE TABLE t (id int)")
    refused = project.alembic("downgrade", "base").failed()
    assert "belongs to another table by now" in refused.stderr
    columns = (
        "SELECT count(*) FROM pg_attribute WHERE attrelid = 'former'::regclass AND attname = 'v'"
    )
    assert project.database.scalar(columns) == 0
    assert project.database.scalar("SELECT count(*) FROM alembic_version") == 1
    project.database.execute("DROP TABLE t; ALTER TABLE former RENAME TO t")
    project.downgrade()
    assert project.database.scalar("SELECT count(v) FROM t") == 3
