"""`op.rebuild_table` in autocommit: others read and write on, and nothing that they do is lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from alembic_zanith.errors import (
    DependentObjectsError,
    NoKeyError,
    RebuildError,
    UnusableKeyError,
    ZanithError,
)
from tests.conftest import MakeProject
from tests.support.backfills import KEYS, Killed, wait_for_walk
from tests.support.database import Database
from tests.support.project import Project
from tests.support.rebuilds import (
    autocommit,
    call,
    differences,
    in_block,
    make_table,
    writers,
)
from tests.test_rebuild_table import NEW_COLUMNS, SELECT, SHOP, columns_of

HELPERS = """
SELECT relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE nspname = '_zanith_archive' AND relname !~ '^_zanith_dropped_'
 UNION ALL SELECT tgname::text FROM pg_trigger WHERE tgname ~ '^_zanith_'
 UNION ALL SELECT proname::text FROM pg_proc WHERE proname ~ '^_zanith_'
"""


@pytest.fixture
def shop(database: Database) -> Database:
    """A database with a thousand orders."""
    database.execute(SHOP)
    return database


def rebuild(database: Database, driver: str = "psycopg", **options: Any) -> Any:
    arguments = {"columns": NEW_COLUMNS, "select": SELECT, "batch_size": 90, **options}
    with autocommit(database, driver) as op:
        return op.rebuild_table("orders", **arguments)


@contextmanager
def slowly_meanwhile(database: Database, **options: Any) -> Iterator[list[BaseException]]:
    """Rebuild in the background with pauses; the block begins when a batch is copied."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            rebuild(database, batch_size=200, pause=0.4, **options)
        except ZanithError as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 30
    there = "SELECT to_regclass('_zanith_migration_checkpoints') IS NOT NULL"
    copied = "SELECT count(*) FROM _zanith_migration_checkpoints WHERE rows_done > 0"
    while time.monotonic() < deadline and not (database.scalar(there) and database.scalar(copied)):
        time.sleep(0.05)
    yield failed
    thread.join()


@pytest.mark.majors
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_it_comes_to_the_same_as_in_a_transaction(shop: Database, driver: str) -> None:
    twin = shop.clone()
    artifact = rebuild(shop, driver)
    assert artifact.row_count == 1000
    with twin.begin("psycopg") as connection:
        op: Any = Operations(MigrationContext.configure(connection))
        op.rebuild_table("orders", columns=NEW_COLUMNS, select=SELECT)
    assert shop.dump() == twin.dump()
    assert shop.rows(HELPERS) == []


@pytest.mark.majors
def test_a_table_that_stays_as_it_is_comes_out_as_it_was(shop: Database) -> None:
    before = shop.dump()
    rebuild(shop, columns=["id", "customer_id", "total", "note", "seen"], select=None)
    assert shop.dump() == before


def test_it_runs_in_an_autocommit_block_and_is_recorded(project: Project) -> None:
    project.database.execute(SHOP)
    script = "op.rebuild_table('orders', columns=['id', 'customer_id', 'total'], batch_size=300)"
    project.revision(in_block(script), "op.restore_table('orders')")
    project.upgrade()
    status = "SELECT operation, status, rows_done FROM _zanith_migration_checkpoints"
    assert project.database.rows(status) == [("rebuild_table", "applied", 1000)]
    steps = "SELECT kind, status FROM _zanith_migration_steps WHERE kind = 'rebuild_table'"
    assert project.database.rows(steps) == [("rebuild_table", "succeeded")]
    assert "which would be lost" in project.alembic("downgrade", "-1").output


def test_an_old_table_that_is_purged_before_the_end_of_the_revision_is_not_missed(
    project: Project,
) -> None:
    project.database.execute(SHOP)
    script = (
        "done = op.rebuild_table('orders', columns=['id', 'customer_id'], retention_days=0)\n"
        "print('It returned', done)"
    )
    project.revision(f"{in_block(script)}\nop.soft_drop_table('later')")
    assert "no table 'later'" in project.alembic("upgrade", "head").failed().output
    project.alembic("zanith-recover", "cleanup").succeeded()
    assert project.database.rows("SELECT * FROM _zanith_migration_artifacts") == []
    project.database.execute("CREATE TABLE later (id int)")
    output = project.upgrade().output
    assert "was done by an earlier run; its old table is purged" in output
    assert "It returned None" in output
    status = "SELECT operation, status FROM _zanith_migration_checkpoints"
    assert project.database.rows(status) == [("rebuild_table", "applied")]


