"""One run of migrations at a time on a database."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from alembic_zanith.errors import ZanithError
from alembic_zanith.locking.advisory import RUN_LOCK_KEY, run_lock
from alembic_zanith.locking.errors import (
    RunLockHeldError,
    RunLockImpossibleError,
    RunLockLostError,
)
from tests.support.database import Database
from tests.support.drivers import DRIVERS, in_transaction
from tests.support.locks import (
    conninfo,
    eventually,
    needs_pgbouncer,
    pgbouncer,
    program,
    without_moments,
)

OF_THE_LOCK = "application_name LIKE 'alembic-zanith: run of pid %'"


@contextlib.contextmanager
def holding(database: Database, **options: Any) -> Iterator[sa.Connection]:
    """Hold the lock as a run does, on an engine made with these options."""
    engine = sa.create_engine(database.url(), **options)
    try:
        with engine.connect() as connection, run_lock(connection, wait_seconds=0):
            yield connection
    finally:
        engine.dispose()


def is_taken(database: Database) -> bool:
    return bool(
        database.scalar(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    )


def end_the_lock(database: Database) -> None:
    database.rows(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OF_THE_LOCK}")
    eventually(lambda: not is_taken(database))


def is_refused(connection: sa.Connection, wait_seconds: float = 0) -> RunLockHeldError:
    with (
        pytest.raises(RunLockHeldError) as refusal,
        run_lock(connection, wait_seconds=wait_seconds),
    ):
        pass
    return refusal.value


def cannot_lock(connection: sa.Connection) -> str:
    with pytest.raises(RunLockImpossibleError) as refusal, run_lock(connection, wait_seconds=0):
        pass
    return str(refusal.value)


@pytest.mark.majors
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_second_run_is_refused_while_the_first_goes_on(database: Database, driver: str) -> None:
    with holding(database):
        in_transaction(database, driver, is_refused)
    assert not is_taken(database)


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_lock_outlasts_commits_and_rollbacks_of_the_migrations(
    database: Database, driver: str
) -> None:
    def run(connection: sa.Connection) -> None:
        with run_lock(connection, wait_seconds=0) as lock:
            connection.execute(sa.text("CREATE TABLE t (id int)"))
            connection.commit()
            with pytest.raises(sa.exc.DBAPIError):
                connection.execute(sa.text("SELECT 1 / 0"))
            connection.rollback()
            lock.check()
            assert not lock.waited
            assert is_taken(database)

    in_transaction_left_to(database, driver, run)
    assert not is_taken(database)


def in_transaction_left_to(
    database: Database, driver: str, work: Callable[[sa.Connection], None]
) -> None:
    """Run a function that ends its transactions by itself."""

    def run(connection: sa.Connection) -> None:
        with connection.engine.connect() as own:
            work(own)

    in_transaction(database, driver, run)


def test_the_lock_outlasts_a_failing_migration_until_the_run_ends(database: Database) -> None:
    with contextlib.suppress(ZeroDivisionError), holding(database):
        assert is_taken(database)
        raise ZeroDivisionError
    assert not is_taken(database)


def test_who_waits_gets_the_lock_when_the_first_run_ends(database: Database) -> None:
    got_it = threading.Event()

    def wait() -> None:
        with database.engine().connect() as second, run_lock(second, wait_seconds=10) as lock:
            assert lock.waited
            got_it.set()

    waiting = threading.Thread(target=wait)
    with holding(database):
        waiting.start()
        assert not got_it.wait(0.3)
    waiting.join()
    assert got_it.is_set()


def test_the_refusal_says_who_holds_it_since_when_and_what_to_do(database: Database) -> None:
    with holding(database) as first:
        migrating = first.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        pid = database.scalar(f"SELECT pid FROM pg_stat_activity WHERE {OF_THE_LOCK}")
        host = database.scalar(
            f"SELECT split_part(application_name, ' on ', 2) FROM pg_stat_activity WHERE {OF_THE_LOCK}"
        )
        with database.begin() as second:
            error = is_refused(second, wait_seconds=0.2)
    assert without_moments(str(error)) == (
        "Another run of migrations holds the lock of this database since WHEN (waited 0.2 "
        f"seconds): session {pid} (user postgres, application alembic-zanith: run of pid "
        f"{migrating} on {host}, address 127.0.0.1). Nothing has run. Wait for it with a higher "
        "lock_wait. If you are sure that nobody needs that run any more, end it with SELECT "
        f"pg_terminate_backend({pid})."
    )
    assert error.holder is not None
    assert (error.holder.pid, error.holder.user) == (pid, "postgres")


def test_the_refusal_names_the_holder_to_a_role_with_no_special_rights(database: Database) -> None:
    plain = database.role("plain", "LOGIN")
    with holding(database):
        pid = database.scalar(f"SELECT pid FROM pg_stat_activity WHERE {OF_THE_LOCK}")
        engine = sa.create_engine(database.url().set(username=plain), poolclass=sa.NullPool)
        with engine.connect() as second:
            error = is_refused(second)
    assert f"session {pid} (user postgres, application alembic-zanith: run of pid" in str(error)


def test_who_waits_has_no_transaction_between_its_questions(database: Database) -> None:
    engine = database.engine(connect_args={"application_name": "late"})
    idle = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'late'"
        " AND state = 'idle' AND xact_start IS NULL"
    )
    with holding(database), engine.connect() as second:
        waiting = threading.Thread(target=is_refused, args=[second, 1.5])
        waiting.start()
        time.sleep(0.5)
        eventually(lambda: database.scalar(idle) == 2)
        waiting.join()


def test_other_tasks_of_an_event_loop_go_on_while_it_waits(database: Database) -> None:
    async def wait() -> int:
        steps = 0
        async with database.async_engine().connect() as connection:
            waiting = asyncio.ensure_future(connection.run_sync(is_refused, 0.5))
            while not waiting.done():
                await asyncio.sleep(0.01)
                steps += 1
        return steps

    with holding(database):
        assert asyncio.run(wait()) > 20


def test_the_wait_is_as_long_as_asked_for(database: Database) -> None:
    with holding(database), database.begin() as second:
        began = time.monotonic()
        is_refused(second, wait_seconds=0.5)
    assert 0.5 <= time.monotonic() - began < 2


@pytest.mark.parametrize(
    "options",
    [
        {"poolclass": sa.StaticPool},
        {"pool_size": 1, "max_overflow": 0},
        {"poolclass": sa.pool.AssertionPool},
        {"isolation_level": "AUTOCOMMIT"},
        {"isolation_level": "REPEATABLE READ"},
        {"isolation_level": "SERIALIZABLE"},
        {"execution_options": {"isolation_level": "AUTOCOMMIT"}},
        {"connect_args": {"options": "-c default_transaction_isolation=serializable"}},
    ],
    ids=str,
)
def test_no_pool_and_no_isolation_level_is_in_its_way(
    database: Database, options: dict[str, Any]
) -> None:
    with holding(database, **options) as connection:
        state = "state, backend_xmin::text, backend_xid::text"
        (seen,) = database.rows(f"SELECT {state} FROM pg_stat_activity WHERE {OF_THE_LOCK}")
        assert seen == ("idle in transaction", None, None)
        with database.begin() as second:
            is_refused(second)
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_an_async_pool_keeps_nothing_of_it(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def run(connection: sa.Connection) -> None:
        with run_lock(connection, wait_seconds=0):
            assert is_taken(database)
        sessions = "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
        eventually(lambda: database.scalar(sessions) == 1)

    async def in_pool() -> None:
        engine = create_async_engine(database.url("asyncpg"), pool_size=1, max_overflow=0)
        async with engine.connect() as connection:
            await connection.run_sync(run)
        await engine.dispose()

    asyncio.run(in_pool())
    assert caplog.text == ""


def test_what_a_project_does_on_connect_is_not_in_its_way(database: Database) -> None:
    database.execute(
        "CREATE SCHEMA mine;"
        "CREATE FUNCTION mine.pg_try_advisory_xact_lock(bigint) RETURNS bool LANGUAGE sql"
        " AS 'SELECT false'"
    )
    role = database.role("migrator")
    database.execute(f'GRANT USAGE ON SCHEMA mine TO "{role}"')
    engine = database.engine("psycopg")

    @sa.event.listens_for(engine, "connect")
    def settle(connection: Any, _record: Any) -> None:
        connection.execute(f'SET ROLE "{role}"')
        connection.execute("SET search_path = mine, pg_catalog")
        connection.execute("SET idle_in_transaction_session_timeout = '100ms'")
        connection.execute("SET statement_timeout = '100ms'")
        connection.commit()

    with engine.connect() as connection, run_lock(connection, wait_seconds=0) as lock:
        time.sleep(0.3)
        lock.check()


def test_it_connects_by_whatever_means_the_project_does(database: Database) -> None:
    engine = sa.create_engine("postgresql+psycopg://nobody@nowhere.invalid/")

    @sa.event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, _arguments: Any, _keywords: Any) -> Any:
        return psycopg.connect(conninfo(database.url()))

    with engine.connect() as connection, run_lock(connection, wait_seconds=0):
        assert is_taken(database)
    engine.dispose()


@pytest.mark.min_major(17)
def test_a_transaction_timeout_does_not_end_the_lock(database: Database) -> None:
    options = {"options": "-c transaction_timeout=100ms"}
    engine = database.engine(connect_args=options)
    with engine.connect() as connection, run_lock(connection, wait_seconds=0) as lock:
        time.sleep(0.3)
        lock.check()


def test_an_engine_that_has_but_one_connection_is_told_so_and_keeps_it(database: Database) -> None:
    only = psycopg.connect(conninfo(database.url()))
    for pool in (sa.NullPool, sa.StaticPool, sa.QueuePool):
        engine = sa.create_engine("postgresql+psycopg://", creator=lambda: only, poolclass=pool)
        connection = engine.connect()
        connection.execute(sa.text("CREATE TEMPORARY TABLE IF NOT EXISTS t (id int)"))
        assert cannot_lock(connection) == (
            "The lock for migrations needs a second connection, and the engine of this project "
            "gives the same one again (its creator returns a connection that it has made before). "
            "Nothing has run. Let the creator connect anew, or run without the lock."
        )
        assert connection.execute(sa.text("SELECT count(*) FROM t")).scalar() == 0
        connection.commit()
        connection.detach()
    only.close()


def test_a_role_that_may_have_but_one_connection_is_told_so(database: Database) -> None:
    lonely = database.role("lonely", "LOGIN CONNECTION LIMIT 1")
    engine = sa.create_engine(database.url().set(username=lonely), poolclass=sa.NullPool)
    with engine.connect() as connection:
        message = cannot_lock(connection)
    assert message.startswith(
        "The lock for migrations needs a second connection, and none could be made ("
    )
    assert f'too many connections for role "{lonely}"' in message
    assert message.endswith(
        "Nothing has run. Make room for one more connection of this role, or run without the lock."
    )


@pytest.mark.majors
@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_the_holder_builds_an_index_concurrently_while_others_wait(
    database: Database, level: str
) -> None:
    database.execute("CREATE TABLE users (id int)")
    outcomes: list[str] = []

    def wait() -> None:
        engine = database.engine(isolation_level=level)
        with engine.connect() as connection, run_lock(connection, wait_seconds=30):
            outcomes.append("had it")

    waiting = [threading.Thread(target=wait) for _ in range(4)]
    with holding(database, isolation_level="AUTOCOMMIT") as connection:
        for thread in waiting:
            thread.start()
        connection.exec_driver_sql("SET statement_timeout = '20s'")
        for number in range(20):
            connection.exec_driver_sql(f"CREATE INDEX CONCURRENTLY i{number} ON users (id)")
        assert outcomes == []
    for thread in waiting:
        thread.join()
    assert outcomes == ["had it"] * 4


def test_others_build_an_index_and_vacuum_while_it_is_held(database: Database) -> None:
    database.execute("CREATE TABLE users (id int); INSERT INTO users VALUES (1)")
    with holding(database), database.engine().connect() as bystander:
        bystander.execution_options(isolation_level="AUTOCOMMIT")
        bystander.exec_driver_sql("SET statement_timeout = '10s'")
        bystander.exec_driver_sql("CREATE INDEX CONCURRENTLY i ON users (id)")
        bystander.exec_driver_sql("DELETE FROM users")
        bystander.exec_driver_sql("VACUUM (INDEX_CLEANUP ON) users")
        pages = "SELECT pg_relation_size('users')"
        assert bystander.exec_driver_sql(pages).scalar() == 0


def test_a_lost_connection_of_the_lock_is_noticed(database: Database) -> None:
    with database.engine().connect() as connection, run_lock(connection, wait_seconds=0) as lock:
        lock.check()
        end_the_lock(database)
        with pytest.raises(RunLockLostError) as loss:
            lock.check()
    assert str(loss.value).startswith(
        "The lock that keeps other runs of migrations out is lost: its connection ended ("
    )
    assert str(loss.value).endswith(
        "Another run may have begun since; this one stops here. Find out who or what ended the "
        "connection, look at `alembic current`, and run it again."
    )


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_lost_connection_is_noticed_with_each_driver(database: Database, driver: str) -> None:
    def run(connection: sa.Connection) -> None:
        with run_lock(connection, wait_seconds=0) as lock:
            end_the_lock(database)
            with pytest.raises(RunLockLostError):
                lock.check()

    in_transaction(database, driver, run)


def test_who_waits_and_is_killed_says_so_and_does_not_run(database: Database) -> None:
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'late'"
    engine = database.engine(connect_args={"application_name": "late"})
    with holding(database), engine.connect() as second:
        threading.Timer(0.3, database.rows, [kill]).start()
        with (
            pytest.raises(ZanithError, match="Waiting for the lock for migrations changed nothing"),
            run_lock(second, wait_seconds=30),
        ):
            pytest.fail("it ran without the lock")


HOLD_FOR_EVER = """
import sys, time, sqlalchemy as sa
from alembic_zanith.locking.advisory import run_lock
with sa.create_engine(sys.argv[1]).connect() as connection, run_lock(connection, wait_seconds=0):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_holder_whose_process_dies_lets_go(database: Database) -> None:
    holder = program(HOLD_FOR_EVER, database.url().render_as_string(hide_password=False))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with database.begin() as connection:
        is_refused(connection)
        holder.kill()
        with run_lock(connection, wait_seconds=10):
            assert is_taken(database)
    holder.communicate()


