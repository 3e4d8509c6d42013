"""What raw SQL does, however it is written."""

from __future__ import annotations

import pytest

from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.statements import changes_in

DESTRUCTIVE = {
    "DROP TABLE t": "drop_table",
    "drop table if exists a.b, c": "drop_table",
    "/* harmless */ DrOp -- not\n TABLE t": "drop_table",
    "SELECT 1; DROP TABLE t": "drop_table",
    "ALTER TABLE t DROP COLUMN c": "drop_column",
    "ALTER TABLE t DROP c": "drop_column",
    "ALTER TABLE IF EXISTS ONLY t ADD d int, DROP IF EXISTS c CASCADE": "drop_column",
    "ALTER TYPE pair DROP ATTRIBUTE c CASCADE": "drop_column",
    "ALTER FOREIGN TABLE t DROP c": "drop_column",
    "TRUNCATE t": "truncate_table",
    "TRUNCATE TABLE ONLY t, u RESTART IDENTITY CASCADE": "truncate_table",
    "DELETE FROM t": "delete_rows",
    "DELETE FROM t WHERE true": "delete_rows",
    "DELETE FROM t WHERE 1 = 1": "delete_rows",
    "DELETE FROM t WHERE 'a' = 'a'": "delete_rows",
    "DELETE FROM t USING u": "delete_rows",
    "WITH gone AS (DELETE FROM t RETURNING *) SELECT count(*) FROM gone": "delete_rows",
    "WITH gone AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM gone": "delete_rows",
    "EXPLAIN ANALYZE DELETE FROM t": "delete_rows",
    "EXPLAIN (ANALYZE ON) DELETE FROM t": "delete_rows",
    "PREPARE p AS DELETE FROM t": "delete_rows",
    "COPY (DELETE FROM t RETURNING *) TO STDOUT": "delete_rows",
    "UPDATE t SET c = NULL": "update_rows",
    "UPDATE t SET c = NULL WHERE true": "update_rows",
    "MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE": "delete_rows",
    "DROP SCHEMA s CASCADE": "drop_container",
    "DROP OWNED BY someone": "drop_container",
    "DROP DATABASE d": "drop_container",
    "DROP VIEW v CASCADE": "drop_object",
    "DROP TYPE mood CASCADE": "drop_object",
    "DROP EXTENSION hstore CASCADE": "drop_extension",
    "ALTER TABLE t DETACH PARTITION t_1": "detach_partition",
    "ALTER TABLE t NO INHERIT parent": "detach_partition",
    "DO $$ BEGIN DELETE FROM t; END $$": "delete_rows",
    "DO $x$ BEGIN IF true THEN EXECUTE 'DROP TABLE t'; END IF; END $x$": "drop_table",
    "DO $$ DECLARE r record; BEGIN FOR r IN DELETE FROM t RETURNING * LOOP END LOOP; END $$": (
        "delete_rows"
    ),
    "DO $$ BEGIN BEGIN TRUNCATE t; EXCEPTION WHEN others THEN NULL; END; END $$": "truncate_table",
}

HIGH = {
    "ALTER TABLE t ALTER c SET NOT NULL": "alter_column_nullable",
    "ALTER TABLE t ALTER c TYPE bigint": "alter_column_type",
    "ALTER TABLE t ADD c int NOT NULL": "add_column",
    "ALTER TABLE t ADD c serial": "add_column",
    "ALTER TABLE t ADD c uuid DEFAULT gen_random_uuid()": "add_column",
    "DROP EXTENSION hstore": "drop_extension",
    "ALTER TABLE t DISABLE TRIGGER ALL": "disable_protection",
    "SET session_replication_role = replica": "disable_protection",
    "COPY t FROM PROGRAM 'curl example.org'": "alter_server",
    "ALTER SYSTEM SET fsync = off": "alter_server",
    "VACUUM FULL t": "rewrite_table",
    "CLUSTER t USING i": "rewrite_table",
    "ALTER TABLE t SET UNLOGGED": "rewrite_table",
}

