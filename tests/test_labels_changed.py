"""Enum labels that are others by the time values and keys come back, which are told by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alembic_zanith.errors import KeyChangedError, LabelChangedError
from alembic_zanith.recovery import archive_column, restore_column, soft_drop_column
from tests.support.database import Database, PsqlFailed

pytestmark = pytest.mark.majors

USES = {
    "key": ("mood", "text", "('a', 'x'), ('b', 'y')"),
    "domain as key": ("mood_domain", "text", "('a', 'x'), ('b', 'y')"),
    "field of a key": ("mood_field", "text", "('(a)', 'x'), ('(b)', 'y')"),
    "value": ("int", "mood", "(1, 'a'), (2, 'b')"),
    "array": ("int", "mood[]", "(1, '{a}'), (2, '{b}')"),
    "domain": ("int", "mood_domain", "(1, 'a'), (2, 'b')"),
    "field": ("int", "mood_field[]", "(1, '{(a)}'), (2, '{(b)}')"),
}
EACH_USE = pytest.mark.parametrize("use", USES)

RENAME = "ALTER TYPE mood RENAME VALUE '{}' TO '{}'"
RENAMED = RENAME.format("a", "c")
RENAMED_BACK = RENAME.format("c", "a")
SWAPPED = f"{RENAMED}; {RENAME.format('b', 'a')}; {RENAME.format('c', 'b')}"


def moods(database: Database, use: str) -> None:
    key, value, content = USES[use]
    database.execute(
        "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE DOMAIN mood_domain AS mood;"
        "CREATE TYPE mood_field AS (x mood_domain);"
        f"CREATE TABLE t (id {key} PRIMARY KEY, v {value}); INSERT INTO t VALUES {content}"
    )


@EACH_USE
@pytest.mark.parametrize(
    ("change", "back", "now"),
    [(RENAMED, RENAMED_BACK, "c"), (SWAPPED, SWAPPED, "b")],
    ids=["renamed", "swapped"],
)
def test_values_do_not_go_to_another_label(
    database: Database, use: str, change: str, back: str, now: str
) -> None:
    moods(database, use)
    before = database.rows("SELECT * FROM t")
    artifact = database.do(archive_column, "t", "v")
    database.execute(change)
    with pytest.raises(LabelChangedError, match=f"type public.mood .* 'a' is called '{now}'"):
        database.do(restore_column, "t.v")
    with pytest.raises(PsqlFailed, match=f"'a' of the type public.mood is called '{now}'"):
        database.psql(artifact.recovery_sql)
    database.execute(back)
    database.psql(artifact.recovery_sql)
    assert database.rows("SELECT * FROM t") == before


@EACH_USE
@pytest.mark.parametrize("way", ["command", "psql"])
@pytest.mark.parametrize("park", [archive_column, soft_drop_column])
def test_a_label_more_changes_nothing(
    database: Database, use: str, way: str, park: Callable[..., Any]
) -> None:
    moods(database, use)
    before = database.rows("SELECT * FROM t")
    artifact = database.do(park, "t", "v")
    database.execute("ALTER TYPE mood ADD VALUE 'aa' BEFORE 'b'")
    if way == "command":
        database.do(restore_column, "t.v")
    else:
        database.psql(artifact.recovery_sql)
    assert database.rows("SELECT * FROM t") == before


def test_by_force_labels_are_taken_as_they_are(database: Database) -> None:
    moods(database, "value")
    database.do(archive_column, "t", "v")
    database.execute(SWAPPED)
    database.do(restore_column, "t.v", force=True)
    assert database.rows("SELECT id, v::text FROM t ORDER BY id") == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("use", ["key", "value"])
def test_in_another_database_labels_go_by_their_names(database: Database, use: str) -> None:
    moods(database, use)
    artifact = database.do(archive_column, "t", "v")
    database.execute(SWAPPED)
    database.clone().psql(artifact.recovery_sql)
    assert database.clone().do(restore_column, "t.v").orphaned_rows == 0


MADE_ANEW = "ALTER TYPE mood RENAME TO former; CREATE TYPE mood AS ENUM ({labels});"


@pytest.mark.parametrize("way", ["command", "psql"])
def test_a_type_that_was_made_anew_takes_the_labels_that_it_has(
    database: Database, way: str
) -> None:
    moods(database, "value")
    artifact = database.do(archive_column, "t", "v")
    made_anew = MADE_ANEW.format(labels="'b', 'new', 'a'")
    database.execute(f"{made_anew} ALTER TYPE former RENAME VALUE 'a' TO 'c'")
    if way == "command":
        database.do(restore_column, "t.v")
    else:
        database.psql(artifact.recovery_sql)
    assert database.rows("SELECT id, v::text FROM t ORDER BY id") == [(1, "a"), (2, "b")]


def test_keys_of_a_type_that_was_made_anew_have_to_have_their_labels(database: Database) -> None:
    moods(database, "key")
    artifact = database.do(archive_column, "t", "v")
    converted = "ALTER TABLE t ALTER id TYPE mood USING CAST({}(CAST(id AS text)) AS mood)"
    made_anew = MADE_ANEW.format(labels="'A', 'B'")
    database.execute(f"{made_anew} {converted.format('upper')}; DROP DOMAIN mood_domain CASCADE")
    with pytest.raises(LabelChangedError, match=r"'a' is missing from the type public\.mood"):
        database.do(restore_column, "t.v")
    with pytest.raises(PsqlFailed, match=r"'a' is missing from the type public\.mood"):
        database.psql(artifact.recovery_sql)
    database.execute("ALTER TYPE mood RENAME TO second; CREATE TYPE mood AS ENUM ('a', 'b')")
    database.execute(converted.format("lower"))
    assert database.do(restore_column, "t.v").orphaned_rows == 0


@pytest.mark.parametrize("to", ["other", "bytea"])
def test_keys_of_another_type_are_not_told_by_their_text(database: Database, to: str) -> None:
    moods(database, "key")
    artifact = database.do(archive_column, "t", "v")
    database.execute(
        "CREATE TYPE other AS ENUM ('A', 'B');"
        f"ALTER TABLE t ALTER id TYPE {to} USING CAST(upper(CAST(id AS text)) AS {to})"
    )
    with pytest.raises(KeyChangedError, match=r"which was public\.mood when they were archived"):
        database.do(restore_column, "t.v")
    with pytest.raises(PsqlFailed, match=r"not of type public\.mood"):
        database.psql(artifact.recovery_sql)
    assert database.do(restore_column, "t.v", force=True).orphaned_rows == 2


@pytest.mark.parametrize("to", ["text", "varchar(10)", "char(1)", "citext", "word"])
def test_but_text_is_text(database: Database, to: str) -> None:
    moods(database, "key")
    database.do(archive_column, "t", "v")
    database.execute(
        "CREATE EXTENSION citext; CREATE DOMAIN word AS varchar(10);"
        f"ALTER TABLE t ALTER id TYPE {to} USING CAST(CAST(id AS text) AS {to})"
    )
    database.do(restore_column, "t.v")
    assert database.rows("SELECT v FROM t ORDER BY id::text") == [("x",), ("y",)]


def test_a_type_of_keys_may_have_another_name(database: Database) -> None:
    moods(database, "key")
    database.do(archive_column, "t", "v")
    database.execute("ALTER TYPE mood RENAME TO feeling")
    database.do(restore_column, "t.v")
    assert database.rows("SELECT v FROM t ORDER BY id") == [("x",), ("y",)]