COUNT = """
import sys, sqlalchemy as sa
from alembic_zanith.locking.advisory import run_lock
engine = sa.create_engine(sys.argv[1], poolclass=sa.NullPool)
with engine.connect() as connection, run_lock(connection, wait_seconds=30):
    seen = connection.execute(sa.text("SELECT max(n) FROM counted")).scalar()
    connection.execute(sa.text("SELECT pg_sleep(0.1)"))
    connection.execute(sa.text("INSERT INTO counted VALUES (:n)"), {"n": seen + 1})
    connection.commit()
"""


def count_at_once(database: Database, url: str) -> None:
    """Have five processes each read the highest number and write the next one."""
    database.execute("CREATE TABLE counted (n int); INSERT INTO counted VALUES (0)")
    processes = [program(COUNT, url) for _ in range(5)]
    outputs = [process.communicate()[0] for process in processes]
    assert outputs == [""] * 5
    assert [n for (n,) in database.rows("SELECT n FROM counted ORDER BY n")] == [0, 1, 2, 3, 4, 5]


def test_five_processes_at_once_run_one_after_the_other(database: Database) -> None:
    count_at_once(database, database.url().render_as_string(hide_password=False))


def test_runs_on_two_databases_of_a_server_do_not_wait_for_each_other(
    database: Database, make_database: Callable[[], Database]
) -> None:
    with holding(database), holding(make_database()):
        pass


