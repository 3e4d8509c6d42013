"""Generated columns come back with their expressions, whichever of them PostgreSQL lets change."""

from __future__ import annotations

import pytest

from alembic_zanith.errors import DependentObjectsError, NotDroppableError
from alembic_zanith.recovery import archive_column, restore_column
from tests.support.database import Database
from tests.support.exact.cycles import Cycle
from tests.support.exact.targets import Target
from tests.support.twins import STRATEGIES, Dropped

STORED_PARTITIONS = """
CREATE TABLE t (id integer PRIMARY KEY, made integer GENERATED ALWAYS AS (id * 2) STORED)
  PARTITION BY RANGE (id);
CREATE TABLE t_1 PARTITION OF t (made GENERATED ALWAYS AS (id * 7) STORED)
  FOR VALUES FROM (0) TO (2);
CREATE TABLE t_2 PARTITION OF t DEFAULT;
INSERT INTO t VALUES (1), (2);
"""
VIRTUAL_BESIDE_A_CHECK = """
CREATE TABLE t (id integer PRIMARY KEY, made integer GENERATED ALWAYS AS (id * 2), n integer);
ALTER TABLE t ADD CHECK (n > 0);
"""
VIRTUAL_WITH_A_CHECK_OF_ITS_OWN = """
CREATE TABLE t (id integer PRIMARY KEY, made integer GENERATED ALWAYS AS (id * 2) CHECK (made > 0));
INSERT INTO t VALUES (1);
"""
VIRTUAL_AND_PUBLISHED = """
CREATE TABLE t (id integer PRIMARY KEY, made integer GENERATED ALWAYS AS (id * 2));
CREATE PUBLICATION news FOR TABLE t;
"""


@pytest.mark.majors
@pytest.mark.min_major(17)
@pytest.mark.parametrize("way", ["command", "psql"])
def test_a_partition_keeps_an_expression_of_its_own(database: Database, way: str) -> None:
    database.execute(STORED_PARTITIONS)
    made_comes_back(database, way)


@pytest.mark.majors
@pytest.mark.min_major(18)
@pytest.mark.parametrize("way", ["command", "psql"])
@pytest.mark.parametrize(
    "setup",
    [VIRTUAL_BESIDE_A_CHECK, VIRTUAL_WITH_A_CHECK_OF_ITS_OWN, VIRTUAL_AND_PUBLISHED],
    ids=["beside a check", "with a check of its own", "published"],
)
def test_a_virtual_column_comes_back(database: Database, setup: str, way: str) -> None:
    database.execute(setup)
    made_comes_back(database, way)


def made_comes_back(database: Database, way: str) -> None:
    """Soft-drop and archive the column `made`, and compare the dumps."""
    made = Target("public", "t", "made")
    with Cycle(database, way) as cycle:
        cycle.park_and_bring_back(made, "soft_drop")
        cycle.nothing_has_changed()
        cycle.park_and_bring_back(made, "archive")
        cycle.only_column_order_has_changed()


@pytest.mark.majors
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("partitioned", [False, True])
def test_what_is_generated_from_a_column_needs_it(
    database: Database, strategy: str, partitioned: bool
) -> None:
    """On PostgreSQL 14 as well, which would drop it along."""
    database.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, gone integer,"
        " made integer GENERATED ALWAYS AS (gone * 2) STORED)"
        + (" PARTITION BY RANGE (id); CREATE TABLE t_1 PARTITION OF t DEFAULT" * partitioned)
    )
    with database.begin() as connection, pytest.raises(DependentObjectsError) as refused:
        Dropped.parse("t.gone").park(connection, strategy)
    assert "column made of table t depends on column gone of table t" in refused.value.dependents


@pytest.mark.majors
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_generated_in_a_child_that_keeps_the_column(
    database: Database, strategy: str
) -> None:
    """Nothing there needs the parent's column: what is in the way is the child's own."""
    database.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, gone integer); CREATE TABLE other (gone integer);"
        "CREATE TABLE child (made integer GENERATED ALWAYS AS (gone * 2) STORED) INHERITS (t, other)"
    )
    with database.begin() as connection, pytest.raises(NotDroppableError, match="NO INHERIT"):
        Dropped.parse("t.gone").park(connection, strategy)


@pytest.mark.majors
@pytest.mark.parametrize("way", ["command", "psql"])
def test_an_archived_one_needs_no_key_to_come_back(database: Database, way: str) -> None:
    """Its values are generated again, whatever became of the key they were archived with."""
    database.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, v integer,"
        " made integer GENERATED ALWAYS AS (v * 2) STORED); INSERT INTO t VALUES (1, 5)"
    )
    artifact = database.do(archive_column, "t", "made")
    database.execute("ALTER TABLE t DROP id; ALTER TABLE t ADD id integer; UPDATE t SET v = 6")
    if way == "command":
        database.do(restore_column, "t.made")
    else:
        database.psql(artifact.recovery_sql)
    assert database.rows("SELECT made FROM t") == [(12,)]
