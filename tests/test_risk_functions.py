"""To define a function deletes nothing; to call it does what its body does."""

from __future__ import annotations

import pytest

from tests.support.risk.plans import last_verdict, plan, verdicts

DELETES = {
    "PL/pgSQL": "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; END $$",
    "quotes": "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM t; END'",
    "a branch": "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ DECLARE n int; "
    "BEGIN IF n > 1 THEN RETURN 1; ELSIF n = 0 THEN DELETE FROM t; END IF; RETURN 2; END $$",
    "an exception": "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; "
    "EXCEPTION WHEN others THEN DELETE FROM t; END $$",
    "a loop": "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN "
    "FOR r IN SELECT 1 LOOP WHILE true LOOP DELETE FROM t; END LOOP; END LOOP; END $$",
    "a case": "CREATE FUNCTION f(a int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
    "CASE a WHEN 1 THEN NULL; ELSE DELETE FROM t; END CASE; END $$",
    "a string that is executed": "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS "
    "$$ BEGIN EXECUTE 'DELETE FROM t'; END $$",
    "a query that is returned": "CREATE FUNCTION f() RETURNS SETOF int LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN QUERY DELETE FROM t RETURNING 1; END $$",
    "a string whose rows are returned": "CREATE FUNCTION f() RETURNS SETOF int LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN QUERY EXECUTE 'DELETE FROM t RETURNING 1'; END $$",
    "a cursor": "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS "
    "$$ DECLARE c refcursor; BEGIN OPEN c FOR EXECUTE 'DELETE FROM t RETURNING 1'; END $$",
    "row types": "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ DECLARE a t%ROWTYPE; "
    'b "T".id%TYPE; BEGIN a.id := 1; DELETE FROM t; END $$',
    "arrays of made types": "CREATE FUNCTION f(a mood[]) RETURNS mood[] LANGUAGE plpgsql AS $$ "
    "DECLARE b pair[]; BEGIN b[2:3] := ARRAY[]::pair[]; DELETE FROM t; RETURN a; END $$",
    "SQL": "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT 1; DELETE FROM t; $$",
    "SQL without a word for it": "CREATE FUNCTION f() RETURNS void AS 'DELETE FROM t' LANGUAGE 'SQL'",
    "a standard body": "CREATE FUNCTION f() RETURNS void BEGIN ATOMIC SELECT 1; DELETE FROM t; END",
    "a procedure": "CREATE PROCEDURE f() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; COMMIT; END $$",
    "another schema's name": "CREATE FUNCTION public.f() RETURNS void LANGUAGE sql AS 'DELETE FROM t'",
}

CALLS = [
    "SELECT f()",
    "SELECT public.f()",
    "SELECT * FROM f()",
    "CALL f()",
    "DO $$ BEGIN PERFORM f(); END $$",
    "DO $$ DECLARE x int; BEGIN x := f(); END $$",
    "DO $$ DECLARE x int; BEGIN x = lower(f(a := 1)); END $$",
    "DO $$ DECLARE x int[]; BEGIN x[1:2] := f(); END $$",
    "DO $$ DECLARE x int := f(); BEGIN NULL; END $$",
    "DO $$ BEGIN IF f() > 1 THEN NULL; END IF; END $$",
    "DO $$ BEGIN EXECUTE 'SELECT f()'; END $$",
    "INSERT INTO u SELECT f()",
    "UPDATE u SET c = f() WHERE id = 1",
    "CREATE TABLE n AS SELECT f()",
    "CREATE MATERIALIZED VIEW m AS SELECT f()",
    "EXPLAIN ANALYZE SELECT f()",
    "COPY (SELECT f()) TO STDOUT",
    "ALTER TABLE u ADD c int DEFAULT f()",
    "CREATE INDEX i ON u (f())",
    "WITH x AS (SELECT f()) SELECT * FROM x",
    "SELECT CASE WHEN true THEN (SELECT max(y) FROM f() AS y) END",
    "VALUES (f())",
]

NO_CALLS = [
    "CREATE VIEW w AS SELECT f()",
    "CREATE TABLE w (c int DEFAULT f())",
    "ALTER TABLE u ALTER c SET DEFAULT 'f()'",
    "COMMENT ON FUNCTION f() IS 'f()'",
    "GRANT EXECUTE ON FUNCTION f() TO app",
    "EXPLAIN SELECT f()",
]


@pytest.mark.parametrize("define", DELETES.values(), ids=DELETES)
def test_its_body_counts_when_it_is_called(define: str) -> None:
    defined, called = plan(define, "SELECT f()")
    assert defined.level < called.level
    assert (called.kind, called.level.word) == ("delete_rows", "destructive")
    assert "the function f does it" in called.findings[0].facts[0]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_found_wherever_it_stands(call: str) -> None:
    assert last_verdict(DELETES["PL/pgSQL"], call) == "delete_rows destructive"


@pytest.mark.parametrize("statement", NO_CALLS)
def test_what_only_names_it_does_not_run_it(statement: str) -> None:
    assert not last_verdict(DELETES["PL/pgSQL"], statement).endswith("destructive")


def test_what_it_calls_counts_too_and_calling_itself_ends() -> None:
    g = "CREATE FUNCTION g() RETURNS void LANGUAGE sql AS 'SELECT f(); SELECT g()'"
    assert last_verdict(DELETES["SQL"], g, "SELECT g()") == "delete_rows destructive"


