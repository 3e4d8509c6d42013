"""The locks and the rewrites that the classifier tells of are those that the server does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Cost, Lock
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.statements import changes_in
from alembic_zanith.risk.type_fit import Fit, fit
from devtools.postgres import LocalPostgres
from tests.support.database import Database
from tests.support.risk.shop import SHOP
from tests.support.risk.statements import STATEMENTS

CASES = [(major, sql) for major, statements in STATEMENTS.items() for sql in statements]

# What a text alone cannot tell: another state of the table and they would rewrite it.
REWRITES_IN_VAIN = {
    "ALTER TABLE p SET LOGGED",
    "ALTER TABLE t SET ACCESS METHOD heap",
    "ALTER TABLE t SET TABLESPACE pg_default",
    "ALTER INDEX t_c_index SET TABLESPACE pg_default",
    "ALTER TABLE t ALTER small TYPE varchar(50)",
    "ALTER TABLE t ALTER small TYPE text",
    "ALTER TABLE t ALTER price TYPE numeric(12,2)",
    "ALTER TABLE t ALTER at TYPE timestamp",
    "ALTER TABLE t ALTER at TYPE timestamptz",
}
# TRUNCATE gives a table a new file instead of writing rows.
EMPTIES = ("TRUNCATE",)
# Locks of what no row is in: a type whose tables nobody has made, and indexes.
LOCKS_NO_TABLE = {
    "ALTER TYPE pair ADD ATTRIBUTE x int",
    "ALTER INDEX t_c_index RENAME TO x",
    "ALTER INDEX t_c_index SET (fillfactor = 70)",
    "ALTER INDEX t_c_index SET TABLESPACE pg_default",
}
# The table that stands behind them is not in their text, and the lock is short and weak.
HIDDEN = {"DROP STATISTICS both_ids", "ALTER PUBLICATION news ADD TABLE t"}
HIDDEN |= {"CREATE PUBLICATION x FOR TABLE t", "ANALYZE t"}

_LOCKS = """
    SELECT coalesce(array_agg(DISTINCT mode), '{}') FROM pg_locks
    WHERE pid = pg_backend_pid() AND mode <> 'AccessShareLock' AND relation = ANY(%s)
"""
_FILES = "SELECT oid, pg_relation_filenode(oid) FROM pg_class WHERE relkind IN ('r', 'm')"
_TABLES = "SELECT oid FROM pg_class WHERE relkind IN ('r', 'p', 'm', 'v') AND oid >= 16384"


@pytest.fixture(scope="module")
def shop(server: LocalPostgres) -> Iterator[psycopg.Connection]:
    database = Database.create(server)
    database.execute(SHOP)
    url = database.url("psycopg").set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        yield connection
    database.drop()


@contextmanager
def run(shop: psycopg.Connection, sql: str) -> Iterator[None]:
    shop.execute(sql.encode())
    try:
        yield
    finally:
        shop.rollback()


def strongest(shop: psycopg.Connection, tables: list[int]) -> Lock:
    rows = shop.execute(_LOCKS, [tables]).fetchall()
    words = {lock.value.title().replace(" ", "") + "Lock": lock for lock in Lock}
    taken = [words[mode] for mode in rows[0][0]]
    return max(taken, key=list(Lock).index, default=Lock.NONE)


@pytest.mark.majors
@pytest.mark.parametrize(("major", "sql"), CASES, ids=[sql for _, sql in CASES])
def test_lock_and_rewrite_are_those_of_the_server(
    shop: psycopg.Connection, major: int, sql: str
) -> None:
    if shop.info.server_version < major * 10_000:
        pytest.skip(f"PostgreSQL {major} or newer only")
    said = Assessment.of("op.execute", changes_in(sql))
    tables = [oid for (oid,) in shop.execute(_TABLES).fetchall()]
    before: dict[int, int] = dict(shop.execute(_FILES).fetchall())
    with run(shop, sql):
        taken = strongest(shop, tables)
        after: dict[int, int] = dict(shop.execute(_FILES).fetchall())
    if sql not in LOCKS_NO_TABLE | HIDDEN:
        assert said.lock is taken
    written = any(after.get(oid, file) != file for oid, file in before.items())
    rewrites = any(each.judgement.cost is Cost.REWRITES for each in said.findings)
    if not sql.startswith(EMPTIES) and sql not in REWRITES_IN_VAIN:
        assert rewrites == written


_COLUMNS = """
    SELECT attrelid, attrelid::regclass::text, array_agg(attnum)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relkind IN ('r', 'p') AND pg_class.oid >= 16384 AND attnum > 0 AND NOT attisdropped
    GROUP BY 1