def test_it_runs_through_asyncpg(make_project: MakeProject) -> None:
    project = make_project("async", "asyncpg")
    project.database.execute(SHOP)
    script = "op.rebuild_table('orders', columns=['total', 'customer_id', 'id'], batch_size=300)"
    project.revision(in_block(script))
    project.upgrade()
    assert [name for name, *_ in columns_of(project.database)] == ["total", "customer_id", "id"]
    assert project.database.rows(HELPERS) == []


@pytest.mark.majors
@pytest.mark.parametrize("key", ["integer", "composite"])
def test_each_write_of_others_is_in_the_new_table(database: Database, key: str) -> None:
    rows = 4000
    make_table(database, key, rows)
    with writers(database, key, rows, seed=3) as done, autocommit(database) as op:
        exec(call(key, batch_size=100), {"op": op, "sa": sa})
        time.sleep(0.3)
    assert min(done) > 10
    assert differences(database, key) == []
    assert database.rows(HELPERS) == []


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_each_write_of_others_is_in_the_new_table_with_any_key(
    database: Database, key: str
) -> None:
    rows = 30_000
    make_table(database, key, rows)
    with (
        writers(database, key, rows, seed=5, count=5, truncate=key == "uuid"),
        autocommit(database) as op,
    ):
        for _ in range(2):
            exec(call(key, batch_size=200), {"op": op, "sa": sa})
        time.sleep(0.5)
    assert differences(database, key) == []


def test_a_truncate_meanwhile_empties_the_new_table(shop: Database) -> None:
    shop.execute("DROP TABLE lines")
    with slowly_meanwhile(shop) as failed:
        shop.execute("TRUNCATE orders; INSERT INTO orders (id, total) VALUES (7, '7'), (-7, '8')")
    assert failed == []
    assert shop.rows("SELECT id, total FROM orders ORDER BY id") == [(-7, 16), (7, 14)]


def test_replicated_writes_are_noted_too(shop: Database) -> None:
    with slowly_meanwhile(shop) as failed:
        shop.execute(
            "SET session_replication_role = replica; UPDATE orders SET note = 'far' WHERE id < 3"
        )
    assert failed == []
    assert shop.rows("SELECT id FROM orders WHERE note = 'far' ORDER BY id") == [(1,), (2,)]


def test_a_role_that_may_write_the_table_needs_no_more_meanwhile(shop: Database) -> None:
    clerk = shop.role("clerk")
    shop.execute(f"GRANT SELECT, UPDATE ON orders TO {clerk}")
    with slowly_meanwhile(shop) as failed:
        shop.execute(f"SET ROLE {clerk}; UPDATE orders SET note = 'mine' WHERE id = 4")
    assert failed == []
    assert shop.scalar("SELECT note FROM orders WHERE id = 4") == "mine"


def test_the_swap_waits_for_others_and_asks_again(
    shop: Database, caplog: pytest.LogCaptureFixture
) -> None:
    url = shop.url().set(drivername="postgresql").render_as_string(hide_password=False)
    with (
        caplog.at_level("WARNING", "alembic.zanith"),
        psycopg.connect(url) as reader,
        autocommit(shop) as op,
    ):
        op.execute("SET lock_timeout = '300ms'")
        reader.execute("SELECT count(*) FROM lines")

        def let_go() -> None:
            deadline = time.monotonic() + 20
            while "lock timeout" not in caplog.text and time.monotonic() < deadline:
                time.sleep(0.05)
            reader.rollback()

        thread = threading.Thread(target=let_go)
        thread.start()
        op.rebuild_table("orders", columns=NEW_COLUMNS, select=SELECT)
        thread.join()
    assert "canceling statement due to lock timeout" in caplog.text
    assert shop.scalar("SELECT count(*) FROM orders") == 1000