def test_the_key_is_the_documented_one(database: Database) -> None:
    with holding(database), database.begin() as connection:
        taken = sa.text("SELECT pg_try_advisory_xact_lock(8818450944571736065)")
        assert RUN_LOCK_KEY == 8818450944571736065
        assert connection.execute(taken).scalar() is False


@needs_pgbouncer
def test_five_processes_behind_a_pooler_in_transaction_mode_run_one_after_the_other(
    database: Database, tmp_path: Path
) -> None:
    with pgbouncer(database, tmp_path, pool_size=8) as url:
        count_at_once(database, f"{url.render_as_string(hide_password=False)}")
        assert not is_taken(database)


@needs_pgbouncer
def test_the_lock_is_kept_behind_a_pooler_while_others_use_its_servers(
    database: Database, tmp_path: Path
) -> None:
    with pgbouncer(database, tmp_path, pool_size=3) as url:
        engine = sa.create_engine(
            url, poolclass=sa.NullPool, connect_args={"prepare_threshold": None}
        )
        with engine.connect() as connection, run_lock(connection, wait_seconds=0) as lock:
            for _ in range(10):
                with engine.begin() as other:
                    other.exec_driver_sql("SELECT 1")
                connection.exec_driver_sql("SELECT 1")
                connection.commit()
            lock.check()
            assert is_taken(database)
            with engine.connect() as second:
                is_refused(second)
        assert not is_taken(database)
