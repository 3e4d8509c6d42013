"""A database next to production is made for a rehearsal, like production, and gone afterwards."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from alembic_zanith.config import ShadowTopology
from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.identifiers import literal
from alembic_zanith.verify.shadow import Shadow, ShadowRequest, open_shadow
from devtools.postgres import LocalPostgres
from tests.support.database import Database
from tests.support.drivers import DRIVERS
from tests.support.locks import needs_pgbouncer, pgbouncer
from tests.support.shadows import (
    DATABASE,
    SECRET,
    asked,
    do,
    kept,
    on_production,
    refused,
    shadowed,
)

needs_async_creator = pytest.mark.skipif(
    sa.__version__ in [f"2.0.{n}" for n in range(16)],
    reason="async_creator came with SQLAlchemy 2.0.16",
)


def shadows(database: Database) -> set[str]:
    query = "SELECT datname::text FROM pg_database WHERE datname LIKE '\\_zanith\\_shadow\\_%'"
    return {name for (name,) in database.rows(query)}


def name_of(shadow: Shadow) -> str:
    return str(asked(shadow, "SELECT current_database()::text"))


@pytest.mark.majors
@pytest.mark.parametrize("driver", DRIVERS)
def test_it_is_there_for_the_block_and_gone_afterwards(database: Database, driver: str) -> None:
    before = database.dump_of_all()

    def work(shadow: Shadow) -> str:
        assert not shadow.connection.in_transaction()
        name = name_of(shadow)
        assert name in shadows(database)
        assert shadow.where == f"database {name} on {database.server.host}:{database.server.port}"
        assert shadow.server_version.startswith(f"{database.server.major}.")
        assert (shadow.topology, shadow.schema) == (ShadowTopology.DATABASE, None)
        do(shadow, "CREATE TABLE users (id int)")
        return name

    assert shadowed(database, DATABASE, work, driver) not in shadows(database)
    assert database.dump_of_all() == before


def test_it_is_what_a_project_without_a_url_gets(database: Database) -> None:
    assert shadowed(database, ShadowRequest(), lambda shadow: shadow.topology) == "database"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_it_is_gone_whatever_ends_the_block(
    database: Database, driver: str, error: type[BaseException]
) -> None:
    before = shadows(database)

    def work(shadow: Shadow) -> None:
        do(shadow, "CREATE TABLE users (id int)")
        shadow.connection.exec_driver_sql("INSERT INTO users VALUES (1)")
        raise error

    with pytest.raises(error):
        shadowed(database, DATABASE, work, driver)
    assert shadows(database) == before


@pytest.mark.parametrize("driver", DRIVERS)
def test_it_is_gone_when_its_connection_was_lost(database: Database, driver: str) -> None:
    before = shadows(database)

    def work(shadow: Shadow) -> None:
        database.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name_of(shadow)}'"
        )
        with pytest.raises(sa.exc.DBAPIError):
            asked(shadow, "SELECT 1")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shadowed(database, DATABASE, work, driver)
    assert shadows(database) == before


def test_it_is_gone_when_somebody_else_is_connected_to_it(database: Database) -> None:
    before = shadows(database)

    def work(shadow: Shadow) -> psycopg.Connection[Any]:
        other = Database(database.server, name_of(shadow))
        return other._connect()

    shadowed(database, DATABASE, work).close()
    assert shadows(database) == before


def test_what_is_kept_says_how_to_look_at_it_and_drop_it(database: Database) -> None:
    def work(shadow: Shadow) -> tuple[str, str]:
        do(shadow, "CREATE TABLE users (id int)")
        raise LookupError(name_of(shadow), shadow.how_to_look)

    with pytest.raises(LookupError) as failed:
        shadowed(database, kept(DATABASE), work)
    name, how = failed.value.args
    server = database.server
    assert how == (
        f"It is kept. To look at it: psql -h {server.host} -p {server.port} -U postgres -d {name}. "
        f'To drop it: DROP DATABASE "{name}";'
    )
    assert Database(server, name).scalar("SELECT count(*) FROM users") == 0
    with database._connect("postgres") as connection:
        connection.execute(how.partition("To drop it: ")[2].encode())
    assert name not in shadows(database)


# -- like production ---------------------------------------------------------------------

LOCALES = {
    "as usual": ("", 14),
    "latin": ("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'", 14),
    "icu": ("LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE'", 15),
    "icu with rules": ("LOCALE_PROVIDER icu ICU_LOCALE 'und' ICU_RULES '&a < b'", 16),
    "builtin": ("LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'", 17),
}


@pytest.mark.majors
@pytest.mark.parametrize("locale", LOCALES)
def test_encoding_and_locale_are_those_of_production(database: Database, locale: str) -> None:
    options, since = LOCALES[locale]
    if database.server.major < since:
        pytest.skip(f"PostgreSQL {since} or newer only")
    if "icu" in options and not database.scalar(
        "SELECT count(*) FROM pg_collation WHERE collname = 'sv-x-icu'"
    ):
        pytest.skip("this build of PostgreSQL has no ICU")
    production = Database(database.server, f"{database.name}_locale")
    with database._connect("postgres") as connection:
        connection.execute(
            f"CREATE DATABASE {production.name} TEMPLATE template0 {options}".encode()
        )
    query = (
        "SELECT to_jsonb(d) - ARRAY['oid', 'datname', 'datacl', 'datfrozenxid', 'datminmxid',"
        " 'datlastsysoid'] FROM pg_database d WHERE datname = current_database()"
    )
    try:
        found = shadowed(production, DATABASE, lambda shadow: asked(shadow, query))
        assert found == production.scalar(query)
    finally:
        production.drop()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_session_begins_like_productions_and_so_does_the_next(
    database: Database, driver: str
) -> None:
    database.execute(f"ALTER DATABASE {database.name} SET search_path = app, public")

    def work(shadow: Shadow) -> None:
        for _ in range(2):
            assert asked(shadow, "SHOW search_path") == "app, public"
            shadow.connection.invalidate()
            shadow.connection.rollback()

    shadowed(database, DATABASE, work, driver)


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_the_engine_of_production_is_made_with_holds_for_the_shadow_too(
    database: Database, driver: str
) -> None:
    url = database.url().set(password="wrong")
    role = database.role("app", f"LOGIN CREATEDB PASSWORD '{SECRET}'")
    arguments = {"user": role, "password": SECRET}
    if driver == "asyncpg":
        arguments["server_settings"] = {"application_name": "shop"}  # type: ignore[assignment]
    else:
        arguments["application_name"] = "shop"

    def run(production: sa.Connection) -> None:
        with open_shadow(production, DATABASE) as shadow:
            assert asked(shadow, "SELECT current_user::text") == role
            assert asked(shadow, "SHOW application_name") == "shop"
            assert SECRET not in f"{shadow} {shadow.where} {shadow.how_to_look}"

    on_production(url, run, driver, connect_args=arguments)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_an_engine_with_a_creator_is_followed_by_what_its_connection_says(
    database: Database, driver: str
) -> None:
    dbapi: Any = sa.make_url(f"postgresql+{driver}://").get_dialect().import_dbapi()
    role = database.role("app", "LOGIN CREATEDB")
    server = database.server

    def create() -> Any:
        return dbapi.connect(host=server.host, port=server.port, user=role, dbname=database.name)

    def run(production: sa.Connection) -> None:
        with open_shadow(production, DATABASE) as shadow:
            assert name_of(shadow) != database.name
            assert asked(shadow, "SELECT current_user::text") == role

    before = shadows(database)
    on_production(sa.make_url("postgresql://"), run, driver, creator=create)
    assert shadows(database) == before


@needs_async_creator
def test_an_engine_that_says_nothing_of_how_it_connects_is_told(database: Database) -> None:
    import asyncpg

    async def create() -> Any:
        server = database.server
        return await asyncpg.connect(
            host=server.host, port=server.port, user="postgres", database=database.name
        )

    before = shadows(database)
    message = refused(database, DATABASE, "asyncpg", async_creator=create)
    assert message.startswith("Nobody can tell how to reach another database")
    assert "--shadow-url (setting shadow_url)" in message
    assert shadows(database) == before


# -- what is refused ---------------------------------------------------------------------


def as_role(database: Database, role: str) -> dict[str, Any]:
    return {"connect_args": {"user": role, "password": SECRET}}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_role_that_may_not_create_databases_is_told_the_other_places(
    database: Database, driver: str
) -> None:
    role = database.role("app", f"LOGIN PASSWORD '{SECRET}'")
    before = shadows(database)

    def run(production: sa.Connection) -> str:
        with pytest.raises(ShadowUnreachableError) as refusal, open_shadow(production, DATABASE):
            pass
        return str(refusal.value)

    url = database.url().set(username=role, password=SECRET)
    assert on_production(url, run, driver) == (
        f"The role {role} may not create databases on this server (permission denied to create "
        f'database). ALTER ROLE "{role}" CREATEDB lets it. Other places: a database that is there '
        "with --shadow-url URL (setting shadow_url), a schema in production's database with "
        "--topology schema (setting shadow_topology)."
    )
    assert shadows(database) == before


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_role_without_room_for_more_connections_is_told(database: Database, driver: str) -> None:
    role = database.role("app", f"LOGIN CREATEDB CONNECTION LIMIT 1 PASSWORD '{SECRET}'")
    message = refused(database, DATABASE, driver, **as_role(database, role))
    assert f'too many connections for role "{role}"' in message
    assert "Other places: " in message


def test_two_connections_are_room_enough(database: Database) -> None:
    role = database.role("app", f"LOGIN CREATEDB CONNECTION LIMIT 2 PASSWORD '{SECRET}'")
    before = shadows(database)
    shadowed(database, DATABASE, lambda shadow: None, **as_role(database, role))
    assert shadows(database) == before


def test_a_server_that_takes_no_writes_is_told(database: Database) -> None:
    database.execute(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    message = refused(database, DATABASE)
    assert "cannot execute CREATE DATABASE" in message
    assert "Other places: " in message


@needs_pgbouncer
def test_a_pooler_that_does_not_know_new_databases_is_told(
    database: Database, tmp_path: Any
) -> None:
    before = shadows(database)
    with pgbouncer(database, tmp_path) as url:

        def run(production: sa.Connection) -> None:
            with pytest.raises(Exception, match="pooler"), open_shadow(production, DATABASE):
                pass

        on_production(url, run)
    assert shadows(database) == before


# -- leftovers ---------------------------------------------------------------------------


def test_what_cannot_be_dropped_is_told_and_hides_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with LocalPostgres.start(in_memory=True) as doomed:
        production = Database(doomed, "postgres")

        def work(shadow: Shadow) -> None:
            doomed.stop()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            shadowed(production, DATABASE, work)
    assert "is left behind: " in caplog.text
    assert "DROP DATABASE IF EXISTS" in caplog.text


def test_what_killed_rehearsals_have_left_is_named_and_left_alone(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "alembic.zanith")
    ours = "Made by a rehearsal of alembic-zanith, to be thrown away. "
    comments = {
        "_zanith_shadow_0000000a": f"{ours}2026-01-02 03:04:05 UTC",
        "_zanith_shadow_0000000b": f"{ours}2999-01-02 03:04:05 UTC",
        "_zanith_shadow_0000000c": "Somebody else's.",
        "_zanith_shadow_mine": f"{ours}2026-01-02 03:04:05 UTC",
    }
    with database._connect("postgres") as connection, contextlib.ExitStack() as stack:
        for name, comment in comments.items():
            connection.execute(f"CREATE DATABASE {name}".encode())
            stack.callback(connection.execute, f"DROP DATABASE {name}".encode())
            connection.execute(f"COMMENT ON DATABASE {name} IS {literal(comment)}".encode())
        shadowed(database, DATABASE, lambda shadow: None)
        assert set(comments) - {"_zanith_shadow_mine"} <= shadows(database)
    assert [record.getMessage() for record in caplog.records] == [
        "The database _zanith_shadow_0000000a is left from a rehearsal of 2026-01-02 03:04:05 UTC "
        "that was killed, or kept. When nobody needs it any more: "
        'DROP DATABASE "_zanith_shadow_0000000a";'
    ]
