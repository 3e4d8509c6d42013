"""What is parked is compared with what was parked before anything comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import IntegrityError
from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    inspect_artifact,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)
from tests.support.database import Database

USERS = """
    CREATE TABLE users (id int PRIMARY KEY, note text UNIQUE, n int CHECK (n > 0));
    CREATE INDEX by_n ON users (n);
    INSERT INTO users VALUES (1, 'one', 1), (2, 'two', 2), (3, NULL, 3);
"""

CONTENT = {
    "row changed": "UPDATE {parked} SET {value} = 'tampered' WHERE {key} = 1",
    "row deleted": "DELETE FROM {parked} WHERE {key} = 1",
    "row added": "INSERT INTO {parked} ({key}, {value}) VALUES (4, 'four')",
    "value made NULL": "UPDATE {parked} SET {value} = NULL WHERE {key} = 1",
    "NULL made a value": "UPDATE {parked} SET {value} = '' WHERE {key} = 3",
    "values swapped": "UPDATE {parked} SET {value} = nullif({value}, 'one') WHERE {key} < 3;"
    " UPDATE {parked} SET {value} = 'one' WHERE {key} = 2;"
    " UPDATE {parked} SET {value} = 'two' WHERE {key} = 1",
    "key changed": "UPDATE {parked} SET {key} = 5 WHERE {key} = 1",
}


def is_refused_with_both_values(
    database: Database, artifact: Artifact, restore: Callable[..., Any], target: str
) -> None:
    before = database.dump_of_all()
    found = database.do(inspect_artifact, artifact.id)
    assert not found.matches
    with pytest.raises(IntegrityError) as refusal:
        database.do(restore, target)
    assert refusal.value.expected == found.expected_checksum
    assert refusal.value.actual == found.actual_checksum
    message = str(refusal.value)
    assert "Nothing has been restored" in message
    for needed in (
        found.expected_checksum,
        found.actual_checksum,
        "--force",
        f"inspect {artifact.id}",
    ):
        assert str(needed) in message
    assert database.dump_of_all() == before


@pytest.mark.parametrize("tamper", CONTENT.values(), ids=CONTENT)
@pytest.mark.parametrize("what", ["column", "table"])
def test_a_changed_archive_is_refused_and_force_takes_it_as_it_is(
    database: Database, what: str, tamper: str
) -> None:
    database.execute(USERS)
    if what == "column":
        artifact = database.do(archive_column, "users", "note")
        restore: Callable[..., Any] = restore_column
        target, names = "users.note", {"key": "key_1", "value": "value"}
    else:
        artifact = database.do(archive_table, "users")
        restore, target, names = restore_table, "users", {"key": "id", "value": "note"}
    database.execute(tamper.format(parked=artifact.parked_name, **names))
    kept = database.rows(
        f"SELECT {names['key']}, {names['value']} FROM {artifact.parked_name} ORDER BY 1"
    )
    is_refused_with_both_values(database, artifact, restore, target)
    report = database.do(restore, target, force=True)
    assert any(artifact.checksum in warning for warning in report.warnings)
    back = dict(database.rows("SELECT id, note FROM users"))
    assert {key: value for key, value in kept if key in back}.items() <= back.items()


@pytest.mark.parametrize("tamper", ["TYPE varchar(100)", "SET NOT NULL", 'TYPE text COLLATE "C"'])
def test_a_changed_parked_column_is_refused_and_force_takes_it_as_it_is(
    database: Database, tamper: str
) -> None:
    database.execute(USERS.replace("NULL", "'three'"))
    artifact = database.do(soft_drop_column, "users", "note")
    database.execute(f'ALTER TABLE users ALTER "{artifact.parked_column}" {tamper}')
    is_refused_with_both_values(database, artifact, restore_column, "users.note")
    report = database.do(restore_column, "users.note", force=True)
    assert any(artifact.checksum in warning for warning in report.warnings)
    assert database.rows("SELECT note FROM users ORDER BY id") == [("one",), ("two",), ("three",)]


@pytest.mark.parametrize(
    ("tamper", "left_out"),
    [
        ("ALTER TABLE {table} ALTER n TYPE bigint", []),
        ("ALTER TABLE {table} DROP n", ["by_n", "users_n_check"]),
        ("ALTER TABLE {table} ADD extra int", []),
        ("DROP INDEX {by_n}", ["by_n"]),
        ("ALTER TABLE {table} DROP CONSTRAINT {users_n_check}", ["users_n_check"]),
        ("ALTER TABLE {table} DROP CONSTRAINT {users_note_key}", ["users_note_key"]),
        ("CREATE INDEX extra ON {table} (n)", []),
    ],
)
@pytest.mark.parametrize("drop", [soft_drop_table, archive_table])
def test_a_changed_parked_table_is_refused_and_force_takes_it_as_it_is(
    database: Database, drop: Callable[..., Artifact], tamper: str, left_out: list[str]
) -> None:
    database.execute(USERS)
    artifact = database.do(drop, "users")
    names = {
        part["name"]: f'"{part["parked"]}"'
        for part in artifact.definition["holdings"][0]["parts"]
        if part["kind"] == "renamed"
    }
    schema = artifact.parked_schema
    names["by_n"] = f'"{schema}".{names["by_n"]}'
    database.execute(tamper.format(table=artifact.parked_name, **names))
    is_refused_with_both_values(database, artifact, restore_table, "users")
    report = database.do(restore_table, "users", force=True)
    assert any("structure" in warning for warning in report.warnings)
    assert sorted(each.split()[1] for each in report.left_out) == left_out
    assert database.rows("SELECT note FROM users ORDER BY id") == [("one",), ("two",), (None,)]


def test_a_row_written_to_a_soft_dropped_table_is_no_tampering(database: Database) -> None:
    """No row was counted when it was parked, which is why a soft drop takes no time."""
    database.execute(USERS)
    artifact = database.do(soft_drop_table, "users")
    database.execute(f"DELETE FROM {artifact.parked_name} WHERE id = 1")
    assert database.do(restore_table, "users").warnings == ()


def test_a_dry_run_verifies_too(database: Database) -> None:
    database.execute(USERS)
    artifact = database.do(archive_column, "users", "note")
    database.execute(f"DELETE FROM {artifact.parked_name} WHERE key_1 = 1")
    with pytest.raises(IntegrityError):
        database.do(restore_column, "users.note", dry_run=True)
