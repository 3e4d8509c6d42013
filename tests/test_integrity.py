"""A checksum tells content from other content, and nothing else from anything else."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import ConfigurationError
from alembic_zanith.identifiers import QualifiedName
from alembic_zanith.integrity import Content, content, pinned_settings
from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    inspect_artifact,
    restore_column,
    restore_table,
    soft_drop_column,
)
from tests.support.database import Database

# One column of every built-in type whose text could depend on the server or the session.
EVERYTHING = """
    CREATE TABLE everything (
        id int PRIMARY KEY, a_bool bool, a_smallint smallint, a_bigint bigint, a_numeric numeric,
        a_real real, a_double float8, a_money money, a_text text, a_varchar varchar(20),
        a_char char(5), a_name name, a_letter "char", a_bytea bytea, a_date date, a_time time,
        a_timetz timetz, a_timestamp timestamp, a_timestamptz timestamptz, an_interval interval,
        a_uuid uuid, a_json json, a_jsonb jsonb, an_array text[], numbers float8[], moments
        timestamptz[], a_range tstzrange, many int4multirange, an_inet inet, a_cidr cidr,
        a_macaddr macaddr, bits bit(5), more_bits varbit, a_point point, a_box box, a_path path,
        a_circle circle, a_tsvector tsvector, a_tsquery tsquery, an_oid oid,
        an_lsn pg_lsn);
    INSERT INTO everything VALUES (1, true, -1, 9223372036854775807, 1.10, 0.1, 1e-300, 12.34,
        E'tab\\tquote''"\\\\ and ''''', 'x', 'ab', 'n', 'c', '\\x00ff', '2024-02-29',
        '12:34:56.789', '12:00+02', '1999-12-31 23:59:59.999999', '2024-06-01 12:00+02',
        '1 year -2 days 03:04:05', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
        '{"b":  1, "a": [1, null]}', '{"b": 1, "a": 2}',
        '{a,NULL,"","b c","NULL"}', '{0.1,NaN,-Infinity}', '{"2024-01-01 00:00+00"}',
        '[2024-01-01 00:00+00,2024-02-01 00:00+00)', '{[1,3),[5,9)}', '10.0.0.1/8', '10.0.0.0/8',
        '08:00:2b:01:02:03', B'10101', B'101', '(0.1,2)', '(0,0),(1,1)', '((0,0),(1,1))',
        '<(0,0),1>', 'a:1 b:2', 'a & b', 42, '0/16B3748');
    INSERT INTO everything (id, a_text, a_double, a_date, an_interval, a_timestamptz) VALUES
        (2, NULL, 'NaN', 'infinity', '0', '-infinity'),
        (3, '', '-0', '0044-03-15 BC', '-1 mon', NULL);
"""
EVERYTHING_CHECKSUM = "49d1036fe8b195a272fe5eb019855fb8"

ODD_SETTINGS = {
    "DateStyle": "'SQL, DMY'",
    "TimeZone": "'Asia/Kathmandu'",
    "IntervalStyle": "'iso_8601'",
    "extra_float_digits": "-10",
    "bytea_output": "'escape'",
    "lc_monetary": "'C'",
    "search_path": "public, pg_catalog",
    "xmlbinary": "'hex'",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "on",  # as psycopg2 wants it; see READ_OTHERWISE for off
    "array_nulls": "off",
    "transform_null_equals": "on",
    "statement_timeout": "'1min'",
    "row_security": "on",
    "max_parallel_workers_per_gather": "0",
    "work_mem": "'64kB'",
}


def checksum(database: Database, table: str, *columns: str) -> Content:
    """Return what `content` says of a table, by default of all its columns."""
    named = "SELECT attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attrelid = "
    names = columns or [name for (name,) in database.rows(f"{named}'{table}'::regclass")]

    def compute(connection: sa.Connection) -> Content:
        with pinned_settings(connection):
            return content(connection, QualifiedName("public", table), names)

    return database.do(compute)


def checksum_of(database: Database, column: str, values: str) -> str:
    """Return the checksum of a table of one or more columns with these rows."""
    database.execute(f"DROP TABLE IF EXISTS t; CREATE TABLE t ({column}); {values}")
    return checksum(database, "t").checksum


@pytest.mark.majors
def test_a_checksum_is_the_same_on_every_major(database: Database) -> None:
    database.execute(EVERYTHING)
    found = checksum(database, "everything")
    assert (found.row_count, found.checksum) == (3, EVERYTHING_CHECKSUM)


@pytest.mark.parametrize("setting", ODD_SETTINGS)
def test_a_checksum_is_the_same_under_any_setting(database: Database, setting: str) -> None:
    database.execute(EVERYTHING)
    database.execute(f"ALTER DATABASE {database.name} SET {setting} = {ODD_SETTINGS[setting]};")
    assert checksum(database, "everything").checksum == EVERYTHING_CHECKSUM


def test_what_was_archived_under_some_settings_is_restored_under_others(
    database: Database,
) -> None:
    database.execute(EVERYTHING)
    before = database.dump()
    columns = [
        name
        for name, _ in database.rows(
            "SELECT attname, 1 FROM pg_attribute"
            " WHERE attrelid = 'everything'::regclass AND attnum > 1 ORDER BY attnum"
        )
    ]
    with database.begin() as connection:
        for name, value in ODD_SETTINGS.items():
            connection.exec_driver_sql(f"SET {name} = {value}")
        for name in columns:
            archive_column(connection, "everything", name)
    for name in columns:
        database.do(restore_column, f"everything.{name}")
    assert database.dump() == before


READ_OTHERWISE = r"""
    CREATE EXTENSION citext;
    CREATE TABLE t (id int PRIMARY KEY, v text DEFAULT E'C:\\new' CHECK (v <> E'\\x'),
        c citext[], n int CHECK (n IS NULL OR n = 1), CHECK ((n = NULL) IS NULL));
    COMMENT ON COLUMN t.v IS E'a\\b';
    INSERT INTO t VALUES (1, E'C:\\tmp', '{x,NULL,"NULL"}', NULL)
"""
READ_SETTINGS = {
    "standard_conforming_strings": ("on", "off"),
    "array_nulls": ("on", "off"),
    "transform_null_equals": ("off", "on"),
    "escape_string_warning": ("off", "off"),
}


@pytest.mark.parametrize("way", ["command", "psql"])
@pytest.mark.parametrize("parked_under", [0, 1])
@pytest.mark.parametrize("park", [archive_column, soft_drop_column])
def test_what_is_read_otherwise_under_other_settings_comes_back(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    park: Callable[..., Artifact],
    parked_under: int,
    way: str,
) -> None:
    monkeypatch.setattr(Database, "default_driver", "psycopg")

    def use(which: int) -> None:
        for name, values in READ_SETTINGS.items():
            database.execute(f"ALTER DATABASE {database.name} SET {name} = {values[which]}")

    database.execute(READ_OTHERWISE)
    before = database.dump()
    use(parked_under)
    parked = [database.do(park, "t", name) for name in ("v", "c", "n")]
    use(1 - parked_under)
    for artifact in parked:
        if way == "command":
            database.do(restore_column, artifact.id)
        else:
            database.psql(artifact.recovery_sql)
    use(0)
    assert database.dump() == before


def test_a_driver_that_would_change_backslashes_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "default_driver", "psycopg2")
    database.execute(READ_OTHERWISE)
    database.execute(f"ALTER DATABASE {database.name} SET standard_conforming_strings = off")
    before = database.dump_of_all()
    with pytest.raises(ConfigurationError, match="psycopg2 does not notice"):
        database.do(archive_column, "t", "v")
    assert database.dump_of_all() == before
    url = database.url().update_query_dict({"options": "-c standard_conforming_strings=on"})
    with sa.create_engine(url).begin() as connection:
        artifact = archive_column(connection, "t", "v")
        assert restore_column(connection, artifact.id).restored_as == "t.v"


def test_an_interrupt_that_took_the_connection_is_an_interrupt_still(database: Database) -> None:
    def interrupted(connection: sa.Connection) -> None:
        with pinned_settings(connection):
            connection.invalidate()
            raise KeyboardInterrupt

    with database.engine().connect() as connection:
        with pytest.raises(KeyboardInterrupt):
            interrupted(connection)
        connection.rollback()


def test_the_settings_of_the_session_are_put_back(database: Database) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    with database.engine().connect() as connection:
        for name, value in ODD_SETTINGS.items():
            connection.exec_driver_sql(f"SET {name} = {value}")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '7s'")
        before = _settings(connection)
        archive_column(connection, "t", "v")
        restore_column(connection, "t.v")
        archive_table(connection, "t")
        restore_table(connection, "t")
        assert _settings(connection) == before
        connection.commit()
        assert _settings(connection) == {**before, "lock_timeout": "0"}


def _settings(connection: sa.Connection) -> dict[str, str]:
    query = "SELECT name, current_setting(name) FROM pg_settings WHERE name NOT LIKE 'plpgsql.%%'"
    return {row[0]: row[1] for row in connection.exec_driver_sql(query)}


def test_the_order_of_rows_does_not_matter_but_each_row_does(database: Database) -> None:
    rows = "INSERT INTO t SELECT n, n % 7 FROM generate_series(1, 1000) AS n ORDER BY "
    in_order = checksum_of(database, "a int, b int", rows + "n")
    backwards = checksum_of(database, "a int, b int", rows + "-n")
    shuffled = checksum_of(database, "a int, b int", rows + "md5(n::text)")
    assert in_order == backwards == shuffled
    swapped = "; UPDATE t SET b = b + 1 WHERE a = 1; UPDATE t SET b = b - 1 WHERE a = 2"
    assert checksum_of(database, "a int, b int", rows + "n" + swapped) != in_order


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("(NULL, 'a')", "('', 'a')"),
        ("('a', NULL)", "('a', '')"),
        ("(NULL, 'a')", "('NULL', 'a')"),
        ("('a', 'b')", "('ab', '')"),
        ("('a', 'b')", "('b', 'a')"),
        ("('a,b', 'c')", "('a', 'b,c')"),
        ("('a\"', 'b')", "('a', '\"b')"),
        ("('a)', '(b')", "('a', ')(b')"),
        ("(E'a\\\\', 'b')", "('a', E'\\\\b')"),
        ("('1=1', '')", "('1', '1=')"),
        ("('a', 'b'), ('a', 'b')", "('a', 'b')"),
        ("('a', 'b'), ('a', 'b')", "('c', 'd'), ('c', 'd')"),
        ("('a', 'b'), ('a', 'b')", "('a', 'b'), ('a', 'b'), ('a', 'b'), ('a', 'b')"),
        ("('a ', 'b')", "('a', 'b')"),
        ("('ä', 'b')", "(U&'a\\0308', 'b')"),
    ],
)
@pytest.mark.parametrize("how", ["table", "column"])
def test_different_content_differs(database: Database, left: str, right: str, how: str) -> None:
    def of(values: str) -> str:
        database.execute(
            "DROP TABLE IF EXISTS t; CREATE TABLE t (id serial PRIMARY KEY, a text, b text);"
            f"INSERT INTO t (a, b) VALUES {values}"
        )
        if how == "table":
            return checksum(database, "t", "a", "b").checksum
        return (
            database.do(archive_column, "t", "a").checksum
            + database.do(archive_column, "t", "b").checksum
        )

    assert of(left) != of(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("('a', 'b', 'c')", "('a', 'bc', '')"),
        ("('1', '1=x', 'y')", "('1=1', 'x', 'y')"),
        ("('2', 'a', NULL)", "('2', 'a', '')"),
        ("('a', '1=b', 'c')", "('a', '1', 'b=c')"),
    ],
)
def test_the_boundaries_of_a_key_are_no_matter_of_chance(
    database: Database, left: str, right: str
) -> None:
    def of(values: str) -> str:
        database.execute(
            "DROP TABLE IF EXISTS t; CREATE TABLE t (a text, b text, v text, PRIMARY KEY (a, b));"
            f"INSERT INTO t VALUES {values}"
        )
        return database.do(archive_column, "t", "v").checksum

    assert of(left) != of(right)


def test_an_empty_table_and_one_without_columns_have_a_checksum(database: Database) -> None:
    database.execute("CREATE TABLE empty (id int PRIMARY KEY, v text); CREATE TABLE bare ()")
    for artifact in (
        database.do(archive_column, "empty", "v"),
        database.do(archive_table, "empty"),
        database.do(archive_table, "bare"),
    ):
        assert artifact.row_count == 0
        assert re.fullmatch("[0-9a-f]{32}", artifact.checksum)
        assert database.do(inspect_artifact, artifact.id).matches
    database.do(restore_table, "empty")
    database.do(restore_column, "empty.v")
    database.do(restore_table, "bare")


@pytest.mark.slow
@pytest.mark.parametrize("archive", ["table", "column"])
def test_more_than_a_gigabyte_is_no_limit(database: Database, archive: str) -> None:
    database.execute(
        "CREATE TABLE big (id int PRIMARY KEY, v text);"
        "INSERT INTO big SELECT n, repeat(md5(n::text), 400000) FROM generate_series(1, 90) AS n"
    )
    assert database.scalar("SELECT sum(length(v)) FROM big") > 2**30
    work: Callable[..., object] = archive_table if archive == "table" else archive_column
    database.do(work, *(["big"] if archive == "table" else ["big", "v"]))
    if archive == "table":
        assert database.do(restore_table, "big").warnings == ()
    else:
        database.do(restore_column, "big.v")
    wrong = "SELECT count(*) FROM big WHERE v <> repeat(md5(id::text), 400000)"
    assert database.scalar(wrong) == 0
