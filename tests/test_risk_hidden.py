"""Ways to hide what a statement destroys. None gets through."""

from __future__ import annotations

import pytest

from tests.support.risk.plans import last_verdict, plan

DO = "DO $$ BEGIN {} END $$"

DESTRUCTIVE = {
    # Spelling.
    "/* DROP nothing */ dRoP /* /* nested */ */\n\tTaBlE -- t\n t": "drop_table",
    'DROP TABLE "Odd ""Name"""': "drop_table",
    'DROP TABLE U&"\\0074"': "drop_table",
    "DROP TABLE IF EXISTS s.a, b CASCADE": "drop_table",
    ";;; DROP TABLE t ;;;": "drop_table",
    "SELECT ';'; SELECT $$;$$; DROP TABLE t": "drop_table",
    "BEGIN; DROP TABLE t; COMMIT": "drop_table",
    "SELECT 'DROP TABLE a' AS \"-- \"; TRUNCATE t": "truncate_table",
    "TRUNCATE ONLY t, ONLY u CONTINUE IDENTITY": "truncate_table",
    # Parts of ALTER.
    "ALTER TABLE ONLY t ADD a int, ALTER b SET DEFAULT 1, DROP c": "drop_column",
    "ALTER TABLE IF EXISTS t DROP COLUMN IF EXISTS c": "drop_column",
    "ALTER FOREIGN TABLE t DROP COLUMN c": "drop_column",
    "ALTER TYPE pair DROP ATTRIBUTE a": "drop_column",
    "ALTER TYPE pair ADD ATTRIBUTE b int, DROP ATTRIBUTE IF EXISTS a CASCADE": "drop_column",
    "ALTER TABLE t ALTER c TYPE text USING NULL": "alter_column_type",
    "ALTER TABLE t ALTER c TYPE int USING 0": "alter_column_type",
    "ALTER TABLE t DETACH PARTITION t_1": "detach_partition",
    "ALTER TABLE t DETACH PARTITION t_1 CONCURRENTLY": "detach_partition",
    "ALTER TABLE t DETACH PARTITION t_1 FINALIZE": "detach_partition",
    "ALTER TABLE t_1 NO INHERIT t": "detach_partition",
    # Many at once, and what CASCADE takes along.
    "DROP SCHEMA IF EXISTS a, b CASCADE": "drop_container",
    "DROP OWNED BY app, CURRENT_USER RESTRICT": "drop_container",
    "DROP DATABASE d WITH (FORCE)": "drop_container",
    "DROP TYPE IF EXISTS mood CASCADE": "drop_object",
    "DROP DOMAIN d CASCADE": "drop_object",
    "DROP VIEW a, b CASCADE": "drop_object",
    "DROP MATERIALIZED VIEW m CASCADE": "drop_object",
    "DROP FUNCTION f(int) CASCADE": "drop_object",
    "DROP SEQUENCE s CASCADE": "drop_object",
    "DROP FOREIGN TABLE t CASCADE": "drop_object",
    "DROP EXTENSION hstore, postgis CASCADE": "drop_extension",
    # Rows.
    "DELETE FROM ONLY t AS x": "delete_rows",
    "DELETE FROM t WHERE TRUE": "delete_rows",
    "DELETE FROM t WHERE 't'": "delete_rows",
    "DELETE FROM t WHERE 'yes'::bool": "delete_rows",
    "DELETE FROM t WHERE NOT false": "delete_rows",
    "DELETE FROM t WHERE 1 < 2": "delete_rows",
    "DELETE FROM t WHERE 'a' <> 'b'": "delete_rows",
    "DELETE FROM t WHERE id = 5 OR 1 = 1": "delete_rows",
    "DELETE FROM t WHERE true AND (1 = 1 AND NOT 1 = 2)": "delete_rows",
    "DELETE FROM t WHERE id = id": "delete_rows",
    "DELETE FROM t AS x WHERE x.id >= x.id": "delete_rows",
    "DELETE FROM t WHERE ctid IS NOT NULL": "delete_rows",
    "DELETE FROM t WHERE 1 IS NOT NULL": "delete_rows",
    "DELETE FROM t WHERE NULL IS NULL": "delete_rows",
    "DELETE FROM t WHERE EXISTS (SELECT 1)": "delete_rows",
    "DELETE FROM t USING u": "delete_rows",
    "UPDATE t SET (a, b) = (1, 2)": "update_rows",
    "UPDATE t SET a = u.a FROM u": "update_rows",
    "UPDATE t SET a[1] = 0 WHERE 2 > 1": "update_rows",
    "WITH a AS (SELECT 1), b AS (DELETE FROM t RETURNING 1) TABLE a": "delete_rows",
    "WITH a AS (UPDATE t SET c = 1 RETURNING 1) SELECT": "update_rows",
    "WITH a AS (WITH b AS (SELECT 1) DELETE FROM t) SELECT 1": "delete_rows",
    "WITH a AS (DELETE FROM t RETURNING *) INSERT INTO u TABLE a": "delete_rows",
    "WITH a AS (DELETE FROM t RETURNING *) UPDATE u SET c = 1 WHERE id = 1": "delete_rows",
    "CREATE TABLE u AS WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a": "delete_rows",
    "SELECT * INTO u FROM t; DELETE FROM t": "delete_rows",
    "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE": "delete_rows",
    "MERGE INTO t USING s ON 1 = 1 WHEN MATCHED THEN UPDATE SET c = 1": "update_rows",
    "MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE": "delete_rows",
    "COPY (DELETE FROM t RETURNING *) TO STDOUT": "delete_rows",
    "EXPLAIN ANALYZE DELETE FROM t": "delete_rows",
    "EXPLAIN (FORMAT json, ANALYZE 1) UPDATE t SET c = 1": "update_rows",
    "PREPARE p AS DELETE FROM t": "delete_rows",
    "PREPARE p (int) AS UPDATE t SET c = $1; EXECUTE p(1)": "update_rows",
    # More than the parser takes by itself.
    "DELETE FROM t WHERE 0 < " + "+".join(["1"] * 500) + " OR true": "delete_rows",
    "DELETE FROM t WHERE " + "NOT " * 2000 + "true": "delete_rows",
    "SELECT * FROM " + "(SELECT * FROM " * 60 + "t" + ") x" * 60 + "; DROP TABLE t": "drop_table",
    "INSERT INTO t VALUES " + ", ".join(["(1, now())"] * 500) + "; TRUNCATE t": "truncate_table",
    # As drivers get it.
    "UPDATE t SET c=%(c)s": "update_rows",
    "UPDATE t SET c = %(c)s::JSON, d = '%%(c)s' WHERE 1 = 1": "update_rows",
    "WITH a AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT %s FROM a WHERE d LIKE %(d)s": (
        "delete_rows"
    ),
    # Functions.
    "SELECT lo_unlink(5)": "drop_large_object",
    "SELECT pg_catalog.lo_unlink(oid) FROM pg_largeobject_metadata": "drop_large_object",
    'SELECT count("lo_unlink"(x)) FROM generate_series(1, 9) AS x': "drop_large_object",
    "SELECT dblink('dbname=other', 'DROP TABLE t')": "drop_table",
    "SELECT dblink_exec('TRUNCATE t')": "truncate_table",
    # PL/pgSQL.
    DO.format("DROP TABLE t;"): "drop_table",
    "DO 'BEGIN DELETE FROM t; END' LANGUAGE plpgsql": "delete_rows",
    "DO LANGUAGE 'plpgsql' $a$ BEGIN DELETE FROM t; END $a$": "delete_rows",
    DO.format("EXECUTE 'DROP TABLE t';"): "drop_table",
    DO.format("EXECUTE $q$DROP TABLE t$q$ USING 1;"): "drop_table",
    DO.format("EXECUTE E'DROP\\x20TABLE t';"): "drop_table",
    DO.format("EXECUTE 'DROP TABLE t'::text;"): "drop_table",
    DO.format("EXECUTE 'DO ''BEGIN TRUNCATE t; END''';"): "truncate_table",
    DO.format("PERFORM dblink_exec('DROP TABLE t');"): "drop_table",
    DO.format("IF false THEN NULL; ELSE DELETE FROM t; END IF;"): "delete_rows",
    DO.format("BEGIN NULL; EXCEPTION WHEN others THEN DELETE FROM t; END;"): "delete_rows",
    DO.format("FOR i IN 1..2 LOOP LOOP DELETE FROM t; EXIT; END LOOP; END LOOP;"): "delete_rows",
    "DO $$ DECLARE r record; BEGIN FOR r IN EXECUTE 'DELETE FROM t RETURNING 1' LOOP END LOOP; "
    "END $$": "delete_rows",
    "DO $$ DECLARE n int; BEGIN DELETE FROM t RETURNING 1 INTO n; END $$": "delete_rows",
    "DO $$ DECLARE n int := lo_unlink(5); BEGIN NULL; END $$": "drop_large_object",
    "DO $$ DECLARE a t%ROWTYPE; BEGIN a.x := 1; DELETE FROM t; END $$": "delete_rows",
    # Defined and run in one string.
    "CREATE FUNCTION f() RETURNS void BEGIN ATOMIC DELETE FROM t; END; SELECT f()": "delete_rows",
    "CREATE PROCEDURE p() LANGUAGE sql AS 'TRUNCATE t'; CALL p()": "truncate_table",
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'DELETE FROM t RETURNING 1'; "
    "SELECT pg_temp.f()": "delete_rows",
}

