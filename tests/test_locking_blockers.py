"""Who is in the way of a statement."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from alembic_zanith.locking.blockers import Blocked, BlockerWatch, watching_blockers
from alembic_zanith.locking.sessions import Session
from devtools.postgres import LocalPostgres
from tests.support.database import Database
from tests.support.drivers import DRIVERS, in_transaction
from tests.support.locks import (
    LOCK_USERS,
    conninfo,
    in_the_way,
    needs_pgbouncer,
    pgbouncer,
)

ADD_NOTE = "ALTER TABLE users ADD COLUMN note text"
LOCK_ROWS = "SELECT * FROM users FOR UPDATE"


def is_kept_out(
    connection: sa.Connection, statement: str | sa.TextClause = ADD_NOTE
) -> BlockerWatch:
    """Wait 0.8 seconds for a lock in vain; return the watch that was told of it."""
    connection.exec_driver_sql("SET lock_timeout = '800ms'")
    with watching_blockers(connection, after_seconds=0.1) as watch:
        with pytest.raises(sa.exc.DBAPIError, match="lock timeout"):
            connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
        connection.rollback()
        return watch


def what_blocked(connection: sa.Connection, statement: str | sa.TextClause = ADD_NOTE) -> Blocked:
    blocked = is_kept_out(connection, statement).blocked
    assert blocked is not None
    return blocked


@pytest.fixture(autouse=True)
def users(database: Database) -> None:
    database.execute("CREATE TABLE users (id int); INSERT INTO users VALUES (1)")


@pytest.mark.majors
@pytest.mark.parametrize("driver", DRIVERS)
def test_it_names_the_table_and_the_session_that_holds_it(database: Database, driver: str) -> None:
    def run(connection: sa.Connection) -> Blocked:
        with connection.engine.connect() as own:
            return what_blocked(own)

    with in_the_way(database) as pid:
        blocked = in_transaction(database, driver, run)
    assert blocked.relation == "public.users"
    (session,) = blocked.blockers
    assert (session.pid, session.user, session.application) == (pid, "postgres", "reports")
    assert (session.address, session.state) == ("127.0.0.1", "idle in transaction")
    assert (session.kind, session.query) == ("client backend", LOCK_USERS)
    assert session.since is not None
    assert abs(session.since - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


def test_it_names_all_of_them_the_oldest_first(database: Database) -> None:
    engine = database.engine()
    with in_the_way(database) as first, in_the_way(database) as second, engine.connect() as own:
        blocked = what_blocked(own)
    assert [session.pid for session in blocked.blockers] == [first, second]


def test_it_quotes_the_table_as_sql_does(database: Database) -> None:
    database.execute('CREATE SCHEMA "My App"; CREATE TABLE "My App"."Users" (id int)')
    lock, engine = 'LOCK TABLE "My App"."Users"', database.engine()
    with in_the_way(database, lock), engine.connect() as connection:
        blocked = what_blocked(connection, 'ALTER TABLE "My App"."Users" ADD COLUMN n int')
    assert blocked.relation == '"My App"."Users"'


def test_it_names_who_holds_a_row(database: Database) -> None:
    engine = database.engine()
    with in_the_way(database, LOCK_ROWS) as pid, engine.connect() as connection:
        blocked = what_blocked(connection, "UPDATE users SET id = 2")
    assert [session.pid for session in blocked.blockers] == [pid]
    assert blocked.relation == "public.users"


def test_statements_with_parameters_are_known_by_their_session(database: Database) -> None:
    update = sa.text("UPDATE users SET id = :new").bindparams(new=2)
    engine = database.engine()
    with in_the_way(database, LOCK_ROWS) as pid, engine.connect() as connection:
        blocked = what_blocked(connection, update)
    assert [session.pid for session in blocked.blockers] == [pid]


def test_a_role_without_special_rights_learns_the_pid_and_the_user(database: Database) -> None:
    plain = database.role("plain", "LOGIN")
    database.execute(f'ALTER TABLE users OWNER TO "{plain}"')
    engine = sa.create_engine(database.url().set(username=plain), poolclass=sa.NullPool)
    with in_the_way(database) as pid, engine.connect() as connection:
        (session,) = what_blocked(connection).blockers
    assert session.described == (
        f"session {pid} (user postgres, application reports): <insufficient privilege>"
    )


def test_a_prepared_transaction_is_named_as_one() -> None:
    with LocalPostgres.start(settings={"max_prepared_transactions": "2"}, in_memory=True) as server:
        database = Database.create(server)
        database.execute("CREATE TABLE users (id int)")
        database.psql(f"BEGIN; {LOCK_USERS}; PREPARE TRANSACTION 'forgotten'")
        with database.engine().connect() as connection:
            (session,) = what_blocked(connection).blockers
    assert session.is_prepared_transaction
    assert session.described == "a prepared transaction (see pg_prepared_xacts)"


def test_for_fast_statements_nothing_is_connected(database: Database) -> None:
    engine = database.engine()
    connected: list[Any] = []
    sa.event.listen(engine, "connect", lambda connection, _: connected.append(connection))
    with engine.connect() as connection, watching_blockers(connection, after_seconds=0.1) as watch:
        for _ in range(20):
            connection.exec_driver_sql("SELECT pg_sleep(0.02)")
        assert watch.blocked is None
        assert len(connected) == 1


def test_a_slow_statement_that_waits_for_nobody_has_nobody_in_its_way(database: Database) -> None:
    with (
        database.engine().connect() as connection,
        watching_blockers(connection, after_seconds=0.05) as watch,
    ):
        connection.exec_driver_sql("SELECT pg_sleep(0.3)")
        assert watch.blocked is None


def test_an_answer_is_for_its_statement_alone(database: Database) -> None:
    with in_the_way(database), database.engine().connect() as connection:
        watch = is_kept_out(connection)
    answer = watch.blocked
    assert answer is not None
    watch.started("SELECT 1")
    assert watch.blocked is None


def test_its_thread_and_its_connection_end_with_the_block(database: Database) -> None:
    engine = sa.create_engine(database.url())
    with in_the_way(database), engine.connect() as connection:
        is_kept_out(connection)
        assert others(database) == 2
        assert "zanith-blockers" not in [thread.name for thread in threading.enumerate()]
    engine.dispose()


def test_they_end_with_an_async_pool_as_well(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        engine = create_async_engine(database.url("asyncpg"))
        async with engine.connect() as connection:
            await connection.run_sync(is_kept_out)
            assert others(database) == 2
        await engine.dispose()

    with in_the_way(database):
        asyncio.run(run())
    assert caplog.text == ""


def others(database: Database) -> int:
    """Number of sessions in the database beside the one that asks."""
    count = "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
    return int(database.scalar(count))


def test_an_engine_that_has_but_one_connection_keeps_it(database: Database) -> None:
    only = psycopg.connect(conninfo(database.url()))
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: only)
    connection = engine.connect()
    with in_the_way(database):
        assert is_kept_out(connection).blocked is None
    assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    connection.rollback()
    connection.detach()
    only.close()


def test_where_nobody_can_be_asked_nobody_is_named(database: Database) -> None:
    lonely = database.role("lonely", "LOGIN CONNECTION LIMIT 1")
    database.execute(f'ALTER TABLE users OWNER TO "{lonely}"')
    engine = sa.create_engine(database.url().set(username=lonely), poolclass=sa.NullPool)
    with in_the_way(database), engine.connect() as connection:
        assert is_kept_out(connection).blocked is None


def test_a_statement_costs_two_microseconds_at_most(database: Database) -> None:
    with database.engine().connect() as connection:
        watch = BlockerWatch(connection, 1.0)
        spent = min(_time_of(watch, 1000) for _ in range(20))
    assert spent / 1000 < 2e-6


def _time_of(watch: BlockerWatch, statements: int) -> float:
    began = time.perf_counter()
    for _ in range(statements):
        watch.started(ADD_NOTE)
        watch.finished()
    return time.perf_counter() - began


@needs_pgbouncer
def test_behind_a_pooler_it_finds_the_session_by_its_statement(
    database: Database, tmp_path: Path
) -> None:
    with pgbouncer(database, tmp_path) as url, in_the_way(database) as pid:
        engine = sa.create_engine(
            url, poolclass=sa.NullPool, connect_args={"prepare_threshold": None}
        )
        with engine.connect() as connection:
            blocked = what_blocked(connection)
    assert [session.pid for session in blocked.blockers] == [pid]


def test_a_session_is_described_in_one_line() -> None:
    since = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    query = "SELECT *\n  FROM users\n WHERE " + " OR ".join(f"id = {n}" for n in range(99))
    session = Session(7, "app", "web", "10.0.0.7", "active", "client backend", since, query)
    assert session.described == (
        "session 7 (user app, application web, address 10.0.0.7), active, in its transaction since "
        "2026-01-02 03:04:05 UTC: SELECT * FROM users WHERE id = 0 OR id = 1 OR id = 2 OR id = 3 "
        "OR id = 4 OR id = 5 OR id = 6 OR id = 7 OR id = 8 OR id = 9 OR id = 10 OR id = 11 OR id = 12 OR …"
    )
    vacuum = Session(8, kind="autovacuum worker")
    assert vacuum.described == "session 8 (autovacuum worker)"
