"""A migration that is not given a lock is tried again, where that does no harm."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session as OrmSession

from alembic_zanith.errors import ZanithError
from alembic_zanith.failures import database_errors_explained
from alembic_zanith.locking.blockers import watching_blockers
from alembic_zanith.locking.errors import LockTimeoutError
from alembic_zanith.locking.retrying import Retry, RetryPolicy, run_with_retries
from alembic_zanith.locking.timeouts import Timeout, run_timeouts
from tests.support.database import Database
from tests.support.drivers import DRIVERS, in_transaction
from tests.support.locks import (
    LOCK_USERS,
    eventually,
    in_the_way,
    in_the_way_until,
    without_moments,
)

T = TypeVar("T")

ADD_NOTE = "ALTER TABLE users ADD COLUMN note text"
INSERT = "INSERT INTO log VALUES ('begun')"
AT_ONCE = RetryPolicy(attempts=3, first_wait=0.02, longest_wait=0.05)


@pytest.fixture(autouse=True)
def users(database: Database) -> None:
    database.execute("CREATE TABLE users (id int); INSERT INTO users VALUES (1)")
    database.execute("CREATE TABLE log (entry text)")


def retried(
    connection: sa.Connection,
    work: Callable[[], T],
    policy: RetryPolicy = AT_ONCE,
    on_retry: Callable[[Retry], None] | None = None,
    lock_timeout: int = 200,
) -> T:
    """Run as the run of migrations does, with short waits."""
    with (
        run_timeouts(connection, lock_timeout=Timeout(lock_timeout), concurrent_patience=0),
        watching_blockers(connection, after_seconds=0.1) as watch,
    ):
        return run_with_retries(connection, work, policy=policy, watch=watch, on_retry=on_retry)


def fails(connection: sa.Connection, work: Callable[[], object], **options: Any) -> str:
    """Return the message of the LockTimeoutError that `work` ends in."""
    with pytest.raises(LockTimeoutError) as failure:
        retried(connection, work, **options)
    return without_moments(str(failure.value))


def columns(database: Database) -> int:
    names = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'users'"
    return int(database.scalar(names))


def entries(database: Database) -> int:
    return int(database.scalar("SELECT count(*) FROM log"))


@pytest.mark.majors
@pytest.mark.parametrize("driver", DRIVERS)
def test_the_migration_gets_its_lock_once_the_way_is_free(database: Database, driver: str) -> None:
    goes = threading.Event()
    calls: list[int] = []

    def run(connection: sa.Connection) -> str:
        def work() -> str:
            calls.append(1)
            connection.exec_driver_sql(INSERT)
            connection.exec_driver_sql(ADD_NOTE)
            return "done"

        return retried(connection, work, on_retry=lambda _: goes.set())

    with in_the_way_until(database, goes):
        assert in_transaction(database, driver, run) == "done"
    assert len(calls) in (2, 3)
    assert columns(database) == 2
    assert entries(database) == 1


def test_each_retry_is_told_with_who_is_in_the_way(database: Database) -> None:
    goes = threading.Event()
    told: list[Retry] = []

    def on_retry(retry: Retry) -> None:
        told.append(retry)
        goes.set()

    with in_the_way_until(database, goes) as pid, database.begin() as connection:
        policy = RetryPolicy(attempts=4, first_wait=0.3)
        retried(connection, lambda: connection.exec_driver_sql(ADD_NOTE), policy, on_retry)
    first = told[0]
    assert (first.attempt, first.attempts) == (1, 4)
    assert 0 <= first.wait_seconds <= 0.3
    assert [session.pid for session in first.failure.blockers] == [pid]
    assert without_moments(first.message) == (
        "No lock on public.users (canceling statement due to lock timeout), attempt 1 of 4.\n"
        f"Statement: {ADD_NOTE}\n"
        f"In the way: session {pid} (user postgres, application reports, address 127.0.0.1), idle "
        f"in transaction, in its transaction since WHEN: {LOCK_USERS}\n"
        f"It is rolled back, and tried again in {first.wait_seconds:.1f} seconds."
    )


def test_between_attempts_it_lets_go_of_what_it_had_locked(database: Database) -> None:
    goes = threading.Event()

    def on_retry(_: Retry) -> None:
        database.execute("SET lock_timeout = '1s'; LOCK TABLE log; INSERT INTO log VALUES ('me')")
        goes.set()

    with in_the_way_until(database, goes), database.begin() as connection:

        def work() -> None:
            connection.exec_driver_sql("LOCK TABLE log")
            connection.exec_driver_sql(ADD_NOTE)

        retried(connection, work, on_retry=on_retry)
    assert entries(database) >= 1
    assert columns(database) == 2


def test_what_the_transaction_did_before_stays(database: Database) -> None:
    goes = threading.Event()
    with in_the_way_until(database, goes), database.begin() as connection:
        connection.exec_driver_sql(INSERT)
        work = lambda: connection.exec_driver_sql(ADD_NOTE)  # noqa: E731
        retried(connection, work, on_retry=lambda _: goes.set())
    assert entries(database) == 1


def test_no_savepoint_is_left_behind(database: Database) -> None:
    with database.engine().connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        retried(connection, lambda: connection.exec_driver_sql(ADD_NOTE))
        with pytest.raises(sa.exc.DBAPIError, match="does not exist"):
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT _zanith_attempt")


def test_nobody_is_asked_any_more_between_attempts(database: Database) -> None:
    goes = threading.Event()

    def on_retry(_: Retry) -> None:
        sessions = "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
        eventually(lambda: database.scalar(sessions) == 2, seconds=3)
        goes.set()

    with in_the_way_until(database, goes), database.begin() as connection:
        retried(connection, lambda: connection.exec_driver_sql(ADD_NOTE), on_retry=on_retry)


@pytest.mark.parametrize("driver", DRIVERS)
def test_when_all_attempts_are_used_up_the_error_says_everything(
    database: Database, driver: str
) -> None:
    def run(connection: sa.Connection) -> LockTimeoutError:
        with pytest.raises(LockTimeoutError) as failure:
            retried(connection, lambda: connection.exec_driver_sql(ADD_NOTE))
        return failure.value

    with in_the_way(database) as pid:
        error = in_transaction(database, driver, run)
    assert without_moments(str(error)) == (
        "No lock on public.users (canceling statement due to lock timeout), after 3 attempts with "
        "lock_timeout 200ms.\n"
        f"Statement: {ADD_NOTE}\n"
        f"In the way: session {pid} (user postgres, application reports, address 127.0.0.1), idle "
        f"in transaction, in its transaction since WHEN: {LOCK_USERS}\n"
        "All that it did is rolled back.\n"
        "Run it again when the way is free, or with a higher lock_timeout. To end what is in the "
        f"way, and lose what it has open: SELECT pg_terminate_backend({pid})."
    )
    assert (error.statement, error.relation, error.attempts) == (ADD_NOTE, "public.users", 3)
    assert [session.pid for session in error.blockers] == [pid]


def test_the_transaction_can_go_on_after_the_error(database: Database) -> None:
    with in_the_way(database), database.begin() as connection:
        fails(connection, lambda: connection.exec_driver_sql(ADD_NOTE))
        connection.exec_driver_sql(INSERT)
    assert entries(database) == 1


def test_one_attempt_means_one(database: Database) -> None:
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        connection.exec_driver_sql(ADD_NOTE)

    with in_the_way(database), database.begin() as connection:
        message = fails(connection, work, policy=RetryPolicy(attempts=1))
    assert "after 1 attempt with lock_timeout 200ms." in message
    assert calls == [1]


def test_a_lock_that_is_not_waited_for_is_tried_again_too(database: Database) -> None:
    with in_the_way(database), database.begin() as connection:
        nowait = "LOCK TABLE users IN ACCESS EXCLUSIVE MODE NOWAIT"
        message = fails(connection, lambda: connection.exec_driver_sql(nowait))
    assert message.startswith(
        'No lock (could not obtain lock on relation "users"), after 3 attempts'
    )
    assert "Who is in the way is not known." in message


def test_a_deadlock_is_tried_again(database: Database) -> None:
    told: list[Retry] = []
    other_has_log = threading.Event()
    we_have_users = threading.Event()

    def other() -> None:
        with database.begin() as connection:
            connection.exec_driver_sql("SET LOCAL deadlock_timeout = '60s'")
            connection.exec_driver_sql("LOCK TABLE log")
            other_has_log.set()
            we_have_users.wait(10)
            connection.exec_driver_sql("LOCK TABLE users")

    thread = threading.Thread(target=other)
    thread.start()
    other_has_log.wait(10)
    with database.begin() as connection:
        connection.exec_driver_sql("SET LOCAL deadlock_timeout = '300ms'")

        def work() -> None:
            connection.exec_driver_sql("LOCK TABLE users")
            we_have_users.set()
            time.sleep(0.2)
            connection.exec_driver_sql("LOCK TABLE log")

        retried(connection, work, on_retry=told.append, lock_timeout=5000)
    thread.join()
    assert told[0].message.startswith("No lock on public.log (deadlock detected (Process ")


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_has_committed_is_not_run_twice(database: Database, driver: str) -> None:
    def run(connection: sa.Connection) -> str:
        with connection.engine.connect() as own:

            def work() -> None:
                own.exec_driver_sql(INSERT)
                own.commit()
                own.exec_driver_sql(ADD_NOTE)

            own.exec_driver_sql("SELECT 1")
            return fails(own, work)

    with in_the_way(database):
        message = in_transaction(database, driver, run)
    assert entries(database) == 1
    assert "after 1 attempt." in message
    assert (
        "\nIt was not tried again, because it committed or rolled back in between. What it "
        "committed before stays.\n"
    ) in message


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_commit_in_between_is_no_hindrance_when_all_goes_well(
    database: Database, driver: str
) -> None:
    def run(connection: sa.Connection) -> None:
        with connection.engine.connect() as own:

            def work() -> None:
                own.exec_driver_sql(INSERT)
                own.commit()
                own.exec_driver_sql(ADD_NOTE)

            own.exec_driver_sql("SELECT 1")
            retried(own, work)
            own.commit()

    in_transaction(database, driver, run)
    assert columns(database) == 2
    assert entries(database) == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_after_a_commit_at_the_end_no_transaction_is_left_open(
    database: Database, driver: str
) -> None:
    def run(connection: sa.Connection) -> None:
        with connection.engine.connect() as own:

            def work() -> None:
                own.exec_driver_sql(INSERT)
                own.commit()

            own.exec_driver_sql("SELECT 1")
            run_with_retries(own, work, policy=AT_ONCE)
            open_ones = "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL"
            of_others = " AND pid <> pg_backend_pid() AND datname = current_database()"
            assert database.scalar(open_ones + of_others) == 0

    in_transaction(database, driver, run)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_commit_in_the_text_of_sql_is_no_hindrance_either(
    database: Database, driver: str
) -> None:
    with database.begin(driver) as connection:

        def work() -> None:
            connection.exec_driver_sql(INSERT)
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql(ADD_NOTE)

        retried(connection, work)
        connection.exec_driver_sql(INSERT)
    assert columns(database) == 2
    assert entries(database) == 2


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_after_a_commit_in_the_text_of_sql_nothing_is_run_twice(
    database: Database, driver: str
) -> None:
    with in_the_way(database), database.engine(driver).connect() as connection:

        def work() -> None:
            connection.exec_driver_sql(INSERT)
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("LOCK TABLE users IN ACCESS EXCLUSIVE MODE NOWAIT")

        connection.exec_driver_sql("SELECT 1")
        if driver == "psycopg2":  # It runs on without a transaction.
            with pytest.raises(sa.exc.DBAPIError, match="transaction block"):
                retried(connection, work)
        else:
            assert "it committed or rolled back in between" in fails(connection, work)
    assert entries(database) == 1


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_where_each_statement_commits_by_itself_nothing_is_run_twice(
    database: Database, driver: str
) -> None:
    with (
        in_the_way(database),
        database.engine(driver, isolation_level="AUTOCOMMIT").connect() as connection,
    ):

        def work() -> None:
            connection.exec_driver_sql(INSERT)
            connection.exec_driver_sql(ADD_NOTE)

        message = fails(connection, work)
    assert entries(database) == 1
    assert (
        "\nIt was not tried again, because each of its statements is committed by itself "
        "(AUTOCOMMIT). What it committed before stays.\n"
    ) in message


def test_an_index_build_that_failed_is_told_of_what_it_leaves(database: Database) -> None:
    build = "CREATE INDEX CONCURRENTLY i ON users (id)"
    with (
        in_the_way(database, "INSERT INTO users VALUES (2)") as pid,
        database.engine(isolation_level="AUTOCOMMIT").connect() as connection,
    ):
        message = fails(connection, lambda: connection.exec_driver_sql(build))
    assert message.endswith(
        "Run it again when the way is free, or with a higher lock_timeout. To end what is in the "
        f"way, and lose what it has open: SELECT pg_terminate_backend({pid}). If it has left an "
        "index that is marked INVALID, drop that one first."
    )
    assert database.scalar("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass")


@pytest.mark.parametrize(
    "error",
    [ValueError("mine"), ZanithError("refused"), KeyboardInterrupt()],
    ids=lambda error: type(error).__name__,
)
def test_any_other_error_passes_unchanged(database: Database, error: BaseException) -> None:
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        raise error

    with database.begin() as connection, pytest.raises(type(error)) as raised:
        retried(connection, work)
    assert raised.value is error
    assert calls == [1]


def test_another_error_of_the_database_passes_unchanged(database: Database) -> None:
    with database.engine().connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        with pytest.raises(sa.exc.DataError, match="division by zero"):
            retried(connection, lambda: connection.exec_driver_sql("SELECT 1 / 0"))


def test_a_lock_missed_by_an_operation_of_this_package_is_tried_again(database: Database) -> None:
    goes = threading.Event()
    with in_the_way_until(database, goes), database.begin() as connection:

        def work() -> None:
            with database_errors_explained("soft_drop_column('users', 'note')"):
                connection.exec_driver_sql(ADD_NOTE)

        retried(connection, work, on_retry=lambda _: goes.set())
    assert columns(database) == 2


def test_an_orm_session_of_a_script_works_as_without_retries(database: Database) -> None:
    with database.begin() as connection:

        def work() -> None:
            with OrmSession(bind=connection) as session:
                session.execute(sa.text(INSERT))

        retried(connection, work)
    assert entries(database) == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_script_may_set_the_properties_of_its_transaction(
    database: Database, driver: str
) -> None:
    def run(connection: sa.Connection) -> Any:
        with connection.engine.begin() as own:

            def work() -> Any:
                own.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
                own.exec_driver_sql(INSERT)
                return own.exec_driver_sql("SHOW transaction_isolation").scalar()

            return retried(own, work)

    assert in_transaction(database, driver, run) == "serializable"
    assert entries(database) == 1


def test_the_longest_wait_doubles_up_to_its_limit_and_is_drawn_at_random() -> None:
    policy = RetryPolicy(attempts=9, first_wait=1, longest_wait=5)
    for attempt, longest in ((1, 1), (2, 2), (3, 4), (4, 5), (8, 5)):
        waits = [policy.wait_after(attempt) for _ in range(300)]
        assert 0 <= min(waits) < 0.2 * longest
        assert 0.8 * longest < max(waits) <= longest
