"""The safe ways that are offered run on a server, and are what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from alembic_zanith.risk.change import Lock
from tests.support.database import Database
from tests.support.risk.plans import plan
from tests.support.risk.shop import SHOP

pytestmark = pytest.mark.majors


@pytest.fixture
def shop(database: Database) -> Database:
    database.execute(SHOP)
    return database


def instead_of(sql: str) -> str:
    found = plan(sql)[0].worst
    assert found is not None
    assert found.judgement.instead
    return found.judgement.instead


def paste(database: Database, code: str) -> None:
    """Run code as the body of a migration."""
    with database.engine().connect() as connection:
        context = MigrationContext.configure(connection)
        with context.begin_transaction(), Operations.context(context):
            exec(code, {"op": Operations(context)})


@contextmanager
def talkative(database: Database) -> Iterator[tuple[psycopg.Connection, list[str]]]:
    """Give a connection, and the messages that PostgreSQL writes to its log at debug level."""
    url = database.url("psycopg").set(drivername="postgresql")
    said: list[str] = []
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        connection.execute("SET client_min_messages = debug1")
        yield connection, said


def statements_in(instead: str, start: str = "ALTER TABLE") -> list[str]:
    return re.findall(rf"{start} [^;]*?(?=;|:| tidies up|, which|, and ALTER|$)", instead)


def test_an_index_is_built_concurrently(shop: Database) -> None:
    paste(shop, instead_of("CREATE UNIQUE INDEX x ON t (c, id)"))
    query = "SELECT indisvalid, indisunique FROM pg_index WHERE indexrelid = 'x'::regclass"
    assert shop.rows(query) == [(True, True)]


def test_an_index_is_dropped_concurrently(shop: Database) -> None:
    paste(shop, instead_of("DROP INDEX t_c_index"))
    assert shop.scalar("SELECT to_regclass('t_c_index')") is None


def test_an_index_is_rebuilt_concurrently(shop: Database) -> None:
    before = shop.scalar("SELECT pg_relation_filenode('t_c_index')")
    paste(shop, instead_of("REINDEX INDEX t_c_index"))
    assert shop.scalar("SELECT pg_relation_filenode('t_c_index')") != before


@pytest.mark.parametrize(
    ("add", "kind"),
    [
        ("ALTER TABLE keyless ADD CONSTRAINT k UNIQUE (id)", "u"),
        ("ALTER TABLE keyless ADD CONSTRAINT k PRIMARY KEY (id)", "p"),
    ],
)
def test_a_constraint_gets_its_index_beforehand(shop: Database, add: str, kind: str) -> None:
    paste(shop, instead_of(add))
    assert shop.scalar("SELECT contype::text FROM pg_constraint WHERE conname = 'k'") == kind


@pytest.mark.parametrize(
    "add",
    [
        "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (parent) REFERENCES p",
        "ALTER TABLE t ADD CONSTRAINT k CHECK (c > 0)",
    ],
)
def test_a_constraint_is_checked_afterwards(shop: Database, add: str) -> None:
    instead = instead_of(add)
    shop.execute(f"{add} NOT VALID")
    assert shop.scalar("SELECT convalidated FROM pg_constraint WHERE conname = 'k'") is False
    paste(shop, instead[instead.index("op.") :])
    assert shop.scalar("SELECT convalidated FROM pg_constraint WHERE conname = 'k'") is True


def test_not_null_is_set_without_reading_the_table(shop: Database) -> None:
    set_not_null = "ALTER TABLE t ALTER c SET NOT NULL"
    add, validate, drop = statements_in(instead_of(set_not_null))
    shop.execute(add)
    shop.execute(validate)
    with talkative(shop) as (connection, said):
        connection.execute(set_not_null)
        assert any("sufficient to prove that it does not contain nulls" in each for each in said)
    shop.execute(drop)
    assert shop.scalar(
        "SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'c'"
    )


def test_a_partition_is_attached_without_reading_it(shop: Database) -> None:
    attach = "ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (10) TO (20)"
    add, validate = statements_in(instead_of(attach))
    shop.execute(add.replace("…", "id IS NOT NULL AND id >= 10 AND id < 20"))
    shop.execute(validate)
    with talkative(shop) as (connection, said):
        connection.execute(attach)
        assert any("is implied by existing constraints" in each for each in said)


def test_a_partition_is_made_beside_those_who_read_and_write(shop: Database) -> None:
    bounds = "FOR VALUES FROM (20) TO (30)"
    instead = instead_of(f"CREATE TABLE parted_3 PARTITION OF parted {bounds}")
    create, attach = instead.split("; then ")
    with talkative(shop) as (connection, _):
        connection.execute(create.encode())
        connection.execute(attach.split(", which")[0].replace("…", bounds).encode())
        locks = connection.execute(
            "SELECT mode FROM pg_locks WHERE relation = 'parted'::regclass "
            "AND pid = pg_backend_pid() AND mode <> 'AccessShareLock'"
        ).fetchall()
    assert locks == [(Lock.SHARE_UPDATE_EXCLUSIVE.value.title().replace(" ", "") + "Lock",)]
    assert shop.scalar("SELECT relispartition FROM pg_class WHERE relname = 'parted_3'")


@pytest.mark.parametrize(
    ("rename", "new"),
    [
        ('ALTER TABLE stranger RENAME TO "order"', '"order"'),
        ("ALTER TABLE stranger SET SCHEMA other", "other.stranger"),
    ],
)
def test_the_old_name_of_a_table_goes_on_working(shop: Database, rename: str, new: str) -> None:
    instead = instead_of(rename)
    shop.execute(rename)
    paste(shop, instead[instead.index("op.") :])
    shop.execute("INSERT INTO stranger VALUES (1, 2)")
    assert shop.rows(f"SELECT * FROM {new}") == [(1, 2)]


@pytest.mark.parametrize("sql", ["DELETE FROM t", "UPDATE t SET c = 1", "TRUNCATE t"])
def test_a_copy_is_kept(shop: Database, sql: str) -> None:
    instead = instead_of(sql)
    paste(shop, instead[instead.index("op.execute") :])
    shop.execute(sql)
    assert shop.rows("SELECT id, c FROM t_before ORDER BY id") == [(n, n) for n in range(1, 6)]


def test_a_backfill_is_done_in_batches(shop: Database) -> None:
    shop.execute("ALTER TABLE t ADD n int")
    backfill = plan("ALTER TABLE t ADD n int", "UPDATE t SET n = c")[-1].worst
    assert backfill is not None
    code = backfill.judgement.instead.replace("{'…': '…'}", "{'n': 'c'}").replace("…", "n")
    paste(shop, code)
    assert shop.scalar("SELECT count(*) FROM t WHERE n = c") == 5
    assert shop.scalar("SELECT rows_done FROM _zanith_migration_checkpoints") == 5


def test_a_default_for_each_row_is_set_in_batches(shop: Database) -> None:
    instead = instead_of("ALTER TABLE t ADD n uuid DEFAULT gen_random_uuid()")
    shop.execute("ALTER TABLE t ADD n uuid; ALTER TABLE t ALTER n SET DEFAULT gen_random_uuid()")
    update = re.search(r"UPDATE .*", instead)
    assert update is not None
    shop.execute(update[0].replace("…", "true"))
    assert shop.scalar("SELECT count(DISTINCT n) FROM t") == 5


def test_a_view_is_refreshed_while_it_is_read(shop: Database) -> None:
    instead = instead_of("REFRESH MATERIALIZED VIEW m")
    shop.execute("DELETE FROM t WHERE id > 1")
    shop.execute(instead.split(", which")[0])
    assert shop.scalar("SELECT count(*) FROM m") == 1
