"""Columns whose type, or tables whose rows, PostgreSQL does not let change."""

from __future__ import annotations

import pytest

from alembic_zanith import recovery
from alembic_zanith.errors import NotDroppableError, NotRestorableError
from tests.support.database import Database
from tests.support.exact.cycles import Cycle
from tests.support.exact.targets import Target
from tests.support.twins import STRATEGIES

pytestmark = pytest.mark.majors

EVERYWHERE = pytest.mark.parametrize("strategy", STRATEGIES)
BOTH_WAYS = pytest.mark.parametrize("way", ["command", "psql"])

KEYED_BY_CITEXT = """
CREATE EXTENSION citext;
CREATE TABLE t (id integer, code citext, other citext, PRIMARY KEY (id, code))
  PARTITION BY RANGE (id);
CREATE INDEX ON t (other) WHERE code <> 'no';
CREATE TABLE t_1 PARTITION OF t DEFAULT PARTITION BY RANGE (id);
CREATE TABLE t_1_1 PARTITION OF t_1 DEFAULT;
ALTER INDEX t_1_1_pkey RENAME TO odd;
COMMENT ON INDEX t_1_1_other_idx IS 'of the partition';
INSERT INTO t VALUES (1, 'A', 'a');
"""

KEYED_BY_AN_EXPRESSION = """
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TABLE t (id integer, n positive) PARTITION BY LIST ((n % 2));
CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1);
CREATE TABLE t_2 PARTITION OF t DEFAULT;
INSERT INTO t VALUES (1, 1), (2, 2), (3, NULL);
"""

KEY_WITH_OPTIONS = """
CREATE TABLE t (id integer, gone integer, n integer,
  PRIMARY KEY (id) INCLUDE (gone) WITH (fillfactor = 70),
  UNIQUE (id, gone) WITH (fillfactor = 60) DEFERRABLE INITIALLY DEFERRED)
  PARTITION BY RANGE (id);
CREATE TABLE t_1 PARTITION OF t DEFAULT;
INSERT INTO t VALUES (1, 1, 1);
"""

STORED_IN_ANOTHER = """
CREATE DOMAIN free AS text;
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TABLE t (id integer PRIMARY KEY, free free, strict positive, plain integer,
  made integer GENERATED ALWAYS AS (id + 1) STORED);
INSERT INTO t VALUES (1, 'a', 1, 1);
"""
HOLDER = "CREATE DOMAIN row_of_t AS t; CREATE TABLE holder (id integer, held row_of_t[])"


@BOTH_WAYS
@EVERYWHERE
def test_an_expression_as_partition_key_of_a_column_of_a_domain(
    database: Database, strategy: str, way: str
) -> None:
    database.execute(KEYED_BY_AN_EXPRESSION)
    with Cycle(database, way) as cycle:
        cycle.park_and_bring_back(Target("public", "t"), strategy)
        cycle.nothing_has_changed()


@BOTH_WAYS
@EVERYWHERE
def test_an_index_of_a_partition_keeps_its_name_and_comment(
    database: Database, strategy: str, way: str
) -> None:
    database.execute(KEYED_BY_CITEXT)
    with Cycle(database, way) as cycle:
        cycle.park_and_bring_back(Target("public", "t"), strategy)
        cycle.nothing_has_changed()


@BOTH_WAYS
@EVERYWHERE
def test_a_key_of_a_partitioned_table_keeps_its_options(
    database: Database, strategy: str, way: str
) -> None:
    database.execute(KEY_WITH_OPTIONS)
    with Cycle(database, way) as cycle:
        cycle.park_and_bring_back(Target("public", "t"), strategy)
        cycle.nothing_has_changed()
        cycle.park_and_bring_back(Target("public", "t", "n"), strategy)
        cycle.park_and_bring_back(Target("public", "t", "gone"), "soft_drop")
        cycle.only_column_order_has_changed()


@BOTH_WAYS
@pytest.mark.parametrize("column", ["free", "plain", "made"])
def test_a_column_of_rows_stored_elsewhere_can_be_soft_dropped(
    database: Database, column: str, way: str
) -> None:
    database.execute(f"{STORED_IN_ANOTHER}; {HOLDER}")
    with Cycle(database, way) as cycle:
        cycle.park_and_bring_back(Target("public", "t", column), "soft_drop")
        cycle.nothing_has_changed()


