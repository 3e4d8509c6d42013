"""The bookkeeping tables appear on first use, grow with new versions, and are in nobody's way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from alembic_zanith import bookkeeping_ddl
from alembic_zanith.artifacts import ArtifactStore
from alembic_zanith.errors import MissingPrivilegeError, UnknownObjectError
from alembic_zanith.models import BOOKKEEPING_TABLES, Base
from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    list_artifacts,
    restore_column,
    soft_drop_column,
    soft_drop_table,
)
from alembic_zanith.workspace import Workspace
from tests.support.database import Database

TABLES = {
    "_zanith_migrations",
    "_zanith_migration_steps",
    "_zanith_schema_snapshots",
    "_zanith_migration_artifacts",
    "_zanith_migration_checkpoints",
}


def ensure(database: Database, workspace: Workspace | None = None) -> None:
    def work(connection: sa.Connection) -> None:
        ArtifactStore(connection, workspace).ensure()

    database.do(work)


def tables_in(database: Database, schema: str) -> set[str]:
    found = database.rows(f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'")
    return {name for (name,) in found}


def test_there_are_five_tables_of_the_published_names(database: Database) -> None:
    assert BOOKKEEPING_TABLES == TABLES
    ensure(database)
    assert tables_in(database, "public") == TABLES


def test_the_tables_are_those_of_the_models(database: Database) -> None:
    ensure(database)
    inspector = sa.inspect(database.engine())
    dialect = database.engine().dialect
    for table in Base.metadata.sorted_tables:
        found = {column["name"]: column for column in inspector.get_columns(table.name)}
        assert list(found) == [column.name for column in table.columns]
        for column in table.columns:
            assert found[column.name]["nullable"] == column.nullable
            # FLOAT is what DOUBLE PRECISION is asked for by.
            expected = column.type.compile(dialect).replace("FLOAT", "DOUBLE PRECISION")
            assert found[column.name]["type"].compile(dialect) == expected


def test_the_sql_that_makes_them_is_what_the_models_say() -> None:
    here = sa.MetaData()
    placed = [table.to_metadata(here, schema="s") for table in Base.metadata.sorted_tables]
    dialect = sa.create_engine("postgresql+psycopg://").dialect
    written = list[str]()
    for table in placed:
        written.append(str(CreateTable(table).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        written += [str(CreateIndex(each).compile(dialect=dialect)) for each in indexes]
    statements = bookkeeping_ddl.CREATE.format(schema="s").split(";")
    assert [" ".join(each.split()) for each in statements] == [
        " ".join(each.split()) for each in written
    ]
    assert list(bookkeeping_ddl.TABLES) == [table.name for table in placed]


def test_making_them_again_changes_nothing(database: Database) -> None:
    ensure(database)
    before = database.dump_of_all()
    ensure(database)
    assert database.dump_of_all() == before


def test_nothing_is_made_by_looking(database: Database) -> None:
    assert database.do(list_artifacts) == []
    with pytest.raises(UnknownObjectError):
        database.do(restore_column, "users.note")
    assert tables_in(database, "public") == set()


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_table_of_an_older_version_gets_what_it_lacks(database: Database, table: str) -> None:
    ensure(database)
    complete = _columns(database, table)
    keys = sa.inspect(database.engine()).get_pk_constraint(table)["constrained_columns"]
    for column in set(complete) - set(keys):
        database.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    ensure(database)
    assert _columns(database, table) == complete


def _columns(database: Database, table: str) -> dict[str, str]:
    return dict(
        database.rows(
            "SELECT attname::text, format_type(atttypid, atttypmod) || attnotnull"
            f" FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0"
            " AND NOT attisdropped"
        )
    )


def test_an_artifact_outlives_an_upgrade_of_its_table(database: Database) -> None:
    database.execute(
        "CREATE TABLE users (id int PRIMARY KEY, note text); INSERT INTO users VALUES (1, 'a')"
    )
    database.do(soft_drop_column, "users", "note")
    database.execute(
        "ALTER TABLE _zanith_migration_artifacts DROP restore_report, DROP restored_as"
    )
    database.execute("CREATE TABLE other (id int)")
    database.do(soft_drop_table, "other")
    assert len(database.do(list_artifacts)) == 2
    database.do(restore_column, "users.note")
    assert database.scalar("SELECT note FROM users") == "a"


def test_a_table_of_an_older_version_can_be_read(database: Database) -> None:
    database.execute("CREATE TABLE users (id int PRIMARY KEY, note text)")
    database.do(soft_drop_column, "users", "note")
    database.execute("ALTER TABLE _zanith_migration_artifacts DROP restore_report")
    assert len(database.do(list_artifacts)) == 1


@pytest.mark.parametrize("sessions", [2, 10])
def test_sessions_that_make_them_at_once_all_succeed(database: Database, sessions: int) -> None:
    for number in range(sessions):
        database.execute(f"CREATE TABLE t{number} (id int PRIMARY KEY, v int)")
    together = threading.Barrier(sessions)

    def park(number: int) -> str:
        with database.begin() as connection:
            connection.exec_driver_sql("SELECT 1")
            together.wait()
            (archive_column if number % 2 else soft_drop_column)(connection, f"t{number}", "v")
        return "parked"

    with ThreadPoolExecutor(sessions) as pool:
        assert list(pool.map(park, range(sessions))) == ["parked"] * sessions
    assert tables_in(database, "public") >= TABLES
    assert len(database.do(list_artifacts)) == sessions


@pytest.mark.parametrize("schema", ["audit", 'Odd "schema".name%'])
def test_they_lie_in_the_schema_that_the_workspace_names(database: Database, schema: str) -> None:
    quoted = '"' + schema.replace('"', '""') + '"'
    database.execute(f"CREATE SCHEMA {quoted}; CREATE TABLE users (id int PRIMARY KEY, note text)")
    workspace = Workspace(bookkeeping_schema=schema)
    database.do(soft_drop_column, "users", "note", workspace=workspace)
    assert tables_in(database, schema) == TABLES
    assert tables_in(database, "public") == {"users"}
    assert database.do(list_artifacts) == []
    (found,) = database.do(list_artifacts, workspace=workspace)
    database.psql(found.artifact.recovery_sql)
    report = database.do(restore_column, "users.note", workspace=workspace)
    assert report.already_restored


def test_a_schema_for_them_that_is_not_there_is_named(database: Database) -> None:
    database.execute("CREATE TABLE users (id int PRIMARY KEY, note text)")
    with pytest.raises(UnknownObjectError, match='CREATE SCHEMA "nowhere"'):
        database.do(
            soft_drop_column, "users", "note", workspace=Workspace(bookkeeping_schema="nowhere")
        )
    assert database.do(list_artifacts, workspace=Workspace(bookkeeping_schema="nowhere")) == []


def test_archives_lie_in_the_schema_that_the_workspace_names(database: Database) -> None:
    database.execute(
        "CREATE TABLE users (id int PRIMARY KEY, note text); INSERT INTO users VALUES (1, 'a')"
    )
    workspace = Workspace(archive_schema="Attic 100%")
    artifact = database.do(archive_column, "users", "note", workspace=workspace)
    assert artifact.parked_schema == "Attic 100%"
    assert tables_in(database, "_zanith_archive") == set()
    database.do(restore_column, "users.note")
    assert database.scalar("SELECT note FROM users") == "a"


class TestPrivileges:
    """A role that owns its tables and may do little else."""

    @pytest.fixture
    def role(self, database: Database) -> str:
        name = database.role("app")
        database.execute(
            "CREATE TABLE users (id int PRIMARY KEY, note text);"
            f"ALTER TABLE users OWNER TO {name};"
            "CREATE TABLE theirs (id int PRIMARY KEY, note text);"
            f"REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO {name}"
        )
        return name

    def is_refused(
        self, database: Database, role: str, work: Callable[..., object], *arguments: str
    ) -> str:
        before = database.dump_of_all()
        with database.engine().begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
            with pytest.raises(MissingPrivilegeError) as refusal, connection.begin_nested():
                work(connection, *arguments)
        assert database.dump_of_all() == before
        message = str(refusal.value)
        assert role in message
        assert "Nothing has changed" in message
        return message

    def test_without_create_on_the_schema(self, database: Database, role: str) -> None:
        message = self.is_refused(database, role, soft_drop_column, "users", "note")
        (statement,) = [line for line in message.splitlines() if "GRANT" in line]
        assert statement.strip() == f'GRANT CREATE, USAGE ON SCHEMA "public" TO "{role}";'
        database.execute(statement)
        with database.engine().begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
            soft_drop_column(connection, "users", "note")

    @pytest.mark.parametrize("archive", [archive_column, archive_table])
    def test_without_create_on_the_database(
        self, database: Database, role: str, archive: Callable[..., object]
    ) -> None:
        database.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
        arguments = ["users", "note"] if archive is archive_column else ["users"]
        message = self.is_refused(database, role, archive, *arguments)
        (statement,) = [line for line in message.splitlines() if "CREATE SCHEMA" in line]
        assert statement.strip() == (f'CREATE SCHEMA "_zanith_archive" AUTHORIZATION "{role}";')
        database.execute(statement)
        with database.engine().begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
            archive(connection, *arguments)

    def test_an_archive_schema_of_somebody_else(self, database: Database, role: str) -> None:
        database.execute(f"GRANT CREATE ON SCHEMA public TO {role}; CREATE SCHEMA _zanith_archive")
        message = self.is_refused(database, role, archive_column, "users", "note")
        assert f'GRANT CREATE, USAGE ON SCHEMA "_zanith_archive" TO "{role}";' in message

    @pytest.mark.parametrize("drop", [soft_drop_column, archive_column, soft_drop_table])
    def test_a_table_of_somebody_else(
        self, database: Database, role: str, drop: Callable[..., object]
    ) -> None:
        database.execute(f"GRANT CREATE ON SCHEMA public TO {role}; GRANT ALL ON theirs TO {role}")
        arguments = ["theirs"] if drop is soft_drop_table else ["theirs", "note"]
        message = self.is_refused(database, role, drop, *arguments)
        assert "owner of public.theirs" in message
        assert "postgres" in message
