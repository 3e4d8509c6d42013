"""The database of shadow_url is wiped where it is a rehearsal's, and nowhere else."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa

from alembic_zanith.config import ShadowTopology
from alembic_zanith.verify.shadow import Shadow, ShadowRequest, open_shadow
from devtools.postgres import LocalPostgres
from tests.conftest import MakeDatabase
from tests.support.database import Database
from tests.support.drivers import DRIVERS
from tests.support.locks import conninfo, eventually, program
from tests.support.shadows import SECRET, asked, at, do, on_production, refused, shadowed

WITHOUT_MARKER = "--exclude-schema=_zanith_shadow"


@pytest.fixture
def other(make_database: MakeDatabase) -> Database:
    """An empty database to rehearse in."""
    return make_database()


@pytest.fixture(scope="module")
def second_server() -> Iterator[LocalPostgres]:
    """One more server, on a port of its own."""
    with LocalPostgres.start(in_memory=True) as server:
        yield server


def count(shadow: Shadow) -> None:
    assert asked(shadow, "SELECT count(*) FROM pg_class WHERE relname = 'left_behind'") == 0


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_empty_database_is_marked_and_used_again(
    database: Database, other: Database, driver: str
) -> None:
    def work(shadow: Shadow) -> str:
        count(shadow)
        assert (shadow.topology, shadow.schema) == (ShadowTopology.URL, None)
        assert not shadow.connection.in_transaction()
        do(shadow, "CREATE TABLE left_behind (id int)", "CREATE TYPE mood AS ENUM ('sad')")
        return shadow.where

    for _ in range(2):
        where = shadowed(database, at(other), work, driver)
    assert where == f"database {other.name} on {other.server.host}:{other.server.port}"
    assert other.scalar("SELECT count(*) FROM _zanith_shadow.marker") == 1
    assert other.dump(WITHOUT_MARKER) == database.dump()


MESS = """
    ALTER DATABASE {name} SET search_path = app, public;
    ALTER ROLE postgres IN DATABASE {name} SET work_mem = '1MB';
    CREATE SCHEMA "Oh my"; CREATE SCHEMA app;
    CREATE TABLE "Oh my"."a""b" (id int GENERATED ALWAYS AS IDENTITY, v text);
    CREATE TABLE public.parts (id int) PARTITION BY RANGE (id);
    CREATE TABLE app.part PARTITION OF public.parts DEFAULT;
    CREATE VIEW app.v AS SELECT * FROM public.parts;
    CREATE MATERIALIZED VIEW app.mv AS SELECT 1 AS a;
    CREATE SEQUENCE public.s;
    CREATE TYPE public.mood AS ENUM ('sad'); CREATE TYPE public.pair AS (a int, b public.mood);
    CREATE DOMAIN public.d AS text; CREATE TYPE public.r AS RANGE (subtype = float8);
    CREATE FUNCTION public.f(public.mood) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE PROCEDURE public.p(INOUT a int) LANGUAGE sql AS 'SELECT 1';
    CREATE AGGREGATE public.total(int) (sfunc = int4pl, stype = int);
    CREATE OPERATOR public.=== (function = int4eq, leftarg = int, rightarg = int);
    CREATE OPERATOR CLASS public.ops FOR TYPE public.mood USING hash AS OPERATOR 1 = (anyenum, anyenum);
    CREATE COLLATION public.c (locale = 'C'); CREATE CAST (public.mood AS int) WITH FUNCTION public.f(public.mood);
    CREATE TEXT SEARCH CONFIGURATION public.ts (copy = simple);
    CREATE TEXT SEARCH DICTIONARY public.td (template = simple);
    CREATE STATISTICS public.st ON id, (id + 1) FROM app.part;
    CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w;
    CREATE FOREIGN TABLE public.ft (id int) SERVER far;
    CREATE PUBLICATION pub FOR ALL TABLES;
    CREATE FUNCTION public.e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
    ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO PUBLIC;
    REVOKE ALL ON SCHEMA public FROM PUBLIC; COMMENT ON SCHEMA public IS 'mine';
    SELECT lo_create(4711);
    CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION public.e();
