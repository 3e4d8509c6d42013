"""A parked table exerts no force: not on other tables, not on its parents, not on its old name."""

from __future__ import annotations

import pytest

from tests.conftest import MakeTwins

pytestmark = pytest.mark.majors

PARENT = (
    "CREATE TABLE parent (id int PRIMARY KEY, v text); INSERT INTO parent VALUES (1), (2), (3);"
)


@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"])
@pytest.mark.parametrize("deferred", ["", "DEFERRABLE INITIALLY DEFERRED"], ids=["now", "deferred"])
def test_parents_of_a_parked_table_can_be_changed_and_deleted(
    twin_schemas: MakeTwins, action: str, deferred: str
) -> None:
    made = twin_schemas(
        f"{PARENT} CREATE TABLE gone (id int PRIMARY KEY, p int DEFAULT 9"
        f" REFERENCES parent ON DELETE {action} ON UPDATE {action} {deferred});"
        "INSERT INTO gone VALUES (1, 1), (2, 2)",
        "gone",
    )
    made.agree_on(
        "DELETE FROM parent WHERE id = 1 RETURNING id",
        "UPDATE parent SET id = 20 WHERE id = 2",
        "TRUNCATE parent",
        "ALTER TABLE parent DROP CONSTRAINT parent_pkey",
        "DROP TABLE parent",
    )


