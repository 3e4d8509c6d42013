"""`export_artifact` writes every row of an artifact, exactly, as it streams."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from alembic_zanith.errors import DataMissingError, UnknownObjectError
from alembic_zanith.recovery import (
    ExportReport,
    archive_column,
    archive_table,
    export_artifact,
    purge,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)
from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.drivers import DRIVERS, in_transaction

USERS = """
CREATE TABLE users (
    id int PRIMARY KEY, legacy_uuid uuid, note text
);
INSERT INTO users VALUES
    (1, '00000000-0000-0000-0000-000000000001', 'plain'),
    (2, NULL, NULL),
    (3, '00000000-0000-0000-0000-000000000003', E'comma, "quote"\\nline');
"""

EVERY_TYPE = r"""
CREATE TYPE mood AS ENUM ('sad', 'so, so');
CREATE TYPE pair AS (a int, b json);
CREATE TABLE everything (
    "Id ""q"" n" bigint, "exported" text, n numeric(30, 10), f float8, b boolean, raw bytea,
    d date, at timestamptz, span interval, j json, jb jsonb, words text[], m mood, p pair,
    c char(5)
);
INSERT INTO everything VALUES
    (1, E'tab\t \. "q" \x01\x02 ž 漢', 1.5, 0.1::float8 + 0.2, true, '\xdeadbeef',
     '2026-05-01', '2026-05-01 11:30+02', '1 day 2 hours', E'{"a":\n [1,\r\n2]}',
     '{"k": "v\n"}', ARRAY['x,y', NULL, '"'], 'so, so', ROW(1, E'{"in":\n1}'), 'ab'),
    (2, '', 'NaN', 'Infinity', false, '', 'infinity', NULL, NULL, NULL, 'null', '{}', NULL,
     NULL, ''),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""

PECULIAR_SETTINGS = (
    "SET DateStyle = 'German'",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET IntervalStyle = 'iso_8601'",
    "SET extra_float_digits = -10",
    "SET bytea_output = 'escape'",
)


def exported(connection: sa.Connection, target: str, form: str = "csv") -> str:
    output = io.BytesIO()
    report = export_artifact(connection, target, format=form, output=output)
    assert report.bytes == len(output.getvalue())
    return output.getvalue().decode()


def park(database: Database, operation: Any, *names: str) -> str:
    with database.begin() as connection:
        artifact = operation(connection, *names)
        return str(artifact.id)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("operation", [soft_drop_column, archive_column])
def test_a_column_is_exported_with_the_key_of_its_table(
    database: Database, driver: str, operation: Any
) -> None:
    database.execute(USERS)
    park(database, operation, "users", "note")
    text = in_transaction(database, driver, lambda c: exported(c, "users.note"))
    assert text == 'id,note\n1,plain\n2,\n3,"comma, ""quote""\nline"\n'


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("operation", [soft_drop_table, archive_table])
def test_csv_is_what_copy_writes_byte_for_byte(
    database: Database, driver: str, operation: Any
) -> None:
    database.execute(EVERY_TYPE)
    settings = "SET TimeZone = 'UTC';\n"
    expected = database.psql(settings + "\\copy everything TO STDOUT (FORMAT csv, HEADER)\n")
    park(database, operation, "everything")
    text = in_transaction(database, driver, lambda c: exported(c, "everything"))
    assert text.replace("\r\n", "\n") == expected  # psql's output was read as text


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_json_is_what_the_server_makes_of_each_row(
    database: Database, driver: str, form: str
) -> None:
    database.execute(EVERY_TYPE)
    with database.begin() as connection:
        connection.exec_driver_sql("SET TimeZone = 'UTC'")
        result = connection.exec_driver_sql("SELECT row_to_json(everything.*) FROM everything")
        expected = list(result.scalars())
    park(database, soft_drop_table, "everything")
    text = in_transaction(database, driver, lambda c: exported(c, "everything", form))
    if form == "json":
        assert json.loads(text) == expected
    else:
        assert text.count("\n") == len(expected) == 3
        assert [json.loads(line) for line in text.splitlines()] == expected


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_the_settings_of_the_session_change_nothing(
    database: Database, driver: str, form: str
) -> None:
    database.execute(EVERY_TYPE)
    park(database, soft_drop_table, "everything")

    def under_peculiar_settings(connection: sa.Connection) -> str:
        for setting in PECULIAR_SETTINGS:
            connection.exec_driver_sql(setting)
        text = exported(connection, "everything", form)
        assert connection.scalar(sa.text("SHOW TimeZone")) == "Asia/Tokyo"
        return text

    plain = in_transaction(database, driver, lambda c: exported(c, "everything", form))
    assert in_transaction(database, driver, under_peculiar_settings) == plain