# -- broken off --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("key", ["integer", "composite", "text"])
def test_killed_at_any_point_it_goes_on_and_loses_nothing(
    make_project: MakeProject, key: str
) -> None:
    """Seventeen kills for each kind of key, fifty-one in all, at random, while others write."""
    rows = 10_000
    project = make_project()
    database = project.database
    make_table(database, key, rows)
    # The pauses alone take longer than all that it is let go on between two kills.
    project.revision(in_block(call(key, batch_size=25, pause=0.04)))
    choose = random.Random(key)
    with writers(database, key, rows, seed=11):
        for kill in range(17):
            upgrade = Killed.start(project.root)
            if kill % 3:
                wait_for_walk(database, upgrade)
            assert upgrade.kill_after(choose.random() * (0.6 if kill % 3 else 1.5))
        # From here on the end may be hit as well.
        for _ in range(3):
            upgrade = Killed.start(project.root)
            wait_for_walk(database, upgrade)
            if not upgrade.kill_after(6 + choose.random() * 6):
                break
        project.upgrade()
    assert differences(database, key) == []
    assert database.rows(HELPERS) == []
    kinds = "SELECT count(*) FROM _zanith_migration_artifacts WHERE kind = 'rebuild_table'"
    assert database.scalar(kinds) == 1


@pytest.mark.slow
def test_killed_it_comes_to_the_same_as_undisturbed(make_project: MakeProject) -> None:
    project = make_project()
    database = project.database
    make_table(database, "integer", 6000)
    before = database.dump()
    twin = database.clone()
    project.revision(in_block(call("integer", batch_size=50, pause=0.02)))
    choose = random.Random(2)
    for kill in range(6):
        upgrade = Killed.start(project.root)
        if kill % 2:
            wait_for_walk(database, upgrade)
        if not upgrade.kill_after(choose.random() * 2):
            break
    project.upgrade()
    with autocommit(twin) as op:
        exec(call("integer", batch_size=5000), {"op": op, "sa": sa})
    assert twin.dump() != before
    assert database.dump() == twin.dump()


