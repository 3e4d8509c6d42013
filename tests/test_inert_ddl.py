"""What a later migration may do to other objects does not depend on what is parked."""

from __future__ import annotations

import pytest

from tests.conftest import MakeTwins

pytestmark = pytest.mark.majors

TABLE = (
    "CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1);"
    "CREATE TABLE t (id int PRIMARY KEY, a int, b text NOT NULL, v int,"
    " gone int NOT NULL UNIQUE CHECK (gone > 0) REFERENCES other,"
    " UNIQUE (a, gone), CHECK (a < gone), EXCLUDE USING btree (a WITH =, gone WITH =));"
    "CREATE INDEX t_mixed ON t (lower(b), gone) INCLUDE (a) WHERE v > 0;"
    "CREATE STATISTICS t_mixed_stat ON a, gone FROM t;"
    "INSERT INTO t VALUES (1, 0, 'x', 1, 1);"
)
ALTERATIONS = {
    "other columns go": ["ALTER TABLE t DROP a", "ALTER TABLE t DROP b", "ALTER TABLE t DROP v"],
    "other columns change type": [
        "ALTER TABLE t ALTER a TYPE bigint, ALTER b TYPE varchar(9), ALTER v TYPE text",
        "ALTER TABLE t ALTER id TYPE bigint",
    ],
    "other columns change name": [
        "ALTER TABLE t RENAME a TO aa",
        "ALTER TABLE t RENAME b TO a",
        "ALTER TABLE t RENAME id TO key",
    ],
    "other columns change otherwise": [
        "ALTER TABLE t ALTER a SET NOT NULL, ALTER b DROP NOT NULL, ALTER v SET DEFAULT 4",
        "ALTER TABLE t ALTER a ADD GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE t ADD g int GENERATED ALWAYS AS (v + 1) STORED",
    ],
    "the key goes and another comes": [
        "ALTER TABLE t DROP CONSTRAINT t_pkey",
        "ALTER TABLE t ADD PRIMARY KEY (b)",
        "ALTER TABLE t ADD UNIQUE (id, a)",
    ],
    "its names are used again": [
        "ALTER TABLE t ADD gone int NOT NULL UNIQUE DEFAULT 1 CHECK (gone > 0) REFERENCES other",
        "ALTER TABLE t ADD CHECK (a < gone)",
        "CREATE INDEX t_mixed ON t (gone)",
        "CREATE STATISTICS t_mixed_stat ON a, gone FROM t",
        "ALTER TABLE t ADD UNIQUE (a, gone)",
    ],
    "names that PostgreSQL makes up": [
        "ALTER TABLE t ADD CHECK (v <> 3), ADD UNIQUE (a), ADD UNIQUE (a, v), ADD CHECK (a < v)",
        "CREATE INDEX ON t (a)",
        "CREATE INDEX ON t (lower(b))",
        "ALTER TABLE t ADD s serial, ADD n int NOT NULL DEFAULT 0",
    ],
    "rows are thrown away": ["TRUNCATE other, t", "INSERT INTO t (id, b) VALUES (1, 'a')"],
    "the table is renamed and moved": [
        "ALTER TABLE t RENAME TO u",
        "CREATE SCHEMA elsewhere_$schema",
        "ALTER TABLE u SET SCHEMA elsewhere_$schema",
        "CREATE TABLE t (id serial PRIMARY KEY, gone int UNIQUE)",
    ],
    "settings of the table": [
        "ALTER TABLE t SET (fillfactor = 70, autovacuum_enabled = false)",
        "ALTER TABLE t SET UNLOGGED",
        "ALTER TABLE t SET LOGGED",
        "ALTER TABLE t REPLICA IDENTITY FULL",
        "ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey",
        "ALTER TABLE t CLUSTER ON t_pkey",
        "COMMENT ON TABLE t IS 'x'",
    ],
    "row level security": [
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "CREATE POLICY p ON t USING (a > 0) WITH CHECK (b <> 'x')",
    ],
    "triggers, rules and views": [
        "CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER g BEFORE INSERT OR UPDATE OF a, b ON t FOR EACH ROW EXECUTE FUNCTION fire()",
        "CREATE RULE r AS ON DELETE TO t DO ALSO SELECT 1",
        "CREATE VIEW w AS SELECT id, a, b FROM t",
        "CREATE MATERIALIZED VIEW mw AS SELECT id, a, b FROM t",
        "INSERT INTO w VALUES (7, 7, 'w') RETURNING id, a, b",
    ],
    "foreign keys to the table": [
        "CREATE TABLE child (t_id int REFERENCES t ON DELETE CASCADE)",
        "INSERT INTO child VALUES (1)",
        "DELETE FROM t",
    ],
    "maintenance": [
        "VACUUM (FULL, ANALYZE) t",
        "VACUUM t",
        "ANALYZE t (id, a, b)",
        "CLUSTER t USING t_pkey",
        "REINDEX TABLE t",
        "REINDEX TABLE CONCURRENTLY t",
        "LOCK TABLE t IN ACCESS EXCLUSIVE MODE NOWAIT; SELECT 1",
        "CREATE INDEX CONCURRENTLY ON t (a)",
    ],
    "the table itself goes": ["DROP TABLE t", "CREATE TABLE t (id int, gone int UNIQUE)"],
    "what it pointed to goes": ["DROP TABLE other"],
    "the schema goes": ["DROP SCHEMA $schema CASCADE"],
}