"""


@pytest.mark.majors
def test_whatever_a_rehearsal_has_left_is_gone_and_the_database_like_a_new_one(
    database: Database, other: Database
) -> None:
    shadowed(database, at(other, keep=True), lambda shadow: None)
    other.execute(MESS.format(name=other.name))
    shadowed(database, at(other), lambda shadow: None)
    assert other.dump(WITHOUT_MARKER) == database.dump()
    assert (
        other.rows(
            "SELECT setconfig FROM pg_db_role_setting WHERE setdatabase ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        == []
    )
    for catalog in (
        "pg_default_acl",
        "pg_largeobject_metadata",
        "pg_publication",
        "pg_event_trigger",
    ):
        assert other.scalar(f"SELECT count(*) FROM {catalog}") == 0


@pytest.mark.majors
@pytest.mark.parametrize(
    "damage", ["DROP SCHEMA public CASCADE", "ALTER SCHEMA public RENAME TO old", "SELECT 1"]
)
def test_the_schema_public_is_there_again(database: Database, other: Database, damage: str) -> None:
    shadowed(database, at(other), lambda shadow: do(shadow, damage))
    assert other.dump(WITHOUT_MARKER) == database.dump()
    query = (
        "SELECT nspowner::regrole::text, nspacl::text FROM pg_namespace WHERE nspname = 'public'"
    )
    assert other.rows(query) == database.rows(query)


def test_what_an_administrator_has_set_up_before_is_there_afterwards(
    database: Database, other: Database
) -> None:
    other.execute(
        "CREATE SCHEMA extras; CREATE EXTENSION pg_trgm SCHEMA extras; CREATE EXTENSION hstore;"
        f'ALTER DATABASE {other.name} SET search_path = "$user", public, extras;'
        f"ALTER DATABASE {other.name} SET work_mem = '5MB';"
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC"
    )
    settings = (
        "SELECT setconfig FROM pg_db_role_setting WHERE setdatabase ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    before = other.dump(WITHOUT_MARKER, "--no-comments"), other.rows(settings)

    def work(shadow: Shadow) -> None:
        do(
            shadow,
            "DROP EXTENSION pg_trgm",
            "DROP SCHEMA extras",
            "CREATE EXTENSION citext",
            "CREATE TABLE t (a citext, b hstore)",
            f"ALTER DATABASE {other.name} SET work_mem = '1MB'",
            "ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO PUBLIC",
            "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO PUBLIC",
            "ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC",
        )

    shadowed(database, at(other, keep=True), work)
    shadowed(database, at(other), lambda shadow: None)
    after = other.dump(WITHOUT_MARKER, "--no-comments"), other.rows(settings)
    assert after[1] == before[1]
    assert after[0] == before[0]


def test_more_tables_than_one_transaction_can_lock_are_wiped(
    database: Database, other: Database
) -> None:
    per_transaction = int(other.scalar("SHOW max_locks_per_transaction"))
    tables = 320
    assert tables > 3 * per_transaction

    def work(shadow: Shadow) -> None:
        for number in range(tables):
            shadow.connection.exec_driver_sql(f"CREATE TABLE t{number} (id int PRIMARY KEY)")
        shadow.connection.commit()

    shadowed(database, at(other), work)
    assert other.dump(WITHOUT_MARKER) == database.dump()


# -- what is refused ---------------------------------------------------------------------

FOREIGN = {
    "a table": "CREATE TABLE precious (id int); INSERT INTO precious VALUES (1)",
    "a table elsewhere": "CREATE SCHEMA app; CREATE TABLE app.precious (id int)",
    "a foreign table": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
    " CREATE FOREIGN TABLE far (id int) SERVER s",
    "a server": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w",
    "a view": "CREATE VIEW v AS SELECT 1",
    "a sequence": "CREATE SEQUENCE s",
    "a schema": "CREATE SCHEMA other",
    "a function": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a function among PostgreSQL's own": "CREATE FUNCTION pg_catalog.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a type": "CREATE TYPE mood AS ENUM ('sad')",
    "a domain": "CREATE DOMAIN d AS text",
    "a composite type": "CREATE TYPE pair AS (a int, b int)",
    "an operator": "CREATE OPERATOR === (function = int4eq, leftarg = int, rightarg = int)",
    "a collation": "CREATE COLLATION c (locale = 'C')",
    "a dictionary": "CREATE TEXT SEARCH DICTIONARY td (template = simple)",
    "a cast": "CREATE CAST (int AS point) WITH INOUT",
    "a large object": "SELECT lo_create(4711)",
    "a publication": "CREATE PUBLICATION p",
    "a subscription": "CREATE SUBSCRIPTION sub CONNECTION 'dbname=x' PUBLICATION p"
    " WITH (connect = false, slot_name = NONE, enabled = false)",
}


@pytest.mark.parametrize("content", FOREIGN)
def test_a_database_with_anything_in_it_is_refused_and_stays_as_it_is(
    database: Database, other: Database, content: str
) -> None:
    for statement in FOREIGN[content].split(";"):
        other.execute(statement)
    before = other.dump_of_all(), other.fingerprint()
    message = refused(database, at(other))
    assert "is not empty, and was not made by a rehearsal" in message
    assert "Nothing was done" in message
    assert (other.dump_of_all(), other.fingerprint()) == before
    if content == "a subscription":
        other.execute("DROP SUBSCRIPTION sub")


def test_the_refusal_names_what_is_there_and_the_way_on(
    database: Database, other: Database
) -> None:
    other.execute("CREATE TABLE a (); CREATE TABLE b (); CREATE TABLE c (); CREATE TABLE d ()")
    assert refused(database, at(other)) == (
        f"The database {other.name} on {other.server.host}:{other.server.port} is not empty, and "
        "was not made by a rehearsal: table public.a, table public.b, table public.c and 1 more. "
        "Nothing was done. Name an empty database with --shadow-url (setting shadow_url): each "
        "rehearsal wipes it. If nobody needs what is in this one, drop it and make it anew."
    )


@pytest.mark.majors
def test_a_marker_that_came_with_a_copy_of_the_database_does_not_count(
    database: Database, other: Database
) -> None:
    shadowed(database, at(other, keep=True), lambda shadow: do(shadow, "CREATE TABLE t ()"))
    copy = other.clone()
    before = copy.dump_of_all()
    assert "carries the marker of another database" in refused(database, at(copy))
    assert copy.dump_of_all() == before


def test_a_marker_that_came_with_a_dump_does_not_count(
    database: Database, other: Database, make_database: MakeDatabase
) -> None:
    shadowed(database, at(other, keep=True), lambda shadow: do(shadow, "CREATE TABLE t ()"))
    restored = make_database()
    restored.psql(other.dump_of_all())
    restored.execute("CREATE TABLE precious AS SELECT 1 AS id")
    before = restored.dump_of_all()
    assert "carries the marker of another database" in refused(database, at(restored))
    assert restored.dump_of_all() == before


def test_what_somebody_puts_into_an_emptied_shadow_is_not_wiped(
    database: Database, other: Database
) -> None:
    shadowed(database, at(other), lambda shadow: None)
    other.execute("CREATE TABLE orders AS SELECT 1 AS id")
    before = other.dump_of_all()
    message = refused(database, at(other))
    assert "was left empty by the last rehearsal, and somebody has put something in it" in message
    assert "table public.orders" in message
    assert other.dump_of_all() == before


@pytest.mark.parametrize(
    "marker",
    [
        "CREATE SCHEMA _zanith_shadow",
        "CREATE SCHEMA _zanith_shadow; CREATE TABLE _zanith_shadow.marker (identity text)",
        "CREATE SCHEMA _zanith_shadow; CREATE VIEW _zanith_shadow.marker AS SELECT 1 AS identity",
    ],
)
def test_a_schema_that_only_looks_like_a_marker_is_none(
    database: Database, other: Database, marker: str
) -> None:
    other.execute(marker)
    before = other.dump_of_all()
    assert "that is no marker of this version" in refused(database, at(other))
    assert other.dump_of_all() == before


def test_production_is_refused_by_whatever_name_it_is_reached(database: Database) -> None:
    before = database.dump_of_all()
    url, server = database.url(), database.server
    for name in ("127.0.0.1", "localhost"):
        message = refused(database, at(url.set(host=name)))
        assert "is production's own database" in message
    by_socket = sa.URL.create(
        "postgresql",
        "postgres",
        database=database.name,
        query={"host": str(server.socket_dir), "port": str(server.port)},
    )
    assert "is production's own database" in refused(database, at(by_socket))
    assert database.dump_of_all() == before


def test_a_database_that_somebody_is_connected_to_is_refused(
    database: Database, other: Database
) -> None:
    shadowed(database, at(other, keep=True), lambda shadow: do(shadow, "CREATE TABLE t ()"))
    before = other.dump_of_all()
    with psycopg.connect(conninfo(other.url()), application_name="web"):
        message = refused(database, at(other))
    assert "somebody is connected to it: session" in message
    assert "application web" in message
    assert other.dump_of_all() == before


def test_a_second_rehearsal_is_told_who_holds_the_shadow(
    database: Database, other: Database
) -> None:
    def meanwhile(shadow: Shadow) -> str:
        do(shadow, "CREATE TABLE t ()", "SELECT pg_advisory_unlock_all()", "DISCARD PLANS")
        message = refused(database, at(other))
        assert asked(shadow, "SELECT count(*) FROM t") == 0
        return message

    message = shadowed(database, at(other), meanwhile)
    assert "is in use by another rehearsal, session" in message
    assert f"alembic-zanith: rehearsal on {socket.gethostname()}" in message
    shadowed(database, at(other), count)


def test_the_next_rehearsal_wipes_what_a_killed_one_has_left(
    database: Database, other: Database
) -> None:
    killed = program(
        "import os, sys\n"
        "import sqlalchemy as sa\n"
        "from tests.support.shadows import at, do\n"
        "from alembic_zanith.verify.shadow import open_shadow\n"
        "with sa.create_engine(sys.argv[1]).connect() as production:\n"
        "    with open_shadow(production, at(sys.argv[2])) as shadow:\n"
        "        do(shadow, 'CREATE TABLE left_behind (id int)')\n"
        "        os._exit(9)\n",
        *(each.url().render_as_string(hide_password=False) for each in (database, other)),
    )
    with killed:
        assert killed.wait(30) == 9, killed.communicate()[0]
    assert other.scalar("SELECT count(*) FROM left_behind") == 0
    shadowed(database, at(other), count)


# -- production and its session ----------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_transaction_of_production_stays_as_it_was(
    database: Database, other: Database, driver: str
) -> None:
    database.execute("CREATE TABLE t (id int)")

    def work(production: sa.Connection) -> None:
        with open_shadow(production, at(other)):
            assert not production.in_transaction()
        production.exec_driver_sql("INSERT INTO t VALUES (1)")
        with open_shadow(production, at(other)):
            assert production.in_transaction()
        production.exec_driver_sql("INSERT INTO t VALUES (2)")
        production.commit()

    on_production(database.url(), work, driver)
    assert database.rows("SELECT id FROM t") == [(1,), (2,)]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_session_on_the_shadow_begins_like_productions_and_so_does_the_next(
    database: Database, other: Database, driver: str
) -> None:
    database.execute(f'ALTER DATABASE {database.name} SET search_path = app, "$user", public')
    database.execute(f"ALTER DATABASE {database.name} SET timezone = 'Asia/Tokyo'")

    def work(shadow: Shadow) -> None:
        for _ in range(2):
            shadow.connection.rollback()
            assert asked(shadow, "SHOW search_path") == 'app, "$user", public'
            assert asked(shadow, "SHOW timezone") == "Asia/Tokyo"
            shadow.connection.invalidate()

    shadowed(database, at(other), work, driver)


def test_another_server_may_be_the_shadow(database: Database, second_server: LocalPostgres) -> None:
    far, empty = Database.create(second_server), Database.create(second_server)
    try:
        request = ShadowRequest(url=far.url().render_as_string(hide_password=False))

        def work(shadow: Shadow) -> None:
            assert shadow.topology is ShadowTopology.URL
            assert asked(shadow, "SHOW port") == str(second_server.port)
            assert shadow.server_version.startswith(f"{second_server.major}.")
            do(shadow, "CREATE TABLE left_behind ()")

        shadowed(database, request, work)
        assert far.dump(WITHOUT_MARKER) == empty.dump()
    finally:
        far.drop()
        empty.drop()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_that_is_killed_hides_nothing_that_went_wrong_before(
    database: Database, driver: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "alembic.zanith")
    with LocalPostgres.start(in_memory=True) as doomed:
        request = at(doomed.url("postgres").set(password=SECRET))

        def work(shadow: Shadow) -> None:
            do(shadow, "CREATE TABLE t ()")
            doomed.stop()
            with pytest.raises(Exception, match=r".") as first:
                asked(shadow, "SELECT 1")
            raise ZeroDivisionError from first.value

        with pytest.raises(ZeroDivisionError):
            shadowed(database, request, work, driver)
    assert "is left as it is, and wiped by the next rehearsal" in caplog.text
    assert SECRET not in caplog.text


def test_an_error_in_the_block_is_the_one_that_comes_out(
    database: Database, other: Database
) -> None:
    with pytest.raises(KeyboardInterrupt):
        shadowed(database, at(other), _interrupted)
    shadowed(database, at(other), count)


def _interrupted(shadow: Shadow) -> None:
    do(shadow, "CREATE TABLE left_behind ()")
    raise KeyboardInterrupt


# -- what cannot be reached --------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_cannot_be_reached_is_told_without_a_password(
    database: Database, other: Database, driver: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = other.url().set(password=SECRET)
    unreachable = {
        "cannot be reached": url.set(port=9),
        "nobody_knows": url.set(database="nobody_knows"),
        "stranger": url.set(username="stranger"),
        "no.such.host.invalid": url.set(host="no.such.host.invalid"),
        "nonsense": url.update_query_dict({"nonsense": "1"}),
        "is of mysql": url.set(drivername="mysql"),
        "names no database": sa.URL.create("postgresql", "ada", SECRET, "db"),
    }
    for said, wrong in unreachable.items():
        assert said in refused(database, at(wrong), driver)
    assert "is no URL" in refused(database, at(f"postgresql//ada:{SECRET}@db/shop"), driver)
    assert "is no URL" in refused(database, at(f"postgresql://ada:{SECRET}@db:port/shop"), driver)
    assert "No database is named" in refused(database, ShadowRequest(ShadowTopology.URL), driver)
    assert SECRET not in caplog.text


def test_a_password_is_in_nothing_that_is_printed_of_a_shadow(
    database: Database, other: Database
) -> None:
    request = at(other.url().set(password=SECRET))

    def work(shadow: Shadow) -> str:
        return f"{shadow} {shadow.where} {shadow.how_to_look} {request} {shadow.connection.engine}"

    assert SECRET not in shadowed(database, request, work)


def test_a_wrong_password_is_told_as_one(database: Database, other: Database) -> None:
    server = other.server
    assert server.socket_dir is not None
    hba = server.socket_dir / "data" / "pg_hba.conf"
    usual = hba.read_text()
    role = other.role("app", "LOGIN PASSWORD 'right'")
    hba.write_text(f"host all {role} all scram-sha-256\n{usual}")
    try:
        other.execute("SELECT pg_reload_conf()")
        wrong = at(other.url().set(username=role, password=SECRET))
        eventually(lambda: "password authentication failed" in refused(database, wrong))
        for driver in DRIVERS:
            assert "password authentication failed" in refused(database, wrong, driver)
    finally:
        hba.write_text(usual)
        other.execute("SELECT pg_reload_conf()")


def test_a_role_that_may_not_make_the_database_ready_is_told_what_it_needs(
    database: Database, other: Database
) -> None:
    role = other.role("app", f"LOGIN PASSWORD '{SECRET}'")
    message = refused(database, at(other.url().set(username=role, password=SECRET)))
    assert "permission denied for database" in message
    assert f"The role {role} has to own the database and all that is in it." in message
    assert other.dump_of_all() == database.dump_of_all()


@pytest.mark.majors
def test_a_role_that_owns_the_database_is_enough(database: Database, other: Database) -> None:
    role = other.role("app", "LOGIN")
    other.execute(f"ALTER DATABASE {other.name} OWNER TO {role}")
    try:
        request = at(other.url().set(username=role))
        for _ in range(2):
            shadowed(database, request, lambda shadow: do(shadow, "CREATE TABLE left_behind ()"))
        assert other.scalar("SELECT to_regclass('left_behind') IS NULL")
    finally:
        other.execute(
            f"ALTER DATABASE {other.name} OWNER TO postgres; DROP SCHEMA _zanith_shadow CASCADE"
        )
        other.execute(f"DROP OWNED BY {role}")
