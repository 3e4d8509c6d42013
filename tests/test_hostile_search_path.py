"""Whatever lies on the search path of a session, only PostgreSQL's own objects are called."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from alembic_zanith import recovery
from alembic_zanith.errors import DependentObjectsError, UnknownObjectError
from alembic_zanith.workspace import Workspace
from tests.support.database import Database
from tests.support.twins import STRATEGIES, Dropped

pytestmark = pytest.mark.majors

HOSTILE = (Path(__file__).parent / "support" / "hostile.sql").read_text(encoding="utf-8")
WORKSPACE = Workspace(bookkeeping_schema="public")
TARGETS = pytest.mark.parametrize("target", ["t.gone", "t"], ids=["column", "table"])

PATHS = {
    "before pg_catalog": "hostile, pg_catalog, public",
    "after pg_catalog": "hostile, public",
}


@dataclass
class Hostile:
    """A database and the search path that its sessions have."""

    database: Database
    path: str

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        with self.database.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL search_path = {self.path}")
            yield connection


@pytest.fixture(params=PATHS.values(), ids=list(PATHS))
def hostile(database: Database, request: pytest.FixtureRequest) -> Hostile:
    """A table to work on, and a schema that wants to get in between."""
    database.execute(
        "CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
        "CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1), (2);"
        "CREATE TABLE t (id text PRIMARY KEY, n serial, p positive, m mood DEFAULT 'good',"
        " gone serial UNIQUE REFERENCES other CHECK (gone > 0), EXCLUDE (gone WITH =));"
        "CREATE INDEX ON t (abs(gone)) WHERE gone > 3; CREATE STATISTICS stats ON n, gone FROM t;"
        "INSERT INTO t (id) VALUES ('a'), ('b'); COMMENT ON COLUMN t.gone IS 'the old one'"
    )
    database.execute(HOSTILE)
    return Hostile(database, request.param)


@TARGETS
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_parked_looked_at_and_restored(hostile: Hostile, strategy: str, target: str) -> None:
    before = hostile.database.dump()
    dropped = Dropped.parse(target)
    output = io.BytesIO()
    with hostile.begin() as connection:
        artifact = dropped.park(connection, strategy, workspace=WORKSPACE)
    with hostile.begin() as connection:
        (listed,) = recovery.list_artifacts(connection, workspace=WORKSPACE)
        assert listed.artifact.id == artifact.id
        assert recovery.inspect_artifact(connection, target, workspace=WORKSPACE).matches
        recovery.export_artifact(connection, target, output=output, workspace=WORKSPACE)
        assert output.getvalue().count(b"\n") == 3
    with hostile.begin() as connection:
        dropped.restore(connection, dry_run=True, workspace=WORKSPACE)
        dropped.restore(connection, workspace=WORKSPACE)
    assert hostile.database.dump() == before


@TARGETS
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_restored_by_psql(hostile: Hostile, strategy: str, target: str) -> None:
    before = hostile.database.dump()
    with hostile.begin() as connection:
        artifact = Dropped.parse(target).park(connection, strategy, workspace=WORKSPACE)
    hostile.database.psql(f"SET search_path = {hostile.path}; {artifact.recovery_sql}")
    assert hostile.database.dump() == before


@pytest.mark.parametrize("way", ["command", "psql"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_types_are_made_of(hostile: Hostile, strategy: str, way: str) -> None:
    hostile.database.execute(
        "CREATE TYPE pair AS (m mood, p positive); CREATE DOMAIN pairs AS pair[];"
        "CREATE TABLE u (id mood PRIMARY KEY, v pairs);"
        "INSERT INTO u VALUES ('good', ARRAY[CAST(ROW('bad', 1) AS pair)])"
    )
    before = hostile.database.dump()
    with hostile.begin() as connection:
        artifact = Dropped.parse("u.v").park(connection, strategy, workspace=WORKSPACE)
    if way == "psql":
        hostile.database.psql(f"SET search_path = {hostile.path}; {artifact.recovery_sql}")
    else:
        with hostile.begin() as connection:
            recovery.restore_column(connection, "u.v", workspace=WORKSPACE)
    assert hostile.database.dump() == before


@TARGETS
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_purged(hostile: Hostile, strategy: str, target: str) -> None:
    with hostile.begin() as connection:
        Dropped.parse(target).park(connection, strategy, workspace=WORKSPACE)
    with hostile.begin() as connection:
        assert recovery.cleanup(connection, dry_run=True, workspace=WORKSPACE) == []
        assert recovery.purge(connection, target, workspace=WORKSPACE).dropped


def test_refusals_come_as_they_should(hostile: Hostile) -> None:
    with hostile.begin() as connection, pytest.raises(UnknownObjectError, match="gone"):
        recovery.soft_drop_column(connection, "t", "gon", workspace=WORKSPACE)
    with hostile.begin() as connection, pytest.raises(UnknownObjectError):
        recovery.soft_drop_table(connection, "nowhere", workspace=WORKSPACE)
    with hostile.begin() as connection, pytest.raises(DependentObjectsError) as refused:
        recovery.archive_table(connection, "other", workspace=WORKSPACE)
    assert "t_gone_fkey" in str(refused.value)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_session_keeps_its_search_path(hostile: Hostile, strategy: str) -> None:
    with hostile.begin() as connection:
        before = connection.exec_driver_sql("SHOW search_path").scalar()
        Dropped.parse("t.gone").park(connection, strategy, workspace=WORKSPACE)
        assert connection.exec_driver_sql("SHOW search_path").scalar() == before
        with pytest.raises(UnknownObjectError):
            recovery.restore_column(connection, "t.nothing", workspace=WORKSPACE)
        assert connection.exec_driver_sql("SHOW search_path").scalar() == before
