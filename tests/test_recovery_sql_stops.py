"""The recovery SQL stops where the command would look closer, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alembic_zanith.errors import IntegrityError
from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    restore_column,
    restore_table,
    soft_drop_column,
)
from tests.support.database import Database, PsqlFailed

pytestmark = pytest.mark.majors

KEYED = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one'), (2, 'two')"
COPY = "ALTER TABLE t RENAME TO former; CREATE TABLE t (LIKE former INCLUDING ALL)"


@pytest.mark.parametrize("park", [soft_drop_column, archive_column])
def test_a_table_that_took_the_name_is_not_the_one(
    database: Database, park: Callable[..., Any]
) -> None:
    database.execute(KEYED)
    artifact = database.do(park, "t", "v")
    database.execute(COPY)
    before = database.dump_of_all()
    with pytest.raises(PsqlFailed, match=rf"public\.t is another table .* {artifact.id}"):
        database.psql(artifact.recovery_sql)
    assert database.dump_of_all() == before


def test_rows_of_an_archived_table_that_were_changed(database: Database) -> None:
    database.execute(KEYED)
    artifact = database.do(archive_table, "t")
    update = f"UPDATE {artifact.parked_name} SET v = '{{}}' WHERE id = 1"
    database.execute(update.format("another"))
    with pytest.raises(IntegrityError):
        database.do(restore_table, "t")
    with pytest.raises(PsqlFailed, match=f"not what was parked.*restore-table {artifact.id}"):
        database.psql(artifact.recovery_sql)
    database.execute(update.format("one"))
    database.psql(artifact.recovery_sql)
    assert database.rows("SELECT * FROM t ORDER BY id") == [(1, "one"), (2, "two")]


def test_a_foreign_table_as_a_partition_stops_nothing(database: Database) -> None:
    database.execute(
        "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;"
        "CREATE TABLE t (id int, v text) PARTITION BY LIST (id);"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1); INSERT INTO t VALUES (1, 'one');"
        "CREATE FOREIGN TABLE t_2 PARTITION OF t FOR VALUES IN (2) SERVER files"
        " OPTIONS (filename '/dev/null')"
    )
    before = database.dump()
    artifact = database.do(soft_drop_column, "t", "v")
    database.psql(artifact.recovery_sql)
    assert database.dump() == before


@pytest.mark.parametrize("way", ["command", "psql"])
@pytest.mark.parametrize("park", [soft_drop_column, archive_column])
def test_a_dump_that_is_restored_into_its_own_database(
    database: Database, park: Callable[..., Any], way: str
) -> None:
    """The database is the same then, and no OID in it is."""
    database.execute(
        f"CREATE TYPE mood AS ENUM ('a', 'b'); {KEYED};"
        "CREATE TABLE p (id int, v mood, PRIMARY KEY (id)) PARTITION BY LIST (id);"
        "CREATE TABLE p_1 PARTITION OF p DEFAULT; INSERT INTO p VALUES (1, 'a'), (2, 'b')"
    )
    before = database.dump("--data-only", "--inserts")
    parked = [database.do(park, table, "v") for table in ("t", "p")]
    dump = database.dump_of_all()
    database.execute("DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS _zanith_archive CASCADE")
    schema = "" if "CREATE SCHEMA public" in dump else "CREATE SCHEMA public;"
    database.psql(schema + dump)
    for artifact in parked:
        if way == "command":
            database.do(restore_column, artifact.id)
        else:
            database.psql(artifact.recovery_sql)
    assert database.dump("--data-only", "--inserts") == before