MEDIUM = {
    "ALTER TABLE t ADD c int GENERATED ALWAYS AS (a + 1) STORED": "add_generated_column",
    "ALTER TABLE t ADD CONSTRAINT k UNIQUE (c)": "add_unique",
    "ALTER TABLE t ADD FOREIGN KEY (c) REFERENCES p": "add_foreign_key",
    "ALTER TABLE t RENAME TO u": "rename_table",
    "ALTER TABLE t RENAME c TO d": "rename_column",
    "ALTER TABLE t SET SCHEMA s": "move_table",
    "ALTER TYPE mood RENAME VALUE 'a' TO 'b'": "rename_object",
    "ALTER TABLE t DISABLE ROW LEVEL SECURITY": "disable_rls",
    "ALTER TABLE t NO FORCE ROW LEVEL SECURITY": "disable_rls",
    "DROP POLICY p ON s.t": "drop_policy",
    "REVOKE ALL ON t FROM app": "change_privileges",
    "CREATE INDEX i ON t (c)": "add_index",
    "DROP INDEX CONCURRENTLY i": "drop_index",
    "DROP VIEW v": "drop_object",
    "DROP SCHEMA s": "drop_object",
    "DELETE FROM t WHERE id = 1": "delete_rows",
    "UPDATE t SET c = 1 WHERE id = 1": "update_rows",
    "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE": "delete_rows",
    "CALL clean_up()": "raw_sql",
    "SELECT app.clean_up()": "raw_sql",
    "EXECUTE p": "raw_sql",
    "DO $$ BEGIN EXECUTE 'DROP TABLE ' || 't'; END $$": "raw_sql",
    "DO LANGUAGE plpython3u $$ plpy.execute('drop table t') $$": "raw_sql",
    "DROP TABEL t": "raw_sql",
}

LOW = {
    "ALTER TABLE t ADD c timestamptz NOT NULL DEFAULT now()": "add_column",
    "CREATE INDEX CONCURRENTLY i ON t (c)": "add_index",
    "ALTER TABLE t ADD CONSTRAINT k CHECK (c > 0) NOT VALID": "add_check",
    "ALTER TABLE t VALIDATE CONSTRAINT k": "validate_constraint",
    "ALTER TABLE t ADD CONSTRAINT k UNIQUE USING INDEX i": "add_unique",
    "ALTER TYPE mood ADD VALUE 'c'": "add_enum_value",
}

SAFE = {
    "CREATE TABLE t (id int PRIMARY KEY)": "create_table",
    "CREATE TABLE u AS SELECT * FROM t": "create_table",
    "SELECT * INTO u FROM t": "create_table",
    "CREATE EXTENSION hstore": "create_extension",
    "ALTER TABLE t ADD c int": "add_column",
    "ALTER TABLE t ALTER c DROP NOT NULL": "alter_column_nullable",
    "ALTER TABLE t ALTER c SET DEFAULT 1": "alter_column_default",
    "INSERT INTO t VALUES (1)": "insert_rows",
    "SELECT lower(c), count(*) FROM t GROUP BY 1": "harmless",
    "EXPLAIN DELETE FROM t": "harmless",
    "SET LOCAL lock_timeout = '5s'": "harmless",
    "COMMENT ON TABLE t IS 'DROP TABLE t'": "alter_table_options",
    "COMMENT ON VIEW v IS 'DROP TABLE t'": "harmless",
    "VACUUM ANALYZE t": "harmless",
    "CREATE VIEW v AS SELECT 1": "create_object",
    "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; END $$": (
        "create_object"
    ),
    "": "harmless",
    "-- nothing": "harmless",
}

CASES = [
    (sql, kind, level)
    for level, cases in (
        ("destructive", DESTRUCTIVE),
        ("high", HIGH),
        ("medium", MEDIUM),
        ("low", LOW),
        ("safe", SAFE),
    )
    for sql, kind in cases.items()
]


@pytest.mark.parametrize(("sql", "kind", "level"), CASES)
def test_sql_is_judged_by_what_it_does(sql: str, kind: str, level: str) -> None:
    found = Assessment.of("op.execute", changes_in(sql))
    assert (found.kind, found.level.word) == (kind, level)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("UPDATE t SET a = 1 WHERE a IS NULL", "backfill"),
        ("UPDATE t SET a = 1 WHERE t.a IS NULL AND b > 5", "backfill"),
        ("UPDATE t SET a = 1, b = 2 WHERE a IS NULL AND b IS NULL", "backfill"),
        ("UPDATE t SET a = 1, b = 2 WHERE a IS NULL", "update_rows"),
        ("UPDATE t SET a = 1 WHERE a IS NULL OR b > 5", "update_rows"),
        ("UPDATE t x SET a = 1 FROM u WHERE x.a IS NULL", "backfill"),
        ("UPDATE t SET a = 1 FROM u WHERE u.a IS NULL", "update_rows"),
        ("UPDATE t SET a = 1 WHERE a IS NOT NULL", "update_rows"),
        ("UPDATE t SET a = 1 WHERE NOT (a IS NULL)", "update_rows"),
    ],
)
def test_values_for_rows_that_have_none_overwrite_nothing(sql: str, kind: str) -> None:
    assert [each.kind for each in changes_in(sql)] == [kind]
