"""Each reason: what has it, and what does the same without it, or does less."""

from __future__ import annotations

REASONS: dict[str, tuple[str, str]] = {
    "adds_nullable_column": ("ALTER TABLE t ADD c int", "ALTER TABLE t ADD c int DEFAULT 0"),
    "adds_required_column_without_default": (
        "ALTER TABLE t ADD c int NOT NULL",
        "ALTER TABLE t ADD c int NOT NULL DEFAULT 0",
    ),
    "adds_column_with_default": ("ALTER TABLE t ADD c int DEFAULT 0", "ALTER TABLE t ADD c int"),
    "adds_index": ("CREATE INDEX i ON t (c)", "CREATE TABLE t (c int PRIMARY KEY)"),
    "adds_unique_constraint": ("CREATE UNIQUE INDEX i ON t (c)", "CREATE INDEX i ON t (c)"),
    "adds_foreign_key": ("ALTER TABLE t ADD c int REFERENCES p", "ALTER TABLE t ADD c int"),
    "adds_extension": ("CREATE EXTENSION hstore", "CREATE SCHEMA hstore"),
    "adds_check_constraint": ("ALTER TABLE t ADD c int CHECK (c > 0)", "ALTER TABLE t ADD c int"),
    "adds_primary_key": ("ALTER TABLE t ADD PRIMARY KEY (c)", "CREATE TABLE t (c int PRIMARY KEY)"),
    "adds_exclusion_constraint": (
        "ALTER TABLE t ADD EXCLUDE (c WITH =)",
        "CREATE TABLE t (c int, EXCLUDE (c WITH =))",
    ),
    "adds_trigger": (
        "CREATE TRIGGER x AFTER INSERT ON t EXECUTE FUNCTION f()",
        "ALTER TABLE t DISABLE TRIGGER x",
    ),
    "adds_enum_value": ("ALTER TYPE mood ADD VALUE 'b'", "CREATE TYPE mood AS ENUM ('b')"),
    "drops_column_with_data": ("ALTER TABLE t DROP c", "ALTER TABLE t ALTER c DROP NOT NULL"),
    "drops_table_with_data": ("DROP TABLE t", "ALTER TABLE t RENAME TO u"),
    "drops_index": ("DROP INDEX i", "ALTER INDEX i RENAME TO j"),
    "drops_constraint": ("ALTER TABLE t DROP CONSTRAINT k", "ALTER TABLE t VALIDATE CONSTRAINT k"),
    "drops_extension": ("DROP EXTENSION e", "ALTER EXTENSION e UPDATE"),
    "drops_object": ("DROP VIEW v", "CREATE OR REPLACE VIEW v AS SELECT 1"),
    "deletes_rows": ("DELETE FROM t", "UPDATE t SET gone = true WHERE gone IS NULL"),
    "overwrites_rows": ("UPDATE t SET c = 1", "INSERT INTO t VALUES (1)"),
    "changes_column_type": ("ALTER TABLE t ALTER c TYPE text", "ALTER TABLE t ADD d text"),
    "changes_column_nullable_to_not_null": (
        "ALTER TABLE t ALTER c SET NOT NULL",
        "ALTER TABLE t ADD CHECK (c IS NOT NULL) NOT VALID",
    ),
    "rebuilds_table": (
        "ALTER TABLE t ADD c uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE t ALTER c SET DEFAULT gen_random_uuid()",
    ),
    "rebuilds_index": ("REINDEX INDEX i", "ANALYZE t"),
    "requires_backfill": ("ALTER TABLE t ADD c int NOT NULL", "ALTER TABLE t ADD c int"),
    "replaces_object": (
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
    ),
    "changes_settings": ("ALTER TABLE t SET (fillfactor = 70)", "SET work_mem = '1GB'"),
    "changes_privileges": ("REVOKE ALL ON t FROM app", "SET ROLE app"),
    "changes_catalog": ("DELETE FROM pg_enum WHERE oid = 5", "SELECT * FROM pg_enum"),
    "changes_server": ("COPY t TO PROGRAM 'cat'", "COPY t TO STDOUT"),
    "locks_table": ("LOCK TABLE t", "SELECT * FROM t FOR UPDATE"),
    "disables_protection": (
        "ALTER TABLE t DISABLE TRIGGER x",
        "ALTER TABLE t ENABLE TRIGGER x",
    ),
    "rls_change": ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "SET row_security = on"),
    "rename_table": ("ALTER TABLE t RENAME TO u", "CREATE VIEW u AS TABLE t"),
    "rename_column": ("ALTER TABLE t RENAME c TO d", "CREATE VIEW u AS SELECT c AS d FROM t"),
    "renames_object": ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", "ALTER TYPE mood ADD VALUE 'b'"),
    "raw_sql": ("SELECT clean_up()", "SELECT count(*) FROM t"),
}
"""What SQL alone can have; the others need to know more than its text."""