HIGH = {
    "SET session_replication_role TO replica": "disable_protection",
    "SET LOCAL session_replication_role = 'replica'": "disable_protection",
    "SELECT set_config('session_replication_role', 'replica', true)": "disable_protection",
    "ALTER ROLE app SET session_replication_role = replica": "disable_protection",
    "ALTER DATABASE d SET session_replication_role = local": "disable_protection",
    "ALTER TABLE t DISABLE TRIGGER USER": "disable_protection",
    "ALTER TABLE t ENABLE REPLICA TRIGGER x": "disable_protection",
    "ALTER TABLE t DISABLE RULE r": "disable_protection",
    "COPY t FROM PROGRAM 'rm -rf /'": "alter_server",
    "COPY t TO PROGRAM 'mail someone'": "alter_server",
    "COPY t TO '/tmp/file'": "alter_server",
    "ALTER SYSTEM RESET ALL": "alter_server",
    "LOAD '/tmp/library'": "alter_server",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity": "alter_server",
    "SELECT lo_export(5, '/tmp/file')": "alter_server",
    "SELECT pg_drop_replication_slot('s')": "alter_server",
    "DELETE FROM pg_enum WHERE enumlabel = 'a'": "alter_catalog",
    "UPDATE pg_catalog.pg_attribute SET attnotnull = false WHERE attname = 'c'": "alter_catalog",
    "INSERT INTO pg_cast VALUES (1)": "alter_catalog",
    "DROP EXTENSION IF EXISTS hstore": "drop_extension",
    "ALTER TABLE t ALTER c SET DATA TYPE varchar(5) USING left(c, 5)": "alter_column_type",
    "VACUUM (FULL, ANALYZE) t": "rewrite_table",
}

