"""Rows of production on the shadow: exact, with what they refer to, and nothing set off."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from alembic_zanith.risk.change import TableRef
from alembic_zanith.verification import SampleLine
from alembic_zanith.verify.sampling import copy_sample
from tests.conftest import MakeDatabase
from tests.support.database import Database

Pair = tuple[Database, Database]


@pytest.fixture
def pair(database: Database, make_database: MakeDatabase) -> Pair:
    return database, make_database()


def prepare(pair: Pair, schema: str, rows: str = "") -> None:
    production, shadow = pair
    production.execute(f"{schema};{rows}" if rows else schema)
    shadow.execute(schema)


def sample(
    pair: Pair, *tables: str, rows: int = 100, driver: str | None = None
) -> dict[str, SampleLine]:
    production, shadow = pair
    with production.engine(driver).connect() as theirs, shadow.engine(driver).connect() as ours:
        lines = copy_sample(theirs, ours, [TableRef(name) for name in tables], rows)
        assert not ours.in_transaction()
    return {line.table: line for line in lines}


EVERYTHING = """
CREATE TYPE mood AS ENUM ('sad', 'o''k');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE t (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, s smallint, b bigint, n numeric, n2 numeric(9, 2),
    r real, d double precision, m money, txt text, vc varchar(5), c char(5), "name" name, by bytea,
    ts timestamp, tz timestamptz, da date, ti time, tt timetz, iv interval, bo boolean, mo mood,
    po point, ci circle, ine inet, mac macaddr, bi bit(5), vb bit varying, vec tsvector, q tsquery,
    u uuid, j json, jb jsonb, ar int[], aa text[], r4 int4range, mr int4multirange, p pair,
    pa pair[], dom positive, o oid, rc regclass, lsn pg_lsn, "odd: %s 'x :y" text,
    g int GENERATED ALWAYS AS (s * 2) STORED
)
"""
VALUES = """
INSERT INTO t (s, b, n, n2, r, d, m, txt, vc, c, "name", by, ts, tz, da, ti, tt, iv, bo, mo, po, ci, ine,
    mac, bi, vb, vec, q, u, j, jb, ar, aa, r4, mr, p, pa, dom, o, rc, lsn, "odd: %s 'x :y")