@pytest.mark.parametrize(("form", "empty"), [("csv", "id,note\n"), ("jsonl", ""), ("json", "[]\n")])
def test_an_artifact_without_rows_is_exported_too(
    database: Database, form: str, empty: str
) -> None:
    database.execute("CREATE TABLE users (id int PRIMARY KEY, note text)")
    park(database, archive_column, "users", "note")
    with database.begin() as connection:
        assert exported(connection, "users.note", form) == empty


def test_a_key_of_several_columns_comes_in_its_own_order(database: Database) -> None:
    database.execute(
        'CREATE TABLE t (a int, v text, "B" int, PRIMARY KEY ("B", a));'
        "INSERT INTO t VALUES (1, 'x', 2)"
    )
    park(database, soft_drop_column, "t", "v")
    with database.begin() as connection:
        assert exported(connection, "t.v") == "B,a,v\n2,1,x\n"
        restore_column(connection, "t.v")
        archive_column(connection, "t", "v")
        assert exported(connection, "t.v") == "B,a,v\n2,1,x\n"


def test_a_column_of_a_table_without_a_key_is_exported_alone(database: Database) -> None:
    database.execute("CREATE TABLE t (v int); INSERT INTO t VALUES (1), (1)")
    park(database, soft_drop_column, "t", "v")
    with database.begin() as connection:
        assert exported(connection, "t.v") == "v\n1\n1\n"


def test_a_new_key_that_took_the_name_does_not_hide_the_value(database: Database) -> None:
    database.execute("CREATE TABLE t (id text); INSERT INTO t VALUES ('old')")
    artifact_id = park(database, soft_drop_column, "t", "id")
    database.execute("ALTER TABLE t ADD COLUMN id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
    with database.begin() as connection:
        assert exported(connection, artifact_id) == f"id,_zanith_dropped_id_{artifact_id}\n1,old\n"


def test_a_column_is_found_though_its_table_was_renamed_since(database: Database) -> None:
    database.execute(USERS)
    park(database, soft_drop_column, "users", "note")
    database.execute("CREATE SCHEMA moved; ALTER TABLE users SET SCHEMA moved")
    database.execute("ALTER TABLE moved.users RENAME TO people")
    with database.begin() as connection:
        assert exported(connection, "users.note").startswith("id,note\n1,plain\n")


def test_a_partitioned_table_is_exported_with_its_partitions(database: Database) -> None:
    database.execute(
        "CREATE TABLE log (id int, day date) PARTITION BY RANGE (id);"
        "CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM (10) TO (20);"
        "INSERT INTO log VALUES (1), (11)"
    )
    park(database, soft_drop_table, "log")
    with database.begin() as connection:
        assert exported(connection, "log") == "id,day\n1,\n11,\n"


def test_the_newest_live_artifact_of_a_name_is_exported(database: Database) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)")
    with database.begin() as connection:
        soft_drop_column(connection, "t", "v")
    database.execute("ALTER TABLE t ADD COLUMN v int DEFAULT 2")
    with database.begin() as connection:
        soft_drop_column(connection, "t", "v")
        assert exported(connection, "t.v") == "id,v\n1,2\n"
        restore_column(connection, "t.v")
        assert exported(connection, "t.v") == "id,v\n1,1\n"


def test_what_was_restored_is_not_there_to_export(database: Database) -> None:
    database.execute(USERS)
    park(database, soft_drop_table, "users")
    with database.begin() as connection:
        restore_table(connection, "users", as_name="people")
        with pytest.raises(DataMissingError, match=r"was restored, as people\. Read it there"):
            exported(connection, "users")


def test_data_that_something_else_dropped_is_reported_missing(database: Database) -> None:
    database.execute(USERS)
    artifact_id = park(database, archive_column, "users", "note")
    database.execute("DROP SCHEMA _zanith_archive CASCADE")
    with database.begin() as connection:
        with pytest.raises(DataMissingError, match=f"purge {artifact_id}"):
            exported(connection, "users.note")
        purge(connection, "users.note")
        with pytest.raises(UnknownObjectError):
            exported(connection, "users.note")