MEDIUM = {
    "ALTER TYPE mood RENAME VALUE 'a' TO 'b'": "rename_object",
    "ALTER VIEW v RENAME TO w": "rename_table",
    "ALTER VIEW v SET SCHEMA s": "move_table",
    "ALTER TABLE t SET SCHEMA s": "move_table",
    "ALTER SCHEMA s RENAME TO r": "rename_object",
    "ALTER DOMAIN d DROP CONSTRAINT k CASCADE": "drop_object",
    "CREATE RULE r AS ON UPDATE TO t DO INSTEAD DELETE FROM t": "add_trigger",
    "CREATE OR REPLACE VIEW v AS SELECT 1": "replace_object",
    "REVOKE ALL ON ALL TABLES IN SCHEMA s FROM app CASCADE": "change_privileges",
    "REASSIGN OWNED BY app TO other": "change_privileges",
    "DROP ROLE app": "drop_object",
    "ALTER TABLE t DISABLE ROW LEVEL SECURITY": "disable_rls",
    "DROP TABEL t": "raw_sql",
    "\\i drop_everything.sql": "raw_sql",
    "SELECT 'DROP TABLE t' \\gexec": "raw_sql",
    "DROP TABLE t; SELEC 1": "raw_sql",
    "\ufeffDROP TABLE t": "raw_sql",
    "SELECT 1\x00; DROP TABLE t": "raw_sql",
    "SELECT '\ud800'; DROP TABLE t": "raw_sql",
    "EXECUTE p": "raw_sql",
    "SELECT cron.schedule('* * * * *', 'DELETE FROM t')": "raw_sql",
    "SELECT drop_chunks('t')": "raw_sql",
    "CALL clean_up()": "raw_sql",
    "INSERT INTO u SELECT clean_up()": "raw_sql",
    DO.format("EXECUTE 'DROP TABLE ' || 't';"): "raw_sql",
    DO.format("EXECUTE format('DROP TABLE %I', 't');"): "raw_sql",
    DO.format("EXECUTE (SELECT string_agg(s, ';') FROM statements);"): "raw_sql",
    "DO LANGUAGE plperlu $$ spi_exec_query('DROP TABLE t') $$": "raw_sql",
    "DO $$ BEGIN DROP TABEL t; END $$": "raw_sql",
}

CASES = [
    *((sql, f"{kind} destructive") for sql, kind in DESTRUCTIVE.items()),
    *((sql, f"{kind} high") for sql, kind in HIGH.items()),
    *((sql, f"{kind} medium") for sql, kind in MEDIUM.items()),
]


def shortened(value: str) -> str:
    return value.encode(errors="replace").decode()[:80]


@pytest.mark.parametrize(("sql", "verdict"), CASES, ids=shortened)
def test_what_a_statement_hides_is_found(sql: str, verdict: str) -> None:
    assert last_verdict(sql) == verdict


def test_there_are_more_than_sixty_ways() -> None:
    assert len(DESTRUCTIVE) > 60


@pytest.mark.parametrize("sql", DESTRUCTIVE, ids=shortened)
def test_what_stands_around_it_changes_nothing(sql: str) -> None:
    (alone,) = plan(sql)
    (among,) = plan(f"SELECT 1; {sql}\n; INSERT INTO elsewhere VALUES (1) -- the end")
    assert (among.kind, among.level) == (alone.kind, alone.level)
