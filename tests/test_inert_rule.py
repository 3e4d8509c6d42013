"""A parked column exerts no force on live rows.

The oracle is PostgreSQL itself: what succeeds after a real DROP COLUMN succeeds, with the same
result, after the column was soft-dropped or archived.
"""

from __future__ import annotations

import pytest

from devtools.postgres import LocalPostgres
from tests.conftest import MakeTwins
from tests.support.gates import GATES, GATES_OF_PARENTS, Gate

pytestmark = pytest.mark.majors

WRITES = (
    "INSERT INTO t (id, kept) VALUES (10, 'a') RETURNING id, kept",
    "INSERT INTO t (id, kept) VALUES (11, 'b'), (12, 'c')",
    "INSERT INTO t (id, kept) VALUES (1, 'd') ON CONFLICT (id) DO UPDATE SET kept = 'again'",
    "INSERT INTO t (id, kept) SELECT g, 'g' FROM generate_series(1, 25) g ON CONFLICT DO NOTHING",
    "INSERT INTO t (id) VALUES (30), (0)",
    "COPY t (id, kept) FROM STDIN (FORMAT csv)\n40,copied\n41,\n",
    "UPDATE t SET kept = 'changed' WHERE id >= 11 RETURNING id",
    "UPDATE t SET id = id + 100 WHERE id < 3",
    "DELETE FROM t WHERE id IN (12, 20) RETURNING id, kept",
    "BEGIN; INSERT INTO t (id) VALUES (70); SET CONSTRAINTS ALL IMMEDIATE; COMMIT",
)
MERGE = (
    "MERGE INTO t USING (VALUES (10, 'merged'), (60, 'new')) AS s (id, kept) ON t.id = s.id"
    " WHEN MATCHED THEN UPDATE SET kept = s.kept"
    " WHEN NOT MATCHED THEN INSERT (id, kept) VALUES (s.id, s.kept)"
)


@pytest.mark.parametrize("gate", GATES.values(), ids=list(GATES))
def test_writes_that_do_not_name_the_column_succeed(
    twin_schemas: MakeTwins, server: LocalPostgres, gate: Gate
) -> None:
    if server.major < gate.since:
        pytest.skip(f"PostgreSQL {gate.since} or newer only")
    made = twin_schemas(gate.setup, "t.gone")
    made.agree_on(*WRITES, *([MERGE] if server.major >= 15 else []))


@pytest.mark.parametrize("strategy", ["soft_drop"])
@pytest.mark.parametrize("gate", GATES_OF_PARENTS.values(), ids=list(GATES_OF_PARENTS))
def test_neither_do_tables_that_inherit_it_notice(twin_schemas: MakeTwins, gate: Gate) -> None:
    """An archive is refused there: no key reaches over the children."""
    made = twin_schemas(gate.setup, "t.gone")
    made.agree_on(
        *WRITES,
        "INSERT INTO child (id) VALUES (90) RETURNING id",
        "CREATE TABLE younger () INHERITS (t)",
        "INSERT INTO younger (id) VALUES (91) RETURNING id",
    )


OTHER = "CREATE TABLE other (id int PRIMARY KEY, v text); INSERT INTO other VALUES (1), (2), (3);"


@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"])
@pytest.mark.parametrize("deferred", ["", "DEFERRABLE INITIALLY DEFERRED"], ids=["now", "deferred"])
def test_rows_that_it_pointed_to_can_go_and_take_nothing_with_them(
    twin_schemas: MakeTwins, action: str, deferred: str
) -> None:
    made = twin_schemas(
        f"{OTHER} CREATE TABLE t (id int PRIMARY KEY, kept text, gone int DEFAULT 9"
        f" REFERENCES other ON DELETE {action} ON UPDATE {action} {deferred});"
        "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
        "t.gone",
    )
    made.agree_on(
        "DELETE FROM other WHERE id = 1 RETURNING id",
        "UPDATE other SET id = 20 WHERE id = 2",
        "UPDATE t SET kept = 'z'",
        "TRUNCATE other",
        "ALTER TABLE other DROP CONSTRAINT other_pkey",
        "DROP TABLE other",
    )