def test_rows_and_progress_are_counted(database: Database) -> None:
    database.execute(
        "CREATE TABLE t (id int, v text);"
        "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i"
    )
    park(database, soft_drop_table, "t")
    seen: list[int] = []
    with database.begin() as connection:
        report: ExportReport = export_artifact(
            connection, "t", format="jsonl", output=io.BytesIO(), on_progress=seen.append
        )
    assert report.rows == 20000
    assert report.artifact.source_table == "t"
    assert len(seen) > 5
    assert seen == sorted(seen)
    assert seen[-1] == 20000


class FullDisk(io.BytesIO):
    """Takes so many blocks, then no more."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def write(self, data: Any, /) -> int:
        self._room -= 1
        if self._room < 0:
            raise OSError(28, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("rows", "room"), [(20000, 1), (20000, 0), (10, 0)])
def test_an_output_that_fails_leaves_the_connection_usable(
    database: Database, driver: str, rows: int, room: int
) -> None:
    database.execute(
        "CREATE TABLE t (v text);"
        f"INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, {rows})"
    )
    park(database, soft_drop_table, "t")

    def fail_then_go_on(connection: sa.Connection) -> int:
        with pytest.raises(OSError, match="No space left"):
            export_artifact(connection, "t", output=FullDisk(room))
        return int(connection.execute(sa.text("SELECT 7")).scalar_one())

    assert in_transaction(database, driver, fail_then_go_on) == 7


class Trickle(io.RawIOBase):
    """Takes at most ten bytes at a time, as a raw file may."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.taken += bytes(data)[:10]
        return len(bytes(data)[:10])


def test_an_output_that_takes_a_little_at_a_time_gets_all(database: Database) -> None:
    database.execute(USERS)
    park(database, soft_drop_table, "users")
    output = Trickle()
    with database.begin() as connection:
        export_artifact(connection, "users", output=output)  # type: ignore[arg-type]  # raw file
        assert output.taken.decode() == exported(connection, "users")


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_error_of_the_server_is_one_of_sqlalchemy(database: Database, driver: str) -> None:
    database.execute("CREATE TABLE t (v int); INSERT INTO t VALUES (1)")
    park(database, soft_drop_table, "t")
    role = database.role("reader")
    database.execute(
        f"GRANT SELECT ON _zanith_migration_artifacts TO {role};"
        f"GRANT USAGE ON SCHEMA public TO {role}"
    )

    def as_reader(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"SET ROLE {role}")
        with pytest.raises(sa.exc.DBAPIError, match="permission denied for table"):
            export_artifact(connection, "t", output=io.BytesIO())
        connection.rollback()

    in_transaction(database, driver, as_reader)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_connection_lost_in_the_middle_is_an_error_that_says_so(
    database: Database, driver: str
) -> None:
    database.execute(
        "CREATE TABLE t (v text);"
        "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
    )
    park(database, soft_drop_table, "t")

    class Killing(io.BytesIO):
        def write(self, data: Any, /) -> int:
            if self.tell() == 0:
                database.kill_connections()
            return super().write(data)

    with pytest.raises(sa.exc.DBAPIError) as caught:
        in_transaction(database, driver, lambda c: export_artifact(c, "t", output=Killing()))
    assert caught.value.connection_invalidated


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize(
    ("template", "driver"),
    [("generic", "psycopg"), ("generic", "psycopg2"), ("async", "asyncpg")],
)
def test_the_whole_command_stays_under_100_megabytes(
    make_project: MakeProject, database: Database, template: str, driver: str, form: str
) -> None:
    """With five million rows as well: nothing that is kept grows with them."""
    database.execute(
        "CREATE TABLE t (id int, v text);"
        "INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 1500000) i"
    )
    park(database, soft_drop_table, "t")
    project = make_project(template, driver)
    program = textwrap.dedent(
        """
        import re, sys, alembic.config
        try:
            alembic.config.main(["zanith-recover", "export", "t", "-o", "/dev/null", *sys.argv[1:]])
        except SystemExit as end:
            assert not end.code
        peak = re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())
        print(int(peak[1]) // 1024)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--format", form],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1,500,000 rows" in done.stdout
    assert int(done.stdout.split()[-1]) < 100


def test_a_csv_reader_gets_the_values_back(database: Database) -> None:
    database.execute(USERS)
    park(database, archive_column, "users", "note")
    with database.begin() as connection:
        (header, *rows) = csv.reader(io.StringIO(exported(connection, "users.note")))
    assert header == ["id", "note"]
    assert rows[2] == ["3", 'comma, "quote"\nline']
