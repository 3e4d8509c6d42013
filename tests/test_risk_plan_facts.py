"""What a plan has made itself cannot be lost, and what it has not made can."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects.postgresql import ENUM

from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Lock
from alembic_zanith.risk.plan_facts import PlanFacts
from alembic_zanith.risk.reading import changes_of
from tests.support.risk.case import Step
from tests.support.risk.plans import last_verdict, plan, verdicts

NEW = "CREATE TABLE t (id int, c int)"

SAFE = {
    "a table": (NEW, "DROP TABLE t"),
    "a table by its schema": (NEW, "DROP TABLE public.t"),
    "a table of the default schema by its name alone": ("CREATE TABLE public.t ()", "TRUNCATE t"),
    "a table of another schema": ("CREATE TABLE s.t ()", "DELETE FROM s.t"),
    "a temporary table": ("CREATE TEMP TABLE t (c int)", "DELETE FROM t"),
    "a temporary table by its schema": ("CREATE TEMP TABLE t ()", "DROP TABLE pg_temp.t"),
    "a table that goes with the transaction": (
        ("1", "CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1 AS c"),
        ("1", "UPDATE t SET c = 2"),
    ),
    "a table from a query": ("CREATE TABLE t AS SELECT * FROM u", "ALTER TABLE t DROP COLUMN c"),
    "a table that is selected into": ("SELECT * INTO t FROM u", "TRUNCATE t"),
    "a temporary table that is selected into": ("SELECT * INTO TEMP t FROM u", "DROP TABLE t"),
    "a table under its new name": (NEW, "ALTER TABLE t RENAME TO u", "DROP TABLE u"),
    "a table in its new schema": (NEW, "ALTER TABLE t SET SCHEMA s", "DROP TABLE s.t"),
    "a table that was dropped and is made again": (
        "DROP TABLE t",
        "CREATE TABLE IF NOT EXISTS t ()",
        "DROP TABLE t",
    ),
    "a partition of a new table": (
        "CREATE TABLE t (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE t_1 PARTITION OF t DEFAULT",
        "DROP TABLE t_1",
    ),
    "a new partition that is detached": (
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (1) TO (2)",
        "ALTER TABLE t DETACH PARTITION t_1",
    ),
    "a new partition that is attached": (
        "CREATE TABLE t_1 (id int)",
        "ALTER TABLE t ATTACH PARTITION t_1 FOR VALUES FROM (1) TO (2)",
    ),
    "a table with all that is made of it": (NEW, "DROP TABLE t CASCADE"),
    "an index of a new table": (NEW, "CREATE INDEX i ON t (c)"),
    "a unique constraint of a new table": (NEW, "ALTER TABLE t ADD CONSTRAINT k UNIQUE (c)"),
    "NOT NULL in a new table": (NEW, "ALTER TABLE t ALTER c SET NOT NULL"),
    "a type in a new table": (NEW, "ALTER TABLE t ALTER c TYPE text"),
    "row security of a new table": (NEW, "ALTER TABLE t ENABLE ROW LEVEL SECURITY"),
    "a policy of a new table": (NEW, "CREATE POLICY p ON t USING (true)"),
    "grants on a new table": (NEW, "GRANT SELECT ON t TO app"),
    "a trigger on a new table": (NEW, "CREATE TRIGGER x AFTER INSERT ON t EXECUTE FUNCTION f()"),
    "an index": ("CREATE INDEX i ON t (c)", "DROP INDEX i"),
    "an index by its schema": ("CREATE INDEX i ON public.t (c)", "DROP INDEX public.i"),
    "a constraint": (
        "ALTER TABLE t ADD CONSTRAINT k CHECK (c > 0)",
        "ALTER TABLE t DROP CONSTRAINT k",
    ),
    "a foreign key": (
        "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (c) REFERENCES u",
        "ALTER TABLE public.t DROP CONSTRAINT k",
    ),
    "a column": ("ALTER TABLE t ADD n int", "ALTER TABLE t DROP n"),
    "a column with a default": ("ALTER TABLE t ADD n int DEFAULT 5", "ALTER TABLE t DROP n"),
    "a column under its new name": (
        "ALTER TABLE t ADD n int",
        "ALTER TABLE t RENAME n TO m",
        "ALTER TABLE t DROP m",
    ),
    "the name of a new column": ("ALTER TABLE t ADD n int", "ALTER TABLE t RENAME n TO m"),
    "a generated column": (
        "ALTER TABLE t ADD n int GENERATED ALWAYS AS (c + 1) STORED",
        "ALTER TABLE t DROP n",
    ),
    "a view": ("CREATE VIEW v AS SELECT 1", "DROP VIEW v"),
    "a type": ("CREATE TYPE mood AS ENUM ('a')", "DROP TYPE mood"),
    "a sequence": ("CREATE SEQUENCE s", "DROP SEQUENCE s"),
    "an index under its new name": (
        "CREATE INDEX i ON t (c)",
        "ALTER INDEX i RENAME TO j",
        "DROP INDEX j",
    ),
    "the name of a new index": ("CREATE INDEX i ON t (c)", "ALTER INDEX i RENAME TO j"),
    "a value of a new type": ("CREATE TYPE mood AS ENUM ('a')", "ALTER TYPE mood ADD VALUE 'b'"),
    "the name of a new type": ("CREATE TYPE mood AS ENUM ('a')", "ALTER TYPE mood RENAME TO tone"),
    "a value of a type that is made along with a table": (
        ops.CreateTableOp("t", [sa.Column("m", sa.Enum("a", name="mood"))]),
        "ALTER TYPE mood ADD VALUE 'b'",
    ),
    "a value of a type of an array": (
        ops.CreateTableOp("t", [sa.Column("m", sa.ARRAY(sa.Enum("a", name="mood")))]),
        "ALTER TYPE mood ADD VALUE 'b'",
    ),
    "a function": (
        "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION public.f(a int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
    ),
    "a new view": ("CREATE VIEW v AS SELECT 1", "CREATE OR REPLACE VIEW v AS SELECT 2"),
    "a table made in a block": ("DO $$ BEGIN CREATE TABLE t (c int); DROP TABLE t; END $$",),
    "a schema that is made first": (
        "SET search_path = app",
        "CREATE TABLE t ()",
        "DROP TABLE app.t",
    ),
}

NOT_SAFE = {
    "one that may have been there": ("CREATE TABLE IF NOT EXISTS t ()", "DROP TABLE t"),
    "one of the same name in another schema": ("CREATE TABLE s.t ()", "DROP TABLE t"),
    "one in another schema than it was made in": (NEW, "DROP TABLE s.t"),
    "one with the old name of a new one": (
        NEW,
        "ALTER TABLE t RENAME TO u",
        "DROP TABLE t",
    ),
    "an old one with the name of a new one that is gone": (
        "CREATE TABLE u ()",
        "DROP TABLE u",
        "ALTER TABLE t RENAME TO u",
        "DROP TABLE u",
    ),
    "one that is dropped twice": (NEW, "DROP TABLE t", "DROP TABLE t"),
    "one behind a temporary one": ("CREATE TEMP TABLE t ()", "DROP TABLE t", "DROP TABLE t"),
    "one beside a temporary one": ("CREATE TEMP TABLE t ()", "DROP TABLE public.t"),
    "one whose temporary namesake went with its transaction": (
        ("1", "CREATE TEMP TABLE t (c int) ON COMMIT DROP"),
        ("2", "DELETE FROM t"),
    ),
    "one whose temporary namesake was discarded": (
        "CREATE TEMP TABLE t ()",
        "DISCARD ALL",
        "DROP TABLE t",
    ),
    "one under another search path": (NEW, "SET search_path = app", "DROP TABLE t"),
    "one under a path that a function sets": (
        NEW,
        "SELECT set_config('search_path', 'app', false)",
        "TRUNCATE t",
    ),
    "one that a branch may have made": (
        "DO $$ BEGIN IF now() > '2020-01-01' THEN CREATE TABLE t (); END IF; END $$",
        "DROP TABLE t",
    ),
    "one that has old rows attached": (
        "CREATE TABLE t (id int) PARTITION BY LIST (id)",
        "ALTER TABLE t ATTACH PARTITION old FOR VALUES IN (1)",
        "DROP TABLE t",
    ),
    "what a new table takes along": (
        NEW,
        "ALTER TABLE old ADD FOREIGN KEY (c) REFERENCES t",
        "TRUNCATE t CASCADE",
    ),
    "what points to the rows of a new table": (
        "CREATE TABLE roles (id int PRIMARY KEY)",
        "ALTER TABLE t ADD FOREIGN KEY (role) REFERENCES roles ON DELETE CASCADE",
        "DELETE FROM roles",
    ),
    "one that a block made if it was not there": (
        "DO $$ BEGIN CREATE TABLE t (); EXCEPTION WHEN duplicate_table THEN NULL; END $$",
        "DROP TABLE t",
    ),
    "a column that has been filled": (
        "ALTER TABLE t ADD n int",
        "UPDATE t SET n = c WHERE n IS NULL",
        "ALTER TABLE t DROP n",
    ),
    "a column that rows were inserted with": (
        "ALTER TABLE t ADD n int",
        "INSERT INTO t (n) SELECT c FROM u",
        "ALTER TABLE t DROP n",
    ),
    "a column that may have been there": (
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS n int",
        "ALTER TABLE t DROP n",
    ),
    "an old column with the old name of a new one": (
        "ALTER TABLE t ADD n int",
        "ALTER TABLE t RENAME n TO m",
        "ALTER TABLE t RENAME c TO n",
        "ALTER TABLE t DROP n",
    ),
    "the same column of another table": ("ALTER TABLE u ADD n int", "ALTER TABLE t DROP n"),
    "a column along with a new one": ("ALTER TABLE t ADD n int", "UPDATE t SET n = 1, c = 2"),
    "what a new type takes along": (
        "CREATE TYPE mood AS ENUM ('a')",
        "ALTER TABLE t ALTER c TYPE mood USING 'a'",
        "DROP TYPE mood CASCADE",
    ),
    "a new schema with what was moved there": (
        "CREATE SCHEMA s",
        "ALTER TABLE t SET SCHEMA s",
        "DROP SCHEMA s CASCADE",
    ),
}

STILL_MEDIUM = {
    "an index that may have been there": ("CREATE INDEX IF NOT EXISTS i ON t (c)", "DROP INDEX i"),
    "an index that was built anew": ("REINDEX INDEX i", "DROP INDEX i"),
    "an index of another schema": ("CREATE INDEX i ON s.t (c)", "DROP INDEX i"),
    "a constraint that a block adds where it is not there": (
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_constraint) THEN "
        "ALTER TABLE t ADD CONSTRAINT k UNIQUE (c); END IF; END $$",
        "ALTER TABLE t DROP CONSTRAINT k",
    ),
    "a constraint of another table": (
        "ALTER TABLE t ADD CONSTRAINT k CHECK (c > 0)",
        "ALTER TABLE u DROP CONSTRAINT k",
    ),
    "an old partition in a new table": (
        "CREATE TABLE t (id int) PARTITION BY LIST (id)",
        "ALTER TABLE t ATTACH PARTITION old FOR VALUES IN (1)",
    ),
    "an index whose name a new one had": (
        "CREATE INDEX i ON t (c)",
        "ALTER INDEX i RENAME TO j",
        "ALTER INDEX old RENAME TO i",
        "DROP INDEX i",
    ),
    "a function with other arguments": (
        "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION f(a text) RETURNS int LANGUAGE sql AS 'SELECT 2'",
    ),
    "a function that was made by another name": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION f() RENAME TO g",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    ),
    "a function that may have been there": (
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    ),
    "a view that may have been there": ("CREATE OR REPLACE VIEW v AS SELECT 1", "DROP VIEW v"),
}

Statements = tuple[Step | tuple[str, str], ...]

STILL_LOW = {
    "a type that the project makes by itself": (
        ops.CreateTableOp("t", [sa.Column("m", ENUM("a", name="mood", create_type=False))]),
        "ALTER TYPE mood ADD VALUE 'b'",
    ),
    "a type of the metadata": (
        ops.CreateTableOp("t", [sa.Column("m", sa.Enum("a", name="mood", metadata=sa.MetaData()))]),
        "ALTER TYPE mood ADD VALUE 'b'",
    ),
    "a value of an old type": ("CREATE TYPE tone AS ENUM ('a')", "ALTER TYPE mood ADD VALUE 'b'"),
}


@pytest.mark.parametrize("statements", SAFE.values(), ids=SAFE)
def test_what_the_plan_made_is_safe_to_change(statements: Statements) -> None:
    assert last_verdict(*statements).endswith(" safe")


@pytest.mark.parametrize("statements", NOT_SAFE.values(), ids=NOT_SAFE)
def test_what_was_there_before_is_not(statements: Statements) -> None:
    assert last_verdict(*statements).endswith(" destructive")


@pytest.mark.parametrize("statements", STILL_MEDIUM.values(), ids=STILL_MEDIUM)
def test_nor_is_what_is_less_than_data(statements: Statements) -> None:
    assert last_verdict(*statements).endswith(" medium")


@pytest.mark.parametrize("statements", STILL_LOW.values(), ids=STILL_LOW)
def test_nor_what_was_low(statements: Statements) -> None:
    assert last_verdict(*statements).endswith(" low")


@pytest.mark.parametrize(
    "statements",
    [
        ("CREATE INDEX i ON t (c)", "DROP INDEX i"),
        ("CREATE INDEX i ON t (c)", "ALTER INDEX i RENAME TO j"),
        ("ALTER TABLE t ADD CONSTRAINT k UNIQUE (c)", "ALTER TABLE t DROP CONSTRAINT k"),
        ("ALTER TABLE t ADD n int", "ALTER TABLE t DROP n"),
        ("ALTER TABLE t ADD n int", "ALTER TABLE t RENAME n TO m"),
    ],
)
def test_nobody_waits_for_a_lock_on_a_new_table(statements: tuple[str, str]) -> None:
    assert plan(NEW, *statements)[-1].lock is Lock.NONE
    assert plan(*statements)[-1].lock is not Lock.NONE


@pytest.mark.parametrize(
    "update",
    [
        "UPDATE t SET n = c",
        "UPDATE t SET n = c WHERE n IS NULL",
        "UPDATE public.t SET n = 1, m = 2",
    ],
)
def test_an_update_of_nothing_but_new_columns_is_a_backfill(update: str) -> None:
    added = "ALTER TABLE t ADD n int, ADD m int DEFAULT 0"
    assert last_verdict(added, update) == "backfill medium"
    assert last_verdict(added, update, update) == "backfill medium"


NOT_NULL = "ALTER TABLE t ALTER c SET NOT NULL"
CHECK = "ALTER TABLE t ADD CONSTRAINT k CHECK (c IS NOT NULL)"
VALIDATE = "ALTER TABLE t VALIDATE CONSTRAINT k"


@pytest.mark.parametrize(
    ("steps", "level"),
    [
        ((f"{CHECK} NOT VALID", VALIDATE), "low"),
        ((CHECK,), "low"),
        ((ops.CreateCheckConstraintOp("k", "t", sa.column("c").is_not(None)),), "low"),
        ((f"{CHECK} NOT VALID",), "high"),
        ((f"{CHECK} NOT VALID", VALIDATE, "ALTER TABLE t DROP CONSTRAINT k"), "high"),
        ((CHECK, "ALTER TABLE t RENAME TO u", "ALTER TABLE v RENAME TO t"), "high"),
        ((CHECK, "ALTER TABLE t RENAME c TO d", "ALTER TABLE t RENAME e TO c"), "high"),
        (("ALTER TABLE t ADD CONSTRAINT k CHECK (d IS NOT NULL)",), "high"),
        (("ALTER TABLE t ADD CONSTRAINT k CHECK (c IS NOT NULL OR d)",), "high"),
    ],
)
def test_not_null_reads_nothing_behind_a_check_that_proves_it(
    steps: tuple[Step, ...], level: str
) -> None:
    assert last_verdict(*steps, NOT_NULL) == f"alter_column_nullable {level}"


def test_the_fact_is_said() -> None:
    *_, dropped = plan(("1a2b", NEW), ("3c4d", "DROP TABLE t"))
    assert [each.facts for each in dropped.findings] == [
        ("t is created by the same plan, in revision 1a2b",)
    ]


def test_a_foreign_key_of_a_new_table_locks_an_old_parent_and_no_other() -> None:
    key = "ALTER TABLE t ADD FOREIGN KEY (c) REFERENCES p"
    *_, to_old = plan(NEW, key)
    *_, to_new = plan(NEW, "CREATE TABLE p (id int PRIMARY KEY)", key)
    assert (to_old.level.word, to_old.lock) == ("safe", Lock.SHARE_ROW_EXCLUSIVE)
    assert "writes to p wait until the transaction ends" in to_old.findings[0].facts[0]
    assert (to_new.level.word, to_new.lock) == ("safe", Lock.NONE)


def test_a_new_table_locks_the_old_ones_that_it_stands_on() -> None:
    def lock(*statements: str) -> Lock:
        return plan(*statements)[-1].lock

    inline = "CREATE TABLE t (c int REFERENCES p, d int REFERENCES t)"
    assert lock(inline) is Lock.SHARE_ROW_EXCLUSIVE
    assert lock("CREATE TABLE p ()", inline) is Lock.NONE
    part = "CREATE TABLE t PARTITION OF p DEFAULT"
    assert lock(part) is Lock.ACCESS_EXCLUSIVE
    assert lock("CREATE TABLE p (c int) PARTITION BY LIST (c)", part) is Lock.NONE


def test_the_facts_hold_for_operations_and_sql_alike() -> None:
    facts = PlanFacts()
    made = ops.CreateTableOp("t", [sa.Column("id", sa.Integer)])
    operations = [made, ops.ExecuteSQLOp("UPDATE t SET id = 1"), ops.DropTableOp("t")]
    found = [facts.refine(Assessment.of("op", changes_of(each)), "1a2b") for each in operations]
    assert [each.level.word for each in found] == ["safe", "safe", "safe"]


def test_the_schema_of_names_without_one_is_what_the_caller_says() -> None:
    facts = PlanFacts(default_schema="tenant")
    made, dropped = (
        facts.refine(Assessment.of("op", changes_of(each)), "1a2b")
        for each in (
            ops.CreateTableOp("t", [sa.Column("id", sa.Integer)]),
            ops.DropTableOp("t", schema="public"),
        )
    )
    assert verdicts([made, dropped]) == ["create_table safe", "drop_table destructive"]