VALUES (-32768, 9223372036854775807, 'NaN', 1234567.89, 0.1, 1e-308, '-1.23', E'a\\\\b\\n%s :x ''q''', '', 'ab ',
    'n', '\\x00ff', 'infinity', '0044-03-15 12:00:00+00 BC', '-infinity', '24:00', '04:05:06.789-08',
    '1 year -2 mons +3 days -04:05:06.789', true, 'o''k', '(1,2)', '<(1,2),3>', '::1/64',
    '08:00:2b:01:02:03', '10101', '1', 'a:1 b:2A', 'a & b', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    '{"b":1, "a": null}', 'null', '{{1,NULL},{3,4}}', '{"",NULL,"a,b","\\"{"}', '[1,5)',
    '{[1,2), [5,9)}', '(1,"x,y")', '{"(1,)","(,z)"}', 7, 4294967295, 'pg_class', '16/B374D848', 'odd'),
  (NULL, NULL, 'Infinity', -0.01, 'NaN', '-Infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    '{}', '{}', 'empty', '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (1, 1, 1.10, 1, 1, 1, 1, repeat('x', 1000000), 'é', 'é', 'é', '', now(), now(), now(), now(), now(), '0',
    false, 'sad', '(0,0)', '<(0,0),0>', '1.2.3.4', NULL, '00000', '', '', NULL, NULL, '1', '[]',
    '[2:3]={1,2}', '{a}', '(,)', NULL, '(,)', '{}', 1, 0, NULL, '0/0', '')
"""


@pytest.mark.majors
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_values_of_every_type_arrive_as_they_are(pair: Pair, driver: str) -> None:
    prepare(pair, EVERYTHING, VALUES)
    line = sample(pair, "t", driver=driver)["t"]
    assert (line.rows, line.note) == (3, "")
    query = "SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM t"
    assert pair[0].scalar(query) == pair[1].scalar(query)
    pair[1].execute("INSERT INTO t (s) VALUES (5)")
    assert pair[1].scalar("SELECT max(id) FROM t") == 4


def test_an_async_driver_copies_the_same(pair: Pair) -> None:
    prepare(pair, EVERYTHING, VALUES)

    async def copy() -> None:
        theirs, ours = pair[0].async_engine(), pair[1].async_engine()
        async with theirs.connect() as production, ours.connect() as shadow:

            def work(connection: sa.Connection) -> None:
                # Both are of this loop.
                copy_sample(production.sync_connection, connection, [TableRef("t")], 9)  # type: ignore[arg-type]

            await shadow.run_sync(work)

    asyncio.run(copy())
    query = "SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM t"
    assert pair[0].scalar(query) == pair[1].scalar(query)


KEYS = {
    "a parent": (
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, p int REFERENCES p)",
        "INSERT INTO p SELECT generate_series(1, 200); INSERT INTO t SELECT g, 201 - g FROM generate_series(1, 200) g",
        {"t": 10, "p": 10},
    ),
    "grandparents": (
        "CREATE TABLE g (id int PRIMARY KEY); CREATE TABLE p (id int PRIMARY KEY, g int REFERENCES g);"
        "CREATE TABLE t (id int PRIMARY KEY, p int REFERENCES p)",
        "INSERT INTO g VALUES (1), (2); INSERT INTO p SELECT i, 2 FROM generate_series(1, 50) i;"
        "INSERT INTO t SELECT i, 7 FROM generate_series(1, 50) i",
        {"t": 10, "p": 1, "g": 1},
    ),
    "several columns": (
        "CREATE TABLE p (a int, b text, PRIMARY KEY (a, b));"
        "CREATE TABLE t (id int PRIMARY KEY, x int, y text, FOREIGN KEY (x, y) REFERENCES p (a, b))",
        "INSERT INTO p VALUES (1, 'a'), (1, 'b'), (2, 'a'); INSERT INTO t VALUES (1, 1, 'b'), (2, NULL, 'b')",
        {"t": 2, "p": 1},
    ),
    "itself": (
        "CREATE TABLE t (id int PRIMARY KEY, boss int REFERENCES t)",
        "INSERT INTO t VALUES (1, 1); INSERT INTO t SELECT i, i - 1 FROM generate_series(2, 30) i",
        {"t": 30},
    ),
    "a circle": (
        "CREATE TABLE t (id int PRIMARY KEY, o int NOT NULL); CREATE TABLE o (id int PRIMARY KEY,"
        " t int NOT NULL REFERENCES t); ALTER TABLE t ADD FOREIGN KEY (o) REFERENCES o",
        "SET session_replication_role = replica; INSERT INTO t SELECT i, i FROM generate_series(1, 9) i;"
        "INSERT INTO o SELECT i, i FROM generate_series(1, 9) i",
        {"t": 9, "o": 9},
    ),
    "a unique constraint": (
        "CREATE TABLE p (id int PRIMARY KEY, code text UNIQUE); CREATE TABLE t (c text REFERENCES p (code))",
        "INSERT INTO p VALUES (1, 'x'), (2, 'y'); INSERT INTO t VALUES ('y')",
        {"t": 1, "p": 1},
    ),
    "partitions": (
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (99);"
        "CREATE TABLE t (id int PRIMARY KEY, p int REFERENCES p)",
        "INSERT INTO p VALUES (1), (50); INSERT INTO t VALUES (1, 50), (2, 1)",
        {"t": 2, "p": 2},
    ),
}


@pytest.mark.majors
@pytest.mark.parametrize("shape", KEYS)
def test_foreign_keys_hold(pair: Pair, shape: str) -> None:
    schema, rows, expected = KEYS[shape]
    prepare(pair, schema, rows)
    limit = 10 if expected["t"] == 10 else 100
    found = sample(pair, "t", rows=limit)
    assert {name: line.rows for name, line in found.items()} == expected
    assert {line.note for line in found.values()} == {""}
    deferrable = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND condeferrable"
    assert pair[1].scalar(deferrable) == 0


def test_nothing_is_set_off(pair: Pair) -> None:
    prepare(
        pair,
        "CREATE TABLE t (id int); CREATE TABLE log (id int);"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO log VALUES (1); RETURN NEW; END';"
        "CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
        "CREATE TRIGGER b AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
        "ALTER TABLE t ENABLE ALWAYS TRIGGER a; ALTER TABLE t DISABLE TRIGGER b",
    )
    pair[0].execute("INSERT INTO t VALUES (1); DELETE FROM log")
    assert sample(pair, "t")["t"].rows == 1
    assert pair[1].scalar("SELECT count(*) FROM log") == 0
    states = (
        "SELECT tgname::text, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    )
    assert pair[1].rows(states) == [("a", "A"), ("b", "D")]


def test_a_row_that_is_not_taken_costs_no_other(pair: Pair) -> None:
    pair[0].execute("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 50)")
    pair[1].execute("CREATE TABLE t (id int CHECK (id <> 30))")
    line = sample(pair, "t")["t"]
    assert line.rows == 49
    assert line.note.startswith("1 left out: new row for relation")


def test_what_only_one_side_has_is_told(pair: Pair) -> None:
    pair[0].execute("CREATE TABLE t (id int, hand int); INSERT INTO t VALUES (1, 2)")
    pair[1].execute("CREATE TABLE t (id int); CREATE TABLE new (id int)")
    found = sample(pair, "t", "new")
    assert (found["t"].rows, found["t"].note) == (1, "without hand, which the shadow has not got")
    assert found["new"].note == "production has no such table"


def test_a_table_that_may_not_be_read_is_told(pair: Pair) -> None:
    prepare(pair, "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
    role = pair[0].role("guest")
    with pair[0].begin(role=role) as theirs, pair[1].engine().connect() as ours:
        (line,) = copy_sample(theirs, ours, [TableRef("t")], 10)
    assert (line.rows, line.note) == (0, "permission denied for table t")


def test_of_a_big_table_the_ends_are_taken(pair: Pair) -> None:
    prepare(
        pair,
        "CREATE TABLE t (id int PRIMARY KEY, v int); CREATE INDEX ON t (v)",
        "INSERT INTO t SELECT g, CASE g WHEN 50000 THEN 999999 ELSE g % 100 END"
        " FROM generate_series(1, 100000) g; ANALYZE t",
    )
    before = pair[0].fingerprint()
    assert sample(pair, "t", rows=80)["t"].rows == 80
    assert pair[1].scalar("SELECT max(v) FROM t") == 999999
    assert pair[1].scalar("SELECT min(id) FROM t") == 1
    assert pair[1].scalar("SELECT max(id) FROM t") == 100000
    assert pair[0].fingerprint() == before


def test_no_lock_stays_on_production(pair: Pair) -> None:
    prepare(pair, "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
    with pair[0].engine().connect() as theirs, pair[1].engine().connect() as ours, theirs.begin():
        copy_sample(theirs, ours, [TableRef("t")], 10)
        # In the transaction that goes on.
        held = "SELECT count(*) FROM pg_locks WHERE relation = to_regclass('t')"
        assert theirs.exec_driver_sql(held).scalar() == 0