def test_a_function_that_writes_nothing_is_harmless() -> None:
    define = "CREATE FUNCTION slug(a text) RETURNS text LANGUAGE sql AS 'SELECT lower(a)'"
    assert last_verdict(define, "SELECT slug('A')") == "harmless safe"
    update = "UPDATE t SET c = slug(d) WHERE c IS NULL"
    assert verdicts(plan(define, update))[-1] == "backfill medium"
    assert [each.change.kind for each in plan(define, update)[-1].findings] == [
        "backfill",
        "harmless",
    ]


def test_the_last_definition_counts() -> None:
    harmless = "CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT 1'"
    assert last_verdict(DELETES["SQL"], harmless, "SELECT f()") == "harmless safe"


def test_of_several_with_one_name_any_may_be_meant() -> None:
    other = "CREATE FUNCTION f(a int) RETURNS void LANGUAGE sql AS 'SELECT 1'"
    assert last_verdict(DELETES["SQL"], other, "SELECT f(1)") == "delete_rows destructive"


UNSEEN = {
    "SELECT f()": "the function f is not seen through",
    "CALL app.clean_up(1)": "the procedure app.clean_up is not seen through",
    "DO $$ BEGIN EXECUTE format('DROP TABLE %I', 't'); END $$": "the string is computed when it runs",
    "DO $$ DECLARE s text := 'DROP TABLE t'; BEGIN EXECUTE s; END $$": (
        "the string is computed when it runs"
    ),
    "DO LANGUAGE plpython3u $$ plpy.execute('drop table t') $$": (
        "it is written in plpython3u, which is not read"
    ),
    "EXECUTE p": "what p stands for was prepared elsewhere",
}


@pytest.mark.parametrize(("sql", "why"), UNSEEN.items())
def test_what_cannot_be_seen_through_says_so(sql: str, why: str) -> None:
    (found,) = plan(sql)
    assert (found.kind, found.level.word) == ("raw_sql", "medium")
    assert found.worst is not None
    assert getattr(found.worst.change, "why", None) == why


@pytest.mark.parametrize(
    ("define", "why"),
    [
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpython3u AS 'plpy.execute(1)'",
            "the body of f is not read: it is written in plpython3u",
        ),
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE c AS 'library', 'symbol'",
            "the body of f is not read: it is written in c",
        ),
    ],
)
def test_a_body_in_another_language_is_not_seen_through(define: str, why: str) -> None:
    found = plan(define, "SELECT f()")[-1]
    assert (found.kind, found.level.word) == ("raw_sql", "medium")
    assert getattr(found.findings[0].change, "why", None) == why


TRIGGER_BODIES = [
    "BEGIN NEW.at := now(); DELETE FROM u; RETURN NEW; END",
    "BEGIN IF TG_OP = 'UPDATE' THEN DELETE FROM u; RETURN OLD; END IF; RETURN NULL; END; -- done",
    "<<outer>> DECLARE x int; BEGIN DELETE FROM u; RETURN NEW; END;",
    "#variable_conflict use_column\nBEGIN DELETE FROM u; RETURN NEW; END",
    "BEGIN EXECUTE 'DELETE FROM u'; RETURN NEW; END",
    "DECLARE old_row t%ROWTYPE; BEGIN old_row.a := 1; DELETE FROM u; RETURN NEW; END",
]


@pytest.mark.parametrize("body", TRIGGER_BODIES)
def test_a_trigger_counts_in_the_writes_that_fire_it(body: str) -> None:
    define = f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    trigger = "CREATE TRIGGER x AFTER UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()"
    made, created, updated, inserted, elsewhere = plan(
        define,
        trigger,
        "UPDATE t SET c = 1 WHERE id = 1",
        "INSERT INTO t VALUES (1)",
        "UPDATE v SET c = 1 WHERE id = 1",
    )
    assert made.level.word == "safe"
    assert created.level.word == "medium"
    assert (updated.kind, updated.level.word) == ("delete_rows", "destructive")
    assert "x of t fires, and runs f: the plan makes it in 1a2b" in updated.findings[0].facts
    assert inserted.level.word == "safe"
    assert elsewhere.level.word == "medium"


def test_the_function_of_an_event_trigger_is_read() -> None:
    define = (
        "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF tg_tag = 'x' THEN RETURN; END IF; DELETE FROM t; END $$"
    )
    (found,) = plan(define)
    routine = getattr(found.findings[0].change, "defines", None)
    assert [each.kind for each in getattr(routine, "does", ())] == ["delete_rows"]


def test_a_trigger_that_is_dropped_does_not_fire() -> None:
    define = (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE sql AS 'DELETE FROM u'",
        "CREATE TRIGGER x AFTER INSERT ON t EXECUTE FUNCTION f()",
    )
    insert = "INSERT INTO t VALUES (1)"
    assert last_verdict(*define, insert) == "delete_rows destructive"
    assert last_verdict(*define, "DROP TRIGGER x ON t", insert) == "insert_rows safe"


def test_a_rule_counts_in_the_writes_that_it_is_for() -> None:
    rule = "CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM u"
    assert last_verdict(rule) == "add_trigger medium"
    assert last_verdict(rule, "INSERT INTO t VALUES (1)") == "delete_rows destructive"
    assert last_verdict(rule, "DELETE FROM t WHERE id = 1") == "delete_rows medium"
