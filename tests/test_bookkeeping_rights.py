"""A role without rights on the list of what is parked is told which GRANT it lacks."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from alembic_zanith.errors import MissingPrivilegeError
from alembic_zanith.recovery import (
    archive_column,
    cleanup,
    export_artifact,
    inspect_artifact,
    list_artifacts,
    purge,
    restore_column,
    soft_drop_column,
)
from alembic_zanith.workspace import Workspace
from tests.support.database import Database
from tests.support.drivers import DRIVERS, in_transaction

LIST = '"public"."_zanith_migration_artifacts"'
EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"

CALLS: dict[str, Callable[..., Any]] = {
    "list": list_artifacts,
    "list_of_public": lambda connection: list_artifacts(
        connection, workspace=Workspace(bookkeeping_schema="public")
    ),
    "inspect": lambda connection: inspect_artifact(connection, "t.parked"),
    "export": lambda connection: export_artifact(connection, "t.parked", output=io.BytesIO()),
    "soft_drop": lambda connection: soft_drop_column(connection, "t", "v"),
    "archive": lambda connection: archive_column(connection, "t", "v"),
    "restore": lambda connection: restore_column(connection, "t.parked"),
    "purge": lambda connection: purge(connection, "t.parked"),
    "cleanup": lambda connection: cleanup(connection, older_than=dt.timedelta()),
}
READING = ["list", "inspect", "export", "restore", "purge", "cleanup"]
WRITING = ["soft_drop", "archive", "restore", "purge"]


@pytest.fixture
def role(database: Database) -> str:
    """A role that owns a table whose column `parked` the superuser has parked."""
    name = database.role("app")
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v text, parked text)")
    database.do(soft_drop_column, "t", "parked")
    database.execute(
        f"ALTER TABLE t OWNER TO {name}; GRANT CREATE, USAGE ON SCHEMA public TO {name};"
        f"CREATE SCHEMA _zanith_archive AUTHORIZATION {name}"
    )
    return name


def grants(database: Database, role: str, call: str, driver: str = "psycopg") -> list[str]:
    """Call a function as a role that may not; return the statements that the message offers."""

    def refused(connection: sa.Connection) -> str:
        connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
        with pytest.raises(MissingPrivilegeError) as refusal:
            CALLS[call](connection)
        return str(refusal.value)

    before = database.dump_of_all()
    message = in_transaction(database, driver, refused)
    assert database.dump_of_all() == before
    assert f"Role {role} may not use public._zanith_migration_artifacts" in message
    assert "Nothing has changed" in message
    return [line.strip() for line in message.splitlines() if line.strip().startswith("GRANT")]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("call", READING)
def test_who_may_not_read_the_list_is_told_so(
    database: Database, role: str, call: str, driver: str
) -> None:
    assert grants(database, role, call, driver) == [f'GRANT SELECT ON TABLE {LIST} TO "{role}";']


@pytest.mark.parametrize("call", WRITING)
def test_who_may_not_write_to_the_list_is_told_so(database: Database, role: str, call: str) -> None:
    database.execute(f"GRANT SELECT ON {LIST} TO {role}")
    (grant,) = grants(database, role, call)
    assert grant == f'GRANT {EVERYTHING} ON TABLE {LIST} TO "{role}";'
    database.execute(grant)
    with database.begin(role=role) as connection:
        CALLS[call](connection)


def test_a_cleanup_says_it_of_each_purge(database: Database, role: str) -> None:
    database.execute(f"GRANT SELECT ON {LIST} TO {role}")
    with database.begin(role=role) as connection:
        (report,) = CALLS["cleanup"](connection)
    assert f"GRANT {EVERYTHING} ON TABLE {LIST}" in str(report.error)


def test_who_may_not_look_into_the_schema_is_told_so(database: Database, role: str) -> None:
    database.execute(f"REVOKE ALL ON SCHEMA public FROM {role}, PUBLIC")
    both = [
        f'GRANT USAGE ON SCHEMA "public" TO "{role}";',
        f'GRANT SELECT ON TABLE {LIST} TO "{role}";',
    ]
    assert set(both) == set(grants(database, role, "list_of_public"))
    database.execute(" ".join(both))
    with database.begin(role=role) as connection:
        assert len(CALLS["list_of_public"](connection)) == 1


def test_rights_on_columns_are_rights(database: Database, role: str) -> None:
    database.execute(
        f"GRANT SELECT ON {LIST} TO {role};"
        f"GRANT UPDATE (status, restored_at, restored_as, restore_report) ON {LIST} TO {role}"
    )
    with database.begin(role=role) as connection:
        restore_column(connection, "t.parked")


def test_only_the_owner_can_add_what_a_newer_version_brought(database: Database, role: str) -> None:
    database.execute(f"GRANT ALL ON {LIST} TO {role}; ALTER TABLE {LIST} DROP restore_report")
    with (
        database.begin(role=role) as connection,
        pytest.raises(MissingPrivilegeError, match="is not the owner of public"),
    ):
        CALLS["soft_drop"](connection)
