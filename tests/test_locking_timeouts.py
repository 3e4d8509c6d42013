"""lock_timeout and statement_timeout of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext

from alembic_zanith.errors import ConfigurationError
from alembic_zanith.locking.statements import is_concurrent
from alembic_zanith.locking.timeouts import Timeout, run_timeouts
from tests.support.database import Database
from tests.support.drivers import DRIVERS, in_transaction
from tests.support.locks import in_the_way, in_the_way_awhile, needs_pgbouncer, pgbouncer

BOTH: dict[str, Any] = {"lock_timeout": Timeout(5000), "statement_timeout": Timeout(90_000)}


def in_force(connection: sa.Connection) -> tuple[str, str]:
    """The two timeouts that the server has for the next statement."""
    lock = connection.exec_driver_sql("SHOW lock_timeout").scalar_one()
    return lock, connection.exec_driver_sql("SHOW statement_timeout").scalar_one()


@pytest.mark.majors
@pytest.mark.parametrize("driver", DRIVERS)
def test_they_hold_in_every_transaction_and_are_gone_afterwards(
    database: Database, driver: str
) -> None:
    def run(connection: sa.Connection) -> None:
        with connection.engine.connect() as own:
            with run_timeouts(own, **BOTH):
                assert in_force(own) == ("5s", "90s")
                own.commit()
                assert in_force(own) == ("5s", "90s")
                own.rollback()
                assert in_force(own) == ("5s", "90s")
                own.commit()
            assert in_force(own) == ("0", "0")

    in_transaction(database, driver, run)


@pytest.mark.parametrize("driver", DRIVERS)
def test_in_the_callers_transaction_they_hold_until_the_block_ends(
    database: Database, driver: str
) -> None:
    def run(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '7s'")
        with run_timeouts(connection, **BOTH):
            assert in_force(connection) == ("5s", "90s")
        assert in_force(connection) == ("7s", "0")

    in_transaction(database, driver, run)


@pytest.mark.parametrize("driver", DRIVERS)
def test_they_hold_in_an_autocommit_block_and_leave_nothing_in_the_session(
    database: Database, driver: str
) -> None:
    def run(connection: sa.Connection) -> None:
        with connection.engine.connect() as own:
            with run_timeouts(own, **BOTH):
                context = MigrationContext.configure(own)
                with context.begin_transaction():
                    with context.autocommit_block():
                        assert in_force(own) == ("5s", "90s")
                    assert in_force(own) == ("5s", "90s")
            assert in_force(own) == ("0", "0")

    in_transaction(database, driver, run)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_an_autocommit_engine_gets_its_own_ones_back(database: Database, driver: str) -> None:
    engine = sa.create_engine(database.url(driver), isolation_level="AUTOCOMMIT", pool_size=1)
    with engine.connect() as connection:
        connection.exec_driver_sql("SET lock_timeout = '7s'")
        with run_timeouts(connection, **BOTH):
            assert in_force(connection) == ("5s", "90s")
        assert in_force(connection) == ("7s", "0")
    with engine.connect() as connection:
        assert in_force(connection) == ("7s", "0")
    engine.dispose()


def test_an_aborted_transaction_leaves_nothing_behind_in_the_pool(database: Database) -> None:
    engine = sa.create_engine(database.url(), pool_size=1, max_overflow=0)
    with pytest.raises(sa.exc.DBAPIError), engine.connect() as connection:
        break_under_timeouts(connection)
    with engine.connect() as connection:
        assert in_force(connection) == ("0", "0")
    engine.dispose()


def break_under_timeouts(connection: sa.Connection) -> None:
    with run_timeouts(connection, **BOTH):
        assert in_force(connection) == ("5s", "90s")
        connection.exec_driver_sql("SELECT 1 / 0")


@pytest.mark.parametrize("between_transactions", [False, True])
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_lost_connection_is_reported_by_the_statement_that_comes_next(
    database: Database, driver: str, between_transactions: bool
) -> None:
    def run(connection: sa.Connection) -> None:
        with connection.engine.connect() as own, run_timeouts(own, **BOTH):
            own.exec_driver_sql("SELECT 1")
            if between_transactions:
                own.commit()
            database.kill_connections()
            with pytest.raises(sa.exc.DBAPIError, match="SELECT 2"):
                own.exec_driver_sql("SELECT 2")

    in_transaction(database, driver, run)


@pytest.mark.parametrize(
    ("set_before", "timeout", "result"),
    [
        ("0", Timeout(5000, is_default=True), "5s"),
        ("1s", Timeout(5000, is_default=True), "1s"),
        ("10min", Timeout(5000, is_default=True), "5s"),
        ("1s", Timeout(0, is_default=True), "1s"),
        ("1s", Timeout(5000), "5s"),
        ("1s", Timeout(0), "0"),
        ("1s", None, "1s"),
    ],
    ids=str,
)
def test_a_default_never_takes_the_place_of_a_shorter_one_but_a_choice_does(
    database: Database, set_before: str, timeout: Timeout | None, result: str
) -> None:
    role = database.role("migrator", "LOGIN")
    database.execute(f"ALTER ROLE \"{role}\" SET lock_timeout = '{set_before}'")
    engine = sa.create_engine(database.url().set(username=role), poolclass=sa.NullPool)
    with engine.connect() as connection, run_timeouts(connection, lock_timeout=timeout):
        assert in_force(connection)[0] == result
        connection.commit()
        assert in_force(connection)[0] == result


def test_a_script_may_set_its_own_for_its_transaction(database: Database) -> None:
    with database.engine().connect() as connection, run_timeouts(connection, **BOTH):
        connection.exec_driver_sql("SET LOCAL lock_timeout = '1min'")
        assert in_force(connection)[0] == "1min"
        connection.commit()
        assert in_force(connection)[0] == "5s"


def test_a_script_may_still_set_the_properties_of_its_transaction(database: Database) -> None:
    with database.engine().connect() as connection, run_timeouts(connection, **BOTH):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        shown = connection.exec_driver_sql("SHOW transaction_isolation").scalar()
        assert shown == "serializable"


def test_what_a_script_sets_for_its_session_in_an_autocommit_block_stays(
    database: Database,
) -> None:
    engine = database.engine(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        with run_timeouts(connection, **BOTH):
            connection.exec_driver_sql("SET lock_timeout = '3s'")
        assert in_force(connection) == ("3s", "0")


PATIENT: dict[str, Any] = {"lock_timeout": Timeout(100), "concurrent_patience": 20_000}


@pytest.mark.majors
@pytest.mark.parametrize("driver", DRIVERS)
def test_an_index_build_has_more_patience_than_others(database: Database, driver: str) -> None:
    database.execute("CREATE TABLE users (id int)")

    def run(connection: sa.Connection) -> None:
        with connection.engine.connect() as own, run_timeouts(own, **PATIENT):
            own.execution_options(isolation_level="AUTOCOMMIT")
            own.exec_driver_sql("CREATE INDEX CONCURRENTLY i ON users (id)")
            assert in_force(own)[0] == "100ms"

    with in_the_way_awhile(database, 0.5, "INSERT INTO users VALUES (1)"):
        in_transaction(database, driver, run)
    assert database.scalar("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass")


@pytest.mark.parametrize(
    ("statement", "is_patient"),
    [
        ("CREATE INDEX CONCURRENTLY i ON users (id)", True),
        ("create unique index concurrently if not exists i on users (id)", True),
        ("DROP INDEX CONCURRENTLY i", True),
        ("REINDEX INDEX CONCURRENTLY i", True),
        ("REINDEX (VERBOSE) TABLE CONCURRENTLY users", True),
        ("REINDEX (CONCURRENTLY) TABLE users", True),
        ("CREATE INDEX i ON users (id)", False),
        ("ALTER TABLE users ADD COLUMN concurrently int", False),
        ("REINDEX TABLE users", False),
    ],
)
def test_only_what_builds_or_drops_an_index_concurrently_is_patient(
    statement: str, is_patient: bool
) -> None:
    assert is_concurrent(statement) == is_patient


def test_after_an_index_build_that_failed_the_others_are_impatient_again(
    database: Database,
) -> None:
    engine = database.engine(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        with run_timeouts(connection, **PATIENT):
            with pytest.raises(sa.exc.ProgrammingError):
                connection.exec_driver_sql("CREATE INDEX CONCURRENTLY i ON nowhere (id)")
            assert in_force(connection)[0] == "100ms"
        assert in_force(connection)[0] == "0"


def test_an_index_build_leaves_nothing_in_the_session(database: Database) -> None:
    database.execute("CREATE TABLE users (id int)")
    engine = database.engine(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        with run_timeouts(connection, **PATIENT):
            connection.exec_driver_sql("CREATE INDEX CONCURRENTLY i ON users (id)")
        assert in_force(connection)[0] == "0"


def test_an_index_build_waits_as_a_script_has_it(database: Database) -> None:
    database.execute("CREATE TABLE users (id int)")
    engine = database.engine(isolation_level="AUTOCOMMIT")
    with (
        in_the_way(database, "INSERT INTO users VALUES (1)"),
        engine.connect() as connection,
        run_timeouts(connection, **PATIENT),
    ):
        connection.exec_driver_sql("SET lock_timeout = '150ms'")
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            connection.exec_driver_sql("CREATE INDEX CONCURRENTLY i ON users (id)")


@needs_pgbouncer
def test_nobody_else_gets_them_from_a_pooler(database: Database, tmp_path: Path) -> None:
    with pgbouncer(database, tmp_path, pool_size=1) as url:
        engine = sa.create_engine(
            url, poolclass=sa.NullPool, connect_args={"prepare_threshold": None}
        )
        with engine.connect() as connection, run_timeouts(connection, **BOTH):
            assert in_force(connection) == ("5s", "90s")
            connection.commit()
            with engine.connect() as somebody:
                assert in_force(somebody) == ("0", "0")


def test_they_pass_by_whoever_watches_the_statements_of_migrations(database: Database) -> None:
    with database.engine().connect() as connection:
        seen: list[str] = []

        @sa.event.listens_for(connection, "before_cursor_execute")
        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        with run_timeouts(connection, **BOTH):
            connection.exec_driver_sql("SELECT 1")
            connection.commit()
            connection.exec_driver_sql("SELECT 2")
    assert seen == ["SELECT 1", "SELECT 2"]


def test_with_nothing_to_set_nothing_is_sent(database: Database) -> None:
    with database.engine().connect() as connection:
        with run_timeouts(connection):
            connection.commit()
            assert in_force(connection) == ("0", "0")
        assert not connection._has_events


@pytest.mark.parametrize("milliseconds", [-1, 2**31])
def test_a_timeout_that_postgresql_cannot_have_is_an_error(milliseconds: int) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Timeout(milliseconds)
    assert str(refusal.value) == (
        f"A timeout is from 0 to 2147483647 milliseconds, not {milliseconds}."
    )