@pytest.mark.parametrize("column", ["free", "plain", "made", "strict"])
def test_it_cannot_be_archived(database: Database, column: str) -> None:
    database.execute(f"{STORED_IN_ANOTHER}; {HOLDER}")
    before = database.fingerprint()
    with (
        database.begin() as connection,
        pytest.raises(NotDroppableError, match=r"public\.holder.*op\.soft_drop_column"),
    ):
        recovery.archive_column(connection, "t", column)
    assert database.fingerprint() == before


def test_nor_soft_dropped_where_its_domain_could_refuse_rows(database: Database) -> None:
    database.execute(f"{STORED_IN_ANOTHER}; {HOLDER}")
    before = database.fingerprint()
    with database.begin() as connection, pytest.raises(NotDroppableError, match=r"public\.holder"):
        recovery.soft_drop_column(connection, "t", "strict")
    assert database.fingerprint() == before


@pytest.mark.parametrize("column", ["plain", "made"])
def test_an_archive_waits_until_no_other_table_stores_the_rows(
    database: Database, column: str
) -> None:
    database.execute(STORED_IN_ANOTHER)
    with database.begin() as connection:
        artifact = recovery.archive_column(connection, "t", column)
    database.execute(HOLDER)
    with (
        database.begin() as connection,
        pytest.raises(NotRestorableError, match=r"public\.holder.*export"),
    ):
        recovery.restore_column(connection, artifact.id)
    database.execute("DROP TABLE holder")
    with database.begin() as connection:
        recovery.restore_column(connection, artifact.id)
    assert database.rows(f"SELECT {column} FROM t") == [({"plain": 1, "made": 2}[column],)]


@EVERYWHERE
def test_a_catalog_table_of_logical_decoding(database: Database, strategy: str) -> None:
    database.execute(f"{STORED_IN_ANOTHER}; ALTER TABLE t SET (user_catalog_table = true)")
    with Cycle(database, "command") as cycle:
        if strategy == "archive":
            with pytest.raises(NotDroppableError, match="user_catalog_table"):
                cycle.park(Target("public", "t", "plain"), strategy)
        else:
            cycle.park_and_bring_back(Target("public", "t", "made"), strategy)
        cycle.nothing_has_changed()


@pytest.mark.min_major(18)
@BOTH_WAYS
@EVERYWHERE
def test_a_partition_with_a_foreign_key_that_is_not_valid(
    database: Database, strategy: str, way: str
) -> None:
    database.execute(
        "CREATE TABLE parent (a integer, b integer, UNIQUE (a, b));"
        "CREATE TABLE t (id integer, a integer, b integer) PARTITION BY RANGE (id);"
        "CREATE TABLE t_1 PARTITION OF t DEFAULT PARTITION BY RANGE (id);"
        "CREATE TABLE t_1_1 PARTITION OF t_1 DEFAULT; INSERT INTO t VALUES (1, 1, NULL), (2, 7, 7);"
        "ALTER TABLE t ADD FOREIGN KEY (a, b) REFERENCES parent (a, b) MATCH FULL NOT VALID"
    )
    with Cycle(database, way) as cycle:
        cycle.park_and_bring_back(Target("public", "t_1"), strategy)
        cycle.nothing_has_changed()


@BOTH_WAYS
@EVERYWHERE
@pytest.mark.parametrize("column", ["c", None], ids=["column", "table"])
def test_partitions_keep_their_storage(
    database: Database, column: str | None, strategy: str, way: str
) -> None:
    database.execute(
        "CREATE DOMAIN free AS text; CREATE TABLE t (id integer PRIMARY KEY, c free)"
        " PARTITION BY RANGE (id); CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (1) TO (9);"
        "CREATE TABLE t_2 PARTITION OF t DEFAULT; ALTER TABLE t ALTER c SET STORAGE MAIN;"
        "ALTER TABLE t_1 ALTER c SET STORAGE EXTERNAL; ALTER TABLE t_2 ALTER c SET STORAGE EXTENDED"
    )
    with Cycle(database, way) as cycle:
        cycle.park_and_bring_back(Target("public", "t", column), strategy)
        cycle.only_column_order_has_changed()


@BOTH_WAYS
@EVERYWHERE
def test_a_partition_that_is_a_catalog_table(database: Database, strategy: str, way: str) -> None:
    database.execute(
        "CREATE DOMAIN positive AS integer CHECK (VALUE > 0);"
        "CREATE TABLE t (id integer, c positive) PARTITION BY RANGE (id);"
        "CREATE TABLE t_1 PARTITION OF t DEFAULT WITH (user_catalog_table = true)"
    )
    with Cycle(database, way) as cycle:
        cycle.park_and_bring_back(Target("public", "t"), strategy)
        cycle.nothing_has_changed()
