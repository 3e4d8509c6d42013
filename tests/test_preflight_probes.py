"""A probe finds rows exactly where PostgreSQL would refuse the statement."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import given
from sqlalchemy.exc import DBAPIError

from alembic_zanith.failures import sqlstate
from alembic_zanith.identifiers import literal
from alembic_zanith.preflight import Found, Outcome, probes_in, run_probe
from tests.support.database import Database

SETUP = """
CREATE SCHEMA "Other One";
CREATE TABLE t (id int PRIMARY KEY, a text, b int, n numeric, f double precision, c varchar(20), j jsonb);
INSERT INTO t VALUES (1, 'x', 1, 1.5, 1, 'abc   ', '{}'), (2, 'X', NULL, 70000, 2.5, 'abcdef', '[]'),
  (3, NULL, NULL, 3000000000, 1e10, NULL, NULL), (4, 'x', 4, NULL, NULL, '12', '1');
CREATE TABLE "Other One"."My Table" ("Key" int, "It's" text);
INSERT INTO "Other One"."My Table" VALUES (1, 'a'), (1, 'b');
CREATE TABLE parent (id int PRIMARY KEY, x int, y int, UNIQUE (x, y));
INSERT INTO parent VALUES (1, 1, 1), (4, 2, 2);
CREATE TABLE child (id int PRIMARY KEY, parent_id int, x int, y int, self int);
INSERT INTO child VALUES (1, 1, 1, 1, 1), (2, NULL, NULL, 1, 1), (3, 4, 2, 2, NULL);
CREATE TABLE parts (id int, v int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
INSERT INTO parts VALUES (1, 1), (11, 1), (12, NULL);
CREATE TABLE base (id int);
CREATE TABLE derived () INHERITS (base);
INSERT INTO base VALUES (1); INSERT INTO derived VALUES (1), (NULL);
CREATE TABLE nothing (id int);
ALTER TABLE t ADD CONSTRAINT later CHECK (b > 1) NOT VALID;
ALTER TABLE child ADD CONSTRAINT later FOREIGN KEY (parent_id) REFERENCES parent NOT VALID;
CREATE TYPE mood AS ENUM ('x', 'X');
"""

STATEMENTS = [
    "CREATE UNIQUE INDEX ON t (a)",
    "CREATE UNIQUE INDEX ON t (lower(a))",
    "CREATE UNIQUE INDEX ON t (a, b)",
    "CREATE UNIQUE INDEX ON t (b)",
    "CREATE UNIQUE INDEX ON t (a) WHERE id < 4",
    "CREATE UNIQUE INDEX ON t (a) WHERE b IS NOT NULL",
    'CREATE UNIQUE INDEX ON t (a COLLATE "C" text_pattern_ops)',
    "CREATE UNIQUE INDEX ON t ((b % 3))",
    "CREATE UNIQUE INDEX ON t (id) INCLUDE (a)",
    "ALTER TABLE t ADD UNIQUE (a)",
    "ALTER TABLE t ADD UNIQUE (b)",
    "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a, b)",
    'ALTER TABLE "Other One"."My Table" ADD PRIMARY KEY ("Key")',
    'ALTER TABLE "Other One"."My Table" ADD UNIQUE ("It\'s")',
    "ALTER TABLE parts ADD PRIMARY KEY (id)",
    "ALTER TABLE parts ADD PRIMARY KEY (id, v)",
    "ALTER TABLE base ADD PRIMARY KEY (id)",
    "ALTER TABLE base ADD UNIQUE (id)",
    "ALTER TABLE t ALTER a SET NOT NULL",
    "ALTER TABLE t ALTER id SET NOT NULL",
    "ALTER TABLE parts ALTER v SET NOT NULL",
    "ALTER TABLE t ADD COLUMN z int NOT NULL",
    "ALTER TABLE t ADD COLUMN z int NOT NULL DEFAULT 5",
    "ALTER TABLE t ADD COLUMN z serial NOT NULL",
    "ALTER TABLE t ADD COLUMN z int",
    "ALTER TABLE nothing ADD COLUMN z int NOT NULL",
    "ALTER TABLE t ADD CHECK (b > 0)",
    "ALTER TABLE t ADD CHECK (b > 1)",
    "ALTER TABLE t ADD CHECK (b > 1) NOT VALID",
    "ALTER TABLE t ADD CHECK (a IS NOT NULL AND a IN ('x', 'X'))",
    "ALTER TABLE t VALIDATE CONSTRAINT later",
    "ALTER TABLE child VALIDATE CONSTRAINT later",
    "ALTER TABLE child ADD FOREIGN KEY (parent_id) REFERENCES parent",
    "ALTER TABLE child ADD FOREIGN KEY (parent_id) REFERENCES parent (id)",
    "ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent (id)",
    "ALTER TABLE child ADD FOREIGN KEY (x, y) REFERENCES parent (x, y)",
    "ALTER TABLE child ADD FOREIGN KEY (x, y) REFERENCES parent (x, y) MATCH FULL",
    "ALTER TABLE child ADD FOREIGN KEY (self) REFERENCES child",
    "ALTER TABLE child ADD FOREIGN KEY (x) REFERENCES child (id)",
    "ALTER TABLE t ALTER c TYPE varchar(30)",
    "ALTER TABLE t ALTER c TYPE varchar(6)",
    "ALTER TABLE t ALTER c TYPE varchar(5)",
    "ALTER TABLE t ALTER c TYPE varchar(3)",
    "ALTER TABLE t ALTER c TYPE char(4)",
    "ALTER TABLE t ALTER a TYPE varchar(1)",
    "ALTER TABLE t ALTER n TYPE integer",
    "ALTER TABLE t ALTER n TYPE bigint",
    "ALTER TABLE t ALTER b TYPE smallint",
    "ALTER TABLE t ALTER n TYPE smallint",
    "ALTER TABLE t ALTER n TYPE numeric(10, 2)",
    "ALTER TABLE t ALTER n TYPE numeric(9, 0)",
    "ALTER TABLE t ALTER n TYPE numeric(5, 1)",
    "ALTER TABLE t ALTER f TYPE integer",
    "ALTER TABLE t ALTER f TYPE real",
    "ALTER TABLE t ALTER c TYPE integer USING c::integer",
    "ALTER TABLE t ALTER a TYPE mood USING a::mood",
    "ALTER TABLE t ALTER c TYPE mood USING c::mood",
    "ALTER TABLE t ALTER c TYPE varchar(3) USING left(c, 3)",
    "ALTER TABLE t ALTER c TYPE varchar(3) USING trim(c)",
]


def outcomes(connection: sa.Connection, sql: str) -> list[Outcome]:
    return [run_probe(connection, probe) for probe in probes_in(sql)]


def is_refused(connection: sa.Connection, sql: str) -> bool:
    """Whether PostgreSQL refuses a statement for the rows that are there."""
    savepoint = connection.begin_nested()
    try:
        connection.exec_driver_sql(sql.replace("%", "%%"))
    except DBAPIError as error:
        return sqlstate(error)[:2] in ("23", "22")
    finally:
        savepoint.rollback()
    return False


@pytest.mark.majors
@pytest.mark.parametrize("sql", STATEMENTS)
def test_rows_are_found_where_postgresql_would_refuse(database: Database, sql: str) -> None:
    database.execute(SETUP)
    with database.begin() as connection:
        found = outcomes(connection, sql)
        assert all(
            each.found in (Found.ROWS, Found.NOTHING, Found.NOT_APPLICABLE) for each in found
        ), [each.line for each in found]
        assert any(each.found is Found.ROWS for each in found) == is_refused(connection, sql)


@pytest.mark.min_major(15)
@pytest.mark.parametrize(
    "sql",
    [
        "CREATE UNIQUE INDEX ON t (b) NULLS NOT DISTINCT",
        "ALTER TABLE t ADD UNIQUE NULLS NOT DISTINCT (b, j)",
        "ALTER TABLE t ADD UNIQUE NULLS NOT DISTINCT (b)",
    ],
)
def test_nulls_that_are_not_distinct_are_duplicates(database: Database, sql: str) -> None:
    database.execute(SETUP)
    with database.begin() as connection:
        (found,) = outcomes(connection, sql)
        assert (found.found is Found.ROWS) == is_refused(connection, sql)


VALUES = st.one_of(st.none(), st.integers(0, 2))
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=5)
KEYS = st.sampled_from(
    [
        "CREATE UNIQUE INDEX ON m (a)",
        "CREATE UNIQUE INDEX ON m (a, b)",
        "CREATE UNIQUE INDEX ON m (a) WHERE b = 1",
        "CREATE UNIQUE INDEX ON m ((a + b))",
        "CREATE UNIQUE INDEX ON m (coalesce(a, b)) WHERE a IS NULL OR b > 0",
        "ALTER TABLE m ADD UNIQUE (b, a)",
        "ALTER TABLE m ADD PRIMARY KEY (a, b)",
        "ALTER TABLE m ALTER a SET NOT NULL",
        "ALTER TABLE m ADD CHECK (a < b)",
        "ALTER TABLE m ADD FOREIGN KEY (a, b) REFERENCES p (x, y)",
        "ALTER TABLE m ADD FOREIGN KEY (a, b) REFERENCES p (x, y) MATCH FULL",
        "ALTER TABLE m ADD FOREIGN KEY (b) REFERENCES p",
    ]
)


@pytest.mark.property
@given(
    rows=ROWS,
    parents=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), unique=True),
    sql=KEYS,
)
def test_whatever_the_rows_are(
    shared_databases: tuple[Database, Database], rows: list[Any], parents: list[Any], sql: str
) -> None:
    engine = shared_databases[0].engine()
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMP TABLE m (a int, b int)")
        connection.exec_driver_sql(
            "CREATE TEMP TABLE p (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, x int, y int, UNIQUE (x, y))"
        )
        for table, columns, values in (("m", "a, b", rows), ("p", "x, y", parents)):
            for a, b in values:
                given_row = ", ".join("NULL" if v is None else literal(str(v)) for v in (a, b))
                connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) VALUES ({given_row})")
        found = outcomes(connection, sql)
        assert any(each.found is Found.ROWS for each in found) == is_refused(connection, sql)
        connection.rollback()
    engine.dispose()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "CREATE UNIQUE INDEX ON t (a)",
            "t has no duplicates in a: no, 1 group of rows.\na = x, rows = 2\n"
            'All of them: SELECT pg_catalog.left(CAST(("a") AS text), 60) AS "a", '
            'pg_catalog.left(CAST(count(*) AS text), 60) AS "rows" FROM ONLY "t" '
            'WHERE ("a") IS NOT NULL GROUP BY ("a") HAVING count(*) > 1',
        ),
        (
            "ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent",
            "every row of child finds its parent in parent by id: no, 2 rows.\nid = 2\nid = 3\n",
        ),
        (
            "ALTER TABLE t ALTER b SET NOT NULL",
            "t.b has no NULL: no, 2 rows.\nid = 2, b = NULL\nid = 3, b = NULL\n",
        ),
        (
            "ALTER TABLE t ADD COLUMN z int NOT NULL",
            "t has no rows, which would need a value for z: no, 4 rows.\nid = 1\nid = 2\nid = 3\nid = 4\n",
        ),
        (
            "ALTER TABLE t ADD CHECK (b > 1)",
            "every row of t passes CHECK (b > 1): no, 1 row.\nid = 1\n",
        ),
        (
            "ALTER TABLE t VALIDATE CONSTRAINT later",
            "every row of t passes later: no, 1 row.\nid = 1\n",
        ),
        (
            "ALTER TABLE t ALTER c TYPE varchar(5)",
            "every value of t.c fits into varchar(5): no, 1 row.\nid = 2, c = abcdef\n",
        ),
        (
            "ALTER TABLE t ALTER c TYPE integer USING c::integer",
            'every value of t.c fits into int: no, invalid input syntax for type integer: "abc ".\n',
        ),
    ],
)
def test_the_message_shows_what_is_in_the_way(database: Database, sql: str, message: str) -> None:
    database.execute(SETUP)
    with database.begin() as connection:
        (found,) = outcomes(connection, sql)
    assert found.message.startswith(message)


def test_no_more_than_five_rows_are_shown_and_a_thousand_counted(database: Database) -> None:
    database.execute(
        "CREATE TABLE many (a int); INSERT INTO many SELECT NULL FROM generate_series(1, 5000)"
    )
    with database.begin() as connection:
        (found,) = outcomes(connection, "ALTER TABLE many ALTER a SET NOT NULL")
    assert len(found.sample) == 5
    assert found.line == "many.a has no NULL: no, at least 1,000 rows"


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        (
            "ALTER TABLE gone ALTER a SET NOT NULL",
            "gone.a has no NULL: not applicable, gone.a does not exist",
        ),
        (
            "ALTER TABLE t ALTER gone SET NOT NULL",
            "t.gone has no NULL: not applicable, t.gone does not exist",
        ),
        (
            "ALTER TABLE t VALIDATE CONSTRAINT gone",
            "every row of t passes gone: not applicable, t has no constraint gone",
        ),
        (
            "ALTER TABLE t ALTER c TYPE text",
            "every value of t.c fits into text: not applicable, all of character varying(20) goes into text",
        ),
    ],
)
def test_what_is_not_there_is_not_applicable(database: Database, sql: str, line: str) -> None:
    database.execute(SETUP)
    with database.begin() as connection:
        assert [each.line for each in outcomes(connection, sql)] == [line]


def test_a_slow_probe_ends_and_leaves_the_transaction_usable(database: Database) -> None:
    database.execute("CREATE TABLE slow (a int); INSERT INTO slow SELECT generate_series(1, 200)")
    with database.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = '7s'")
        (probe,) = probes_in("ALTER TABLE slow ADD CHECK (pg_sleep(0.1)::text = '')")
        found = run_probe(connection, probe, timeout_ms=200)
        assert found.found is Found.UNFINISHED
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "7s"


def test_rows_that_row_level_security_hides_are_not_said_to_be_right(database: Database) -> None:
    role = database.role()
    database.execute(
        f"CREATE TABLE hidden (a int); INSERT INTO hidden VALUES (NULL); ALTER TABLE hidden OWNER TO {role};"
        "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; ALTER TABLE hidden FORCE ROW LEVEL SECURITY"
    )
    with database.begin(role=role) as connection:
        (found,) = outcomes(connection, "ALTER TABLE hidden ALTER a SET NOT NULL")
    assert found.line == (
        "hidden.a has no NULL: unfinished, row-level security of hidden may hide rows from this role"
    )