def test_a_run_goes_on_where_an_earlier_one_was_broken_off(
    shop: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with slowly_meanwhile(shop) as failed:
        shop.kill_connections()
    (error,) = failed
    assert "was broken off" in str(error)
    assert "What is copied stays" in str(error)
    copied = shop.scalar("SELECT rows_done FROM _zanith_migration_checkpoints")
    assert copied in range(200, 1000)
    shop.execute("UPDATE orders SET note = 'between' WHERE id = 1")
    with caplog.at_level("INFO", "alembic.zanith"):
        rebuild(shop)
    assert f"goes on: {copied} rows are copied" in caplog.text
    assert shop.scalar("SELECT note FROM orders WHERE id = 1") == "between"
    assert shop.scalar("SELECT count(*) FROM orders") == 1000
    assert shop.rows(HELPERS) == []


def test_it_is_given_up_with_the_statements_of_the_message(shop: Database) -> None:
    before = shop.dump()
    with slowly_meanwhile(shop) as failed:
        shop.kill_connections()
    statements = str(failed[0]).partition("To give it up:\n")[2]
    shop.execute(statements)
    assert shop.dump() == before
    assert shop.rows(HELPERS) == []
    rebuild(shop)


@pytest.mark.parametrize(
    ("statement", "options"),
    [
        ("SELECT 1", {"select": {"total": "total::numeric * 3"}}),
        ("ALTER TABLE orders DISABLE TRIGGER USER; ALTER TABLE orders ENABLE TRIGGER USER", {}),
        ("CREATE INDEX ix_new ON orders (customer_id)", {}),
    ],
)
def test_another_script_or_table_is_begun_anew(
    shop: Database, caplog: pytest.LogCaptureFixture, statement: str, options: dict[str, Any]
) -> None:
    with slowly_meanwhile(shop) as failed:
        shop.kill_connections()
    assert failed
    shop.execute(statement)
    with caplog.at_level("INFO", "alembic.zanith"):
        rebuild(shop, **options)
    assert "begins anew: the script, the table or its triggers have changed" in caplog.text
    factor = 3 if options else 2
    assert shop.scalar("SELECT total FROM orders WHERE id = 4") == 4.5 * factor
    assert shop.rows(HELPERS) == []


# -- where it fails ----------------------------------------------------------------------


def test_an_expression_that_fails_on_a_late_row_shows_it_and_leaves_nothing(
    shop: Database,
) -> None:
    shop.execute("UPDATE orders SET total = 'about 12' WHERE id = 777")
    before = shop.dump()
    with pytest.raises(RebuildError) as error:
        rebuild(shop)
    assert 'invalid input syntax for type numeric: "about 12"' in str(error.value)
    assert '"id": 777' in error.value.row
    assert shop.dump() == before
    assert shop.rows(HELPERS) == []
    assert shop.rows("SELECT * FROM _zanith_migration_checkpoints") == []


def test_a_row_written_meanwhile_that_does_not_fit_is_shown_and_leaves_nothing(
    shop: Database,
) -> None:
    with slowly_meanwhile(shop) as failed:
        shop.execute("UPDATE orders SET total = 'much' WHERE id = 1")
    (error,) = failed
    assert isinstance(error, RebuildError)
    assert '"id": 1,' in error.row
    assert shop.scalar("SELECT total FROM orders WHERE id = 1") == "much"
    assert shop.rows(HELPERS) == []


def test_a_table_that_others_change_meanwhile_is_left_as_they_made_it(shop: Database) -> None:
    with slowly_meanwhile(shop) as failed:
        shop.execute("ALTER TABLE orders ADD COLUMN more integer DEFAULT 5")
    (error,) = failed
    assert "others have changed public.orders itself while its rows were copied" in str(error)
    assert shop.scalar("SELECT sum(more) FROM orders") == 5000
    assert shop.rows(HELPERS) == []


@pytest.mark.majors
@pytest.mark.parametrize("ending", ["ENABLE TRIGGER USER", "ENABLE ALWAYS TRIGGER {}"])
def test_writes_with_triggers_switched_off_are_not_lost(shop: Database, ending: str) -> None:
    with slowly_meanwhile(shop) as failed:
        own = "SELECT tgname::text FROM pg_trigger WHERE tgname ~ '^_zanith_' ORDER BY 1"
        names = [name for (name,) in shop.rows(own)]
        shop.execute("ALTER TABLE orders DISABLE TRIGGER USER")
        shop.execute(
            "UPDATE orders SET total = '77' WHERE id = 1; DELETE FROM orders WHERE id = 999"
        )
        for name in names:
            shop.execute(f"ALTER TABLE orders {ending.format(name)}")
        shop.execute("ALTER TABLE orders ENABLE ALWAYS TRIGGER touched")
        # As rows are frozen in time, which does not hide that they were written.
        shop.execute("VACUUM FREEZE pg_trigger")
    (error,) = failed
    assert isinstance(error, RebuildError)
    assert "switched triggers of public.orders off" in str(error)
    assert shop.rows(HELPERS) == []
    rebuild(shop)
    assert shop.rows("SELECT id, total::integer FROM orders WHERE id IN (1, 999)") == [(1, 154)]


def test_to_freeze_the_catalog_meanwhile_is_not_to_switch_triggers_off(shop: Database) -> None:
    with slowly_meanwhile(shop) as failed:
        shop.execute("VACUUM FREEZE pg_trigger")
        shop.execute("VACUUM FULL pg_trigger")
    assert failed == []


def test_a_view_made_meanwhile_is_named_and_the_copy_is_kept(shop: Database) -> None:
    with slowly_meanwhile(shop) as failed:
        shop.execute("CREATE VIEW v AS SELECT id FROM orders")
    (error,) = failed
    assert isinstance(error, DependentObjectsError)
    assert "view v depends on table orders" in str(error)
    shop.execute("DROP VIEW v")
    rebuild(shop)
    assert shop.scalar("SELECT rows_done FROM _zanith_migration_checkpoints") == 1000
    assert shop.rows(HELPERS) == []


def test_a_table_without_a_key_that_stays_is_refused_with_the_way_out(shop: Database) -> None:
    shop.execute("CREATE TABLE loose (a int); INSERT INTO loose VALUES (1)")
    before = shop.dump()
    with autocommit(shop) as op:
        with pytest.raises(NoKeyError, match=r"no primary key.*move the call out of the block"):
            op.rebuild_table("loose", columns=["a"])
        with pytest.raises(NoKeyError, match=r"has not the values of its key \(id\)"):
            op.rebuild_table("orders", columns=["id", "customer_id"], select={"id": "id + 1"})
        with pytest.raises(UnusableKeyError, match="cannot be walked by"):
            op.rebuild_table("orders", columns=["id", "customer_id"], key="customer_id")
    assert shop.dump() == before
    assert shop.rows(HELPERS) == []


def test_a_new_value_of_a_foreign_key_is_checked_before_others_see_it(shop: Database) -> None:
    before = shop.dump()
    with pytest.raises(RebuildError, match=r"orders_customer_id_fkey .* cannot be made again"):
        rebuild(shop, select={**SELECT, "customer_id": "77"})
    assert shop.dump() == before
    assert shop.rows(HELPERS) == []
