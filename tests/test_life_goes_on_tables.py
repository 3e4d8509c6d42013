"""Life goes on while a table is parked, and in the partitions of one whose column is parked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import (
    ConstraintConflictError,
    DataMissingError,
    NameTakenError,
    UnknownObjectError,
)
from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)
from tests.support.database import Database
from tests.support.ways import each_way_to_drop_a_column, each_way_to_drop_a_table

Drop = Callable[..., Artifact]

ORDERS = """
    CREATE TABLE users (id int PRIMARY KEY);
    INSERT INTO users SELECT generate_series(1, 5);
    CREATE TABLE orders (id int PRIMARY KEY, user_id int CONSTRAINT of_user REFERENCES users);
    INSERT INTO orders SELECT n, n FROM generate_series(1, 5) AS n;
"""


def valid_indexes(database: Database, table: str) -> dict[str, bool]:
    """Return whether each index of a table is valid."""
    query = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = "
    return dict(database.rows(f"{query}'{table}'::regclass"))


@each_way_to_drop_a_table
class TestForeignKey:
    """A table that refers to another, of which rows or all are gone."""

    @pytest.fixture(autouse=True)
    def parked(self, database: Database, drop: Drop) -> None:
        database.execute(ORDERS)
        database.do(drop, "orders")

    def test_it_comes_back_not_valid_when_parent_rows_are_gone(self, database: Database) -> None:
        database.execute("DELETE FROM users WHERE id > 3")
        report = database.do(restore_table, "orders")
        (invalid,) = report.not_valid
        assert (invalid.name, invalid.count, sorted(invalid.sample)) == (
            "of_user",
            2,
            ["(4)", "(5)"],
        )
        assert database.scalar("SELECT count(*) FROM orders") == 5
        with pytest.raises(Exception, match="of_user"):
            database.execute("INSERT INTO orders VALUES (9, 5)")

    def test_it_is_refused_when_the_parent_is_gone_and_relax_brings_the_rest(
        self, database: Database
    ) -> None:
        database.execute("DROP TABLE users")
        before = database.dump_of_all()
        with pytest.raises(ConstraintConflictError, match=r"of_user(.|\n)*--relax") as refusal:
            database.do(restore_table, "orders")
        assert "--fill" not in str(refusal.value)
        assert database.dump_of_all() == before
        report = database.do(restore_table, "orders", relax=True)
        assert any("of_user" in each for each in report.left_out)
        assert database.scalar("SELECT count(*) FROM orders") == 5

    def test_under_another_name_it_is_the_same(self, database: Database) -> None:
        database.execute("DELETE FROM users WHERE id = 1")
        report = database.do(restore_table, "orders", as_name="old_orders")
        assert report.restored_as == "old_orders"
        assert [key.count for key in report.not_valid] == [1]
        assert valid_indexes(database, "old_orders") == {"orders_pkey": True}


@each_way_to_drop_a_table
def test_a_name_that_is_taken_is_never_overwritten(database: Database, drop: Drop) -> None:
    database.execute(ORDERS)
    database.do(drop, "orders")
    for kind in ("TABLE orders ()", "VIEW orders AS SELECT 1", "TYPE orders AS ENUM ('a')"):
        database.execute(f"CREATE {kind}")
        before = database.dump_of_all()
        with pytest.raises(NameTakenError, match="--as orders_restored"):
            database.do(restore_table, "orders")
        assert database.dump_of_all() == before
        database.execute(f"DROP {kind.split()[0]} orders")
    database.do(restore_table, "orders")
    assert database.scalar("SELECT count(*) FROM orders") == 5


def test_the_schema_of_an_archived_table_is_gone(database: Database) -> None:
    database.execute("CREATE SCHEMA shop; CREATE TABLE shop.items AS SELECT 1 AS n")
    database.do(archive_table, "items", schema="shop")
    database.execute("DROP SCHEMA shop")
    with pytest.raises(UnknownObjectError, match='CREATE SCHEMA "shop"'):
        database.do(restore_table, "shop.items")
    database.execute("CREATE SCHEMA shop")
    database.do(restore_table, "shop.items")
    assert database.scalar("SELECT n FROM shop.items") == 1


@each_way_to_drop_a_table
def test_a_parked_table_that_was_dropped_for_real_is_named(database: Database, drop: Drop) -> None:
    database.execute(ORDERS)
    artifact = database.do(drop, "orders")
    database.execute(f"DROP TABLE {artifact.parked_name}")
    with pytest.raises(DataMissingError, match=f"purge {artifact.id}"):
        database.do(restore_table, "orders")


@each_way_to_drop_a_table
@pytest.mark.parametrize("as_name", [None, "orders_2"])
def test_a_second_restore_does_nothing(database: Database, drop: Drop, as_name: str | None) -> None:
    database.execute(ORDERS)
    artifact = database.do(drop, "orders")
    first = database.do(restore_table, "orders", as_name=as_name)
    before = database.dump_of_all()
    for target in ("orders", artifact.id):
        again = database.do(restore_table, target, as_name=as_name)
        assert again.already_restored
        assert again.restored_as == first.restored_as
    assert database.dump_of_all() == before


@each_way_to_drop_a_column
def test_a_column_of_a_table_that_was_parked_after_it_waits_for_its_table(
    database: Database, drop: Drop
) -> None:
    database.execute(ORDERS)
    database.do(drop, "orders", "user_id")
    database.do(soft_drop_table, "orders")
    with pytest.raises(UnknownObjectError, match="restore-table"):
        database.do(restore_column, "orders.user_id")
    database.do(restore_table, "orders")
    database.do(restore_column, "orders.user_id")
    assert database.scalar("SELECT sum(user_id) FROM orders") == 15


PARTITIONED = """
    CREATE TABLE logs (id int, day int, note text NOT NULL DEFAULT 'x', PRIMARY KEY (id, day))
        PARTITION BY RANGE (day);
    CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10);
    CREATE TABLE logs_2 PARTITION OF logs FOR VALUES FROM (10) TO (20);
    CREATE INDEX by_note ON logs (note);
    ALTER TABLE logs ADD CONSTRAINT unique_note UNIQUE (note, day);
    INSERT INTO logs VALUES (1, 1, 'one'), (2, 11, 'two');