@pytest.mark.parametrize("statements", ALTERATIONS.values(), ids=list(ALTERATIONS))
def test_the_table_can_be_changed_as_after_a_real_drop(
    twin_schemas: MakeTwins, statements: list[str]
) -> None:
    made = twin_schemas(TABLE, "t.gone")
    made.agree_on(*(statement.replace("$schema", str(made.schema)) for statement in statements))


@pytest.mark.min_major(16)
def test_statistics_that_postgresql_names(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(f"{TABLE}; CREATE STATISTICS ON a, gone FROM t", "t.gone")
    made.agree_on("CREATE STATISTICS ON a, v FROM t")


def test_a_partitioned_table_can_be_changed_as_after_a_real_drop(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(
        "CREATE TABLE t (k int, b text, gone int NOT NULL UNIQUE DEFAULT 3, PRIMARY KEY (k))"
        " PARTITION BY RANGE (k);".replace("UNIQUE ", "CHECK (gone > 0) ")
        + "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (10) TO (20);"
        "CREATE INDEX t_gone ON t (gone); INSERT INTO t VALUES (1, 'a', 1), (11, 'b', 2)",
        "t.gone",
    )
    made.agree_on(
        "CREATE TABLE t_3 PARTITION OF t FOR VALUES FROM (20) TO (30)",
        "INSERT INTO t (k, b) VALUES (21, 'c'), (2, 'd')",
        "INSERT INTO t_3 (k) VALUES (22)",
        "ALTER TABLE t DETACH PARTITION t_1",
        "INSERT INTO t_1 (k) VALUES (3)",
        "ALTER TABLE t ATTACH PARTITION t_1 FOR VALUES FROM (0) TO (10)",
        "CREATE INDEX t_gone ON t (b)",
        "ALTER TABLE t ADD gone int CHECK (gone > 0)",
        "UPDATE t SET k = k + 10 WHERE k IN (2, 3)",
        "ALTER TABLE t DETACH PARTITION t_2 CONCURRENTLY",
        "INSERT INTO t_2 (k, gone) VALUES (19, 1)",
        "DROP TABLE t_3",
        "DROP TABLE t",
    )


@pytest.mark.parametrize("strategy", ["soft_drop"])
def test_a_column_of_a_parent_goes_from_its_children(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(
        "CREATE TABLE parent (id int PRIMARY KEY, v text, gone int NOT NULL DEFAULT 2 CHECK (gone > 0));"
        "CREATE TABLE child (own int) INHERITS (parent); CREATE INDEX child_gone ON child (gone);"
        "CREATE TABLE grandchild (more int) INHERITS (child); INSERT INTO child VALUES (1, 'a', 1, 1)",
        "parent.gone",
    )
    made.agree_on(
        "INSERT INTO child (id) VALUES (2)",
        "CREATE TABLE younger () INHERITS (parent)",
        "INSERT INTO younger (id) VALUES (3)",
        "INSERT INTO grandchild (id) VALUES (4)",
        "ALTER TABLE child NO INHERIT parent",
        "INSERT INTO child (id) VALUES (5)",
        "ALTER TABLE child ADD gone int",
        "ALTER TABLE parent ADD gone text",
        "CREATE INDEX child_gone ON child (id)",
        "DROP TABLE parent CASCADE",
    )