def test_a_table_that_points_to_itself(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(
        "CREATE TABLE gone (id int PRIMARY KEY, p int REFERENCES gone); INSERT INTO gone VALUES (1, 1)",
        "gone",
    )
    made.agree_on("CREATE TABLE gone (id int PRIMARY KEY, p int REFERENCES gone)")


PARTITIONED = (
    "CREATE TABLE other (k int PRIMARY KEY); INSERT INTO other SELECT generate_series(0, 30);"
    "CREATE TABLE log (n int);"
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
    " $$BEGIN INSERT INTO log VALUES (NEW.k); RETURN NEW; END$$;"
    "CREATE TABLE parent (k int NOT NULL PRIMARY KEY REFERENCES other ON DELETE CASCADE, v text,"
    " CHECK (k > -100)) PARTITION BY RANGE (k);"
    "CREATE INDEX parent_v ON parent (v);"
    "CREATE TRIGGER note AFTER INSERT ON parent FOR EACH ROW EXECUTE FUNCTION note();"
    "CREATE TABLE gone PARTITION OF parent FOR VALUES FROM (0) TO (10);"
    "CREATE TABLE stays PARTITION OF parent FOR VALUES FROM (10) TO (20);"
    "INSERT INTO parent SELECT g, 'v' || g FROM generate_series(1, 15) g;"
)


def test_a_parked_partition_leaves_its_place_to_others(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(PARTITIONED, "gone")
    made.agree_on(
        "SELECT k, v FROM parent",
        "SELECT count(*) FROM parent WHERE v = 'v3'",
        "CREATE TABLE gone PARTITION OF parent FOR VALUES FROM (0) TO (5)",
        "INSERT INTO parent VALUES (1, 'again')",
        "DELETE FROM other WHERE k = 3",
        "CREATE TABLE rest PARTITION OF parent DEFAULT",
        "INSERT INTO parent VALUES (7, 'default')",
        "ALTER TABLE parent DETACH PARTITION stays",
        "ALTER TABLE parent ATTACH PARTITION stays FOR VALUES FROM (10) TO (20)",
        "ALTER TABLE parent ADD CHECK (v <> 'v1')",
        "ALTER TABLE parent ADD extra int NOT NULL DEFAULT 3",
        "ALTER TABLE parent ALTER v SET NOT NULL, ALTER v TYPE varchar(20)",
        "ALTER TABLE parent RENAME v TO w",
        "ALTER TABLE parent DROP CONSTRAINT parent_pkey",
        "ALTER TABLE parent ADD PRIMARY KEY (k)",
        "ALTER TABLE parent DISABLE TRIGGER note",
        "DROP TRIGGER note ON parent",
        "DROP FUNCTION note()",
        "DROP INDEX parent_v",
        "CREATE UNIQUE INDEX parent_v ON parent (k, w)",
        "TRUNCATE parent",
        "TRUNCATE other CASCADE",
        "DROP TABLE parent",
        "DROP TABLE other",
    )


@pytest.mark.parametrize("bound", ["FOR VALUES IN (1, 2)", "DEFAULT"])
def test_a_parked_partition_that_is_partitioned_itself(twin_schemas: MakeTwins, bound: str) -> None:
    made = twin_schemas(
        "CREATE TABLE parent (a int, b int, v text NOT NULL, UNIQUE (a, b)) PARTITION BY LIST (a);"
        f"CREATE TABLE gone PARTITION OF parent {bound} PARTITION BY HASH (b);"
        "CREATE TABLE gone_0 PARTITION OF gone FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE gone_1 PARTITION OF gone FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO parent SELECT 1, g, 'x' FROM generate_series(1, 9) g;",
        "gone",
    )
    made.agree_on(
        "SELECT a, b FROM parent",
        "CREATE TABLE gone_0 PARTITION OF parent DEFAULT",
        "INSERT INTO parent VALUES (1, 1, 'y'), (5, 5, 'z')",
        "CREATE TABLE gone (a int)",
        "CREATE TABLE gone_1 (a int PRIMARY KEY)",
    )


def test_a_parked_partitioned_table_leaves_no_name_behind(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(PARTITIONED, "parent")
    made.agree_on(
        "DELETE FROM other WHERE k = 3",
        "DROP FUNCTION note()",
        "CREATE TABLE parent (k int PRIMARY KEY, v text) PARTITION BY RANGE (k)",
        "CREATE TABLE gone PARTITION OF parent FOR VALUES FROM (0) TO (10)",
        "CREATE INDEX parent_v ON parent (v)",
        "INSERT INTO parent VALUES (1, 'a')",
        "CREATE TABLE stays PARTITION OF parent DEFAULT",
        "INSERT INTO parent VALUES (11, 'a')",
        "DROP TABLE other",
    )


INHERITED = (
    "CREATE TABLE top (t text); CREATE TABLE parent (id int, v text NOT NULL, CHECK (id > 0)) INHERITS (top);"
    "CREATE TABLE stays (own int) INHERITS (parent); CREATE TABLE gone (own int UNIQUE) INHERITS (parent);"
    "INSERT INTO parent (id, v) VALUES (1, 'a'); INSERT INTO gone (id, v) VALUES (2, 'b');"
    "INSERT INTO stays (id, v) VALUES (3, 'c')"
)


def test_rows_of_a_parked_child_are_not_seen(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(INHERITED, "gone")
    made.agree_on(
        "SELECT id, v FROM parent",
        "SELECT count(*) FROM top",
        "UPDATE parent SET v = 'x' RETURNING id",
        "ALTER TABLE parent ADD extra int NOT NULL DEFAULT 1",
        "ALTER TABLE parent ALTER id TYPE bigint",
        "ALTER TABLE parent RENAME v TO w",
        "ALTER TABLE parent DROP COLUMN id",
        "DELETE FROM parent",
        "CREATE TABLE gone () INHERITS (parent)",
        "TRUNCATE parent",
        "DROP TABLE stays, gone, parent, top",
    )


def test_all_its_names_are_free_at_once(twin_schemas: MakeTwins) -> None:
    """Names that PostgreSQL makes up come out the same as after a real DROP."""
    table = (
        "CREATE TABLE gone (id serial PRIMARY KEY, code bigint GENERATED ALWAYS AS IDENTITY,"
        " a int UNIQUE, b int NOT NULL CHECK (b > 0), c int REFERENCES other, r int4range,"
        " EXCLUDE USING gist (r WITH &&), CONSTRAINT named CHECK (a > b), UNIQUE (a, b))"
    )
    made = twin_schemas(
        f"CREATE TABLE other (id int PRIMARY KEY); {table};"
        "CREATE INDEX ON gone (a); CREATE INDEX named_index ON gone (lower(r));"
        "CREATE STATISTICS named_statistics ON b, c FROM gone;"
        "CREATE SEQUENCE owned OWNED BY gone.a;"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER named BEFORE INSERT ON gone FOR EACH ROW EXECUTE FUNCTION f();"
        "CREATE POLICY named ON gone; CREATE RULE named AS ON DELETE TO gone DO ALSO NOTHING",
        "gone",
    )
    made.agree_on(
        table,
        "CREATE INDEX ON gone (a)",
        "CREATE INDEX named_index ON gone (b)",
        "CREATE STATISTICS named_statistics ON b, c FROM gone",
        "CREATE SEQUENCE owned",
        "CREATE TRIGGER named BEFORE INSERT ON gone FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE POLICY named ON gone",
        "CREATE RULE named AS ON DELETE TO gone DO ALSO NOTHING",
        "INSERT INTO gone (b) VALUES (1) RETURNING id, code",
        "INSERT INTO other VALUES (5)",
        "DROP TABLE gone",
    )


@pytest.mark.min_major(16)
def test_the_names_of_its_statistics_are_free_at_once(twin_schemas: MakeTwins) -> None:
    """PostgreSQL 16 brought statistics without a name."""
    made = twin_schemas(
        "CREATE TABLE gone (id int PRIMARY KEY, a int, b int); CREATE STATISTICS ON a, b FROM gone",
        "gone",
    )
    made.agree_on("CREATE TABLE gone (a int, b int)", "CREATE STATISTICS ON a, b FROM gone")


@pytest.mark.parametrize(
    "other",
    [
        "CREATE VIEW gone AS SELECT 1 AS id",
        "CREATE MATERIALIZED VIEW gone AS SELECT 1 AS id",
        "CREATE SEQUENCE gone",
        "CREATE TYPE gone AS ENUM ('a')",
        "CREATE TYPE gone AS (a int)",
        "CREATE DOMAIN gone AS int",
        "CREATE TYPE _gone AS (a int)",
        "CREATE TABLE _gone (id int)",
        "CREATE INDEX gone ON other (id)",
        "CREATE INDEX gone_pkey ON other (id)",
        "CREATE TABLE gone_id_seq (id int)",
        "CREATE TYPE gone_id_seq AS (id int)",
        "ALTER TABLE other RENAME TO gone",
        "ALTER TABLE other RENAME CONSTRAINT other_pkey TO gone_pkey",
        "CREATE TABLE gone AS SELECT 1 AS id",
    ],
)
def test_anything_may_take_its_name(twin_schemas: MakeTwins, other: str) -> None:
    made = twin_schemas(
        "CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE gone (id serial PRIMARY KEY)", "gone"
    )
    made.agree_on(other)


def test_it_can_go_again_and_again(twin_schemas: MakeTwins) -> None:
    table = "CREATE TABLE gone (id serial PRIMARY KEY, a int UNIQUE NOT NULL CHECK (a > 0))"
    made = twin_schemas(table, "gone")
    for _ in range(3):
        made.agree_on(table, "INSERT INTO gone (a) VALUES (1) RETURNING id")
        made.drop("gone")
    made.agree_on(table)