"""
# They lose no more than their WHERE names.
BY_CONDITION = ("DELETE FROM t WHERE", "MERGE")


def kept(shop: psycopg.Connection) -> set[tuple[int, str, int]]:
    """Return what there is of each table: its columns and its rows, each by a number."""
    found = set()
    for oid, name, columns in shop.execute(_COLUMNS).fetchall():
        found |= {(oid, "column", number) for number in columns}
        ((rows,),) = shop.execute(f"SELECT count(*) FROM {name}".encode()).fetchall()
        found |= {(oid, "row", number) for number in range(rows)}
    return found


@pytest.mark.majors
@pytest.mark.parametrize(("major", "sql"), CASES, ids=[sql for _, sql in CASES])
def test_what_is_not_called_destructive_keeps_every_row_and_column(
    shop: psycopg.Connection, major: int, sql: str
) -> None:
    if shop.info.server_version < major * 10_000:
        pytest.skip(f"PostgreSQL {major} or newer only")
    before = kept(shop)
    with run(shop, sql):
        lost = before - kept(shop)
    if lost and not sql.startswith(BY_CONDITION):
        assert Assessment.of("op.execute", changes_in(sql)).level is Level.DESTRUCTIVE


TYPES = [
    ("varchar(20)", "varchar(50)"),
    ("varchar(20)", "varchar"),
    ("varchar(20)", "text"),
    ("text", "varchar"),
    ("varchar(50)", "varchar(20)"),
    ("text", "varchar(20)"),
    ("char(5)", "char(9)"),
    ("char(5)", "text"),
    ("char(5)", "varchar(9)"),
    ("smallint", "integer"),
    ("integer", "bigint"),
    ("bigint", "integer"),
    ("integer", "numeric"),
    ("integer", "numeric(12,2)"),
    ("integer", "double precision"),
    ("integer", "text"),
    ("integer", "boolean USING c::int::boolean"),
    ("real", "double precision"),
    ("double precision", "real"),
    ("numeric(10,2)", "numeric(12,2)"),
    ("numeric(10,2)", "numeric"),
    ("numeric(10,2)", "numeric(12,4)"),
    ("numeric(10,2)", "numeric(8,2)"),
    ("numeric", "numeric(10,2)"),
    ("date", "timestamp"),
    ("timestamp", "date"),
    ("timestamp(3)", "timestamp(6)"),
    ("timestamp(3)", "timestamp"),
    ("timestamp", "timestamp(3)"),
    ("timestamptz", "timestamptz(6)"),
    ("time(2)", "time"),
    ("interval(2)", "interval"),
    ("bit varying(5)", "bit varying(9)"),
    ("bit varying(5)", "bit varying"),
    ("bit(5)", "bit(9)"),
    ("interval(2)", "interval(6)"),
    ("interval(4)", "interval(2)"),
    ("varchar(20)[]", "varchar(50)[]"),
    ("varchar(20)[]", "text[]"),
    ("integer[]", "bigint[]"),
    ("numeric(10,2)[]", "numeric(12,2)[]"),
    ("json", "jsonb"),
    ("text", "text"),
    ("integer", "int4"),
    ("inet", "cidr"),
    ("cidr", "inet"),
    ("xml", "text"),
]


@pytest.mark.majors
@pytest.mark.parametrize(("old", "new"), TYPES)
def test_a_change_of_type_that_is_told_apart_rewrites_or_not(
    shop: psycopg.Connection, old: str, new: str
) -> None:
    told = fit(old, new.split(" USING")[0])
    shop.execute(f"CREATE TABLE typed (c {old})".encode())
    (before,) = shop.execute("SELECT pg_relation_filenode('typed')").fetchall()
    using = "" if "USING" in new else f" USING c::{new}"
    shop.execute(f"ALTER TABLE typed ALTER c TYPE {new}{using}".encode())
    (after,) = shop.execute("SELECT pg_relation_filenode('typed')").fetchall()
    shop.rollback()
    if told is Fit.SAME:
        assert before == after
    elif told in (Fit.WIDER, Fit.NARROWER):
        assert before != after