def test_a_foreign_key_of_several_columns_goes_with_one_of_them(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(
        "CREATE TABLE other (a int, b int, PRIMARY KEY (a, b)); INSERT INTO other VALUES (1, 1);"
        "CREATE TABLE t (id int PRIMARY KEY, kept int, gone int,"
        " FOREIGN KEY (kept, gone) REFERENCES other ON DELETE CASCADE);"
        "INSERT INTO t VALUES (1, 1, 1)",
        "t.gone",
    )
    made.agree_on("DELETE FROM other", "UPDATE t SET kept = 99 RETURNING id, kept")


def test_a_table_that_points_to_itself(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(
        "CREATE TABLE t (id int PRIMARY KEY, gone int REFERENCES t ON DELETE CASCADE);"
        "INSERT INTO t VALUES (1, 1), (2, 1), (3, 2)",
        "t.gone",
    )
    made.agree_on("DELETE FROM t WHERE id = 1", "UPDATE t SET id = 7 WHERE id = 2")


def test_no_index_on_it_limits_how_long_other_values_are(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(
        "CREATE TABLE t (id int PRIMARY KEY, kept text, gone text);"
        "CREATE INDEX ON t (gone, kept); CREATE INDEX ON t (lower(kept)) WHERE gone IS NULL;"
        "CREATE INDEX ON t (id) INCLUDE (kept, gone); INSERT INTO t VALUES (1, 'a', 'b')",
        "t.gone",
    )
    long = "(SELECT string_agg(md5(g::text), '') FROM generate_series(1, 1000) g)"
    made.agree_on(
        f"INSERT INTO t (id, kept) VALUES (2, {long})", f"UPDATE t SET kept = {long} WHERE id = 1"
    )


@pytest.mark.parametrize("gone", ["serial", "int GENERATED ALWAYS AS IDENTITY"])
def test_its_sequence_no_longer_counts(twin_schemas: MakeTwins, gone: str) -> None:
    """`lastval()` is how some drivers tell an application the key of a new row."""
    made = twin_schemas(
        f"CREATE TABLE t (id serial PRIMARY KEY, kept text, gone {gone});"
        "SELECT setval('t_id_seq', 100)",
        "t.gone",
    )
    made.agree_on(
        "INSERT INTO t (kept) VALUES ('a'), ('b')",
        "SELECT lastval()",
        "INSERT INTO t (kept) VALUES ('c') RETURNING id",
        "SELECT lastval()",
    )


def test_triggers_and_rules_of_the_table_go_on(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(
        "CREATE TABLE log (n int); CREATE TABLE t (id int PRIMARY KEY, kept text, gone int NOT NULL);"
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " IF TG_OP = 'UPDATE' AND OLD IS NOT DISTINCT FROM NEW THEN RETURN NULL; END IF;"
        " INSERT INTO log VALUES (NEW.id); RETURN NEW; END$$;"
        "CREATE TRIGGER note BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note();"
        "CREATE RULE r AS ON DELETE TO t DO ALSO INSERT INTO log VALUES (OLD.id);"
        "INSERT INTO t VALUES (1, 'a', 1)",
        "t.gone",
    )
    made.agree_on(
        "INSERT INTO t (id) VALUES (2)",
        "UPDATE t SET kept = kept",
        "UPDATE t SET kept = 'new'",
        "DELETE FROM t WHERE id = 1",
    )


def test_several_columns_of_a_table_at_once(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(
        "CREATE TABLE t (id int PRIMARY KEY, kept text, a int NOT NULL, b int NOT NULL DEFAULT 1,"
        " c serial, UNIQUE (a, b), CHECK (a < b), EXCLUDE (a WITH =, c WITH =));"
        "INSERT INTO t VALUES (1, 'x', 0, 1)",
        "t.a",
        "t.b",
        "t.c",
    )
    made.agree_on(*WRITES)


def test_a_column_of_the_same_name_takes_its_place(twin_schemas: MakeTwins) -> None:
    """Twice: dropped, added, dropped and added again."""
    first = "CREATE TABLE t (id int PRIMARY KEY, kept text, gone int NOT NULL UNIQUE);"
    made = twin_schemas(first + "INSERT INTO t VALUES (1, 'a', 1)", "t.gone")
    again = "ALTER TABLE t ADD gone text NOT NULL DEFAULT 'new' CONSTRAINT t_gone_key UNIQUE"
    made.agree_on(again, "INSERT INTO t (id, gone) VALUES (2, 'x')")
    made.drop("t.gone")
    made.agree_on(
        "INSERT INTO t (id) VALUES (3)",
        again.replace("DEFAULT 'new' ", "").replace("NOT NULL", ""),
        "UPDATE t SET gone = id::text",
    )