"""


@each_way_to_drop_a_column
class TestPartitions:
    """A column of a partitioned table, whose partitions come and go."""

    @pytest.fixture(autouse=True)
    def parked(self, database: Database, drop: Drop) -> None:
        database.execute(PARTITIONED)
        database.do(drop, "logs", "note")

    def every_index_is_valid(self, database: Database, *tables: str) -> bool:
        found = [valid_indexes(database, table) for table in ("logs", *tables)]
        return all(len(each) == 3 and all(each.values()) for each in found)

    def test_one_was_added(self, database: Database) -> None:
        database.execute(
            "CREATE TABLE logs_3 PARTITION OF logs FOR VALUES FROM (20) TO (30);"
            "INSERT INTO logs VALUES (3, 21)"
        )
        database.do(restore_column, "logs.note")
        assert database.rows("SELECT id, note FROM logs ORDER BY id") == [
            (1, "one"),
            (2, "two"),
            (3, "x"),
        ]
        assert self.every_index_is_valid(database, "logs_1", "logs_2", "logs_3")

    def test_all_moved_to_another_schema(self, database: Database) -> None:
        database.execute(
            "CREATE SCHEMA other; ALTER TABLE logs SET SCHEMA other;"
            "ALTER TABLE logs_2 SET SCHEMA other"
        )
        database.do(restore_column, "logs.note")
        found = [valid_indexes(database, name) for name in ("other.logs", "logs_1", "other.logs_2")]
        assert all(len(each) == 3 and all(each.values()) for each in found)

    @pytest.mark.parametrize(
        "how", ["DROP TABLE logs_1", "ALTER TABLE logs DETACH PARTITION logs_1"]
    )
    def test_one_is_gone(self, database: Database, how: str) -> None:
        database.execute(how)
        database.do(restore_column, "logs.note")
        assert database.rows("SELECT id, note FROM logs ORDER BY id") == [(2, "two")]
        assert self.every_index_is_valid(database, "logs_2")

    def test_one_was_renamed(self, database: Database) -> None:
        database.execute("ALTER TABLE logs_1 RENAME TO first_logs")
        database.do(restore_column, "logs.note")
        assert self.every_index_is_valid(database, "first_logs", "logs_2")


def test_a_partition_that_was_attached_with_rows_is_filled_too(database: Database) -> None:
    database.execute(PARTITIONED)
    database.do(archive_column, "logs", "note")
    database.execute(
        "CREATE TABLE logs_3 (day int NOT NULL, id int NOT NULL);"
        "INSERT INTO logs_3 VALUES (21, 3);"
        "ALTER TABLE logs ATTACH PARTITION logs_3 FOR VALUES FROM (20) TO (30)"
    )
    database.do(restore_column, "logs.note")
    assert database.rows("SELECT note FROM logs_3") == [("x",)]
    assert all(valid_indexes(database, "logs_3").values())
    assert all(valid_indexes(database, "logs").values())


@each_way_to_drop_a_table
@pytest.mark.parametrize("partition", ["logs_1", "logs"])
def test_a_partition_and_its_parent_that_were_parked_come_back(
    database: Database, drop: Drop, partition: str
) -> None:
    database.execute(PARTITIONED)
    before = database.dump()
    database.do(drop, partition)
    database.do(restore_table, partition)
    assert database.dump() == before


@each_way_to_drop_a_table
def test_a_partition_whose_place_was_given_to_another_is_refused(
    database: Database, drop: Drop
) -> None:
    database.execute(PARTITIONED)
    artifact = database.do(drop, "logs_1")
    database.execute("CREATE TABLE new_logs PARTITION OF logs FOR VALUES FROM (5) TO (8)")
    before = database.dump_of_all()
    with pytest.raises(ConstraintConflictError, match=r"overlap(.|\n)*--relax") as refusal:
        database.do(restore_table, "logs_1")
    assert "partition of logs" in str(refusal.value)
    assert artifact.parked_table not in str(refusal.value)
    assert database.dump_of_all() == before
    report = database.do(restore_table, "logs_1", relax=True)
    assert report.left_out == ("partition of logs",)
    assert database.rows("SELECT id, note FROM logs_1") == [(1, "one")]


@each_way_to_drop_a_table
def test_a_partition_whose_parent_is_gone_is_refused(database: Database, drop: Drop) -> None:
    database.execute(PARTITIONED)
    database.do(drop, "logs_1")
    database.execute("DROP TABLE logs")
    with pytest.raises(ConstraintConflictError, match=r"partition of logs(.|\n)*--relax"):
        database.do(restore_table, "logs_1")
    database.do(restore_table, "logs_1", relax=True)
    assert database.rows("SELECT id, note FROM logs_1") == [(1, "one")]


def test_no_trigger_fires_and_nothing_bloats_when_an_archive_comes_back(
    database: Database,
) -> None:
    database.execute(
        "CREATE TABLE users (id int PRIMARY KEY, email text, note text NOT NULL);"
        "INSERT INTO users SELECT n, 'user' || n, md5(n::text) FROM generate_series(1, 20000) AS n;"
        "CREATE INDEX by_email ON users (email); VACUUM FULL users;".replace(
            "VACUUM FULL users;", ""
        )
    )
    database.execute("VACUUM FULL users")
    size = "SELECT pg_total_relation_size('users')"
    size_before = database.scalar(size)
    database.execute(
        "CREATE TABLE fired (what text);"
        "CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO fired VALUES (TG_OP); RETURN NEW; END';"
        "CREATE TRIGGER for_each BEFORE INSERT OR UPDATE OR DELETE ON users"
        " FOR EACH ROW EXECUTE FUNCTION fire();"
        "CREATE TRIGGER for_all AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON users"
        " FOR EACH STATEMENT EXECUTE FUNCTION fire();"
        "CREATE RULE redirected AS ON UPDATE TO users DO INSTEAD NOTHING"
    )
    database.do(archive_column, "users", "note")
    database.do(restore_column, "users.note")
    assert database.rows("SELECT * FROM fired") == []
    wrong = "SELECT count(*) FROM users WHERE note IS DISTINCT FROM md5(id::text)"
    assert database.scalar(wrong) == 0
    assert database.scalar(size) <= size_before * 1.02


def test_no_trigger_fires_when_a_soft_dropped_column_is_filled(database: Database) -> None:
    database.execute(
        "CREATE TABLE users (id int PRIMARY KEY, note text NOT NULL);"
        "INSERT INTO users VALUES (1, 'one');"
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''fired''; END';"
        "CREATE TRIGGER t BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION fail()"
    )
    database.do(soft_drop_column, "users", "note")
    database.execute("INSERT INTO users VALUES (2)")
    database.do(restore_column, "users.note", fill="'filled'")
    assert database.rows("SELECT note FROM users ORDER BY id") == [("one",), ("filled",)]
