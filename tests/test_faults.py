"""Whatever statement fails, and however: the database is as it was before, or as it is after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import pytest
import sqlalchemy as sa

from alembic_zanith.artifacts import Artifact
from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    cleanup,
    purge,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)
from tests.support.database import Database
from tests.support.faults import Action, Fault, strike, strike_at_commit, without_chance
from tests.support.splitting import operations

SHOP = """
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE DOMAIN price AS numeric CHECK (VALUE >= 0);
    CREATE TABLE parents (id int PRIMARY KEY);
    INSERT INTO parents VALUES (1), (2), (3);
    CREATE TABLE users (
        id int PRIMARY KEY,
        note text NOT NULL CHECK (note <> '') UNIQUE,
        parent_id serial REFERENCES parents,
        feeling mood DEFAULT 'ok',
        fee price DEFAULT 0 NOT NULL);
    CREATE INDEX by_note ON users (lower(note));
    CREATE STATISTICS about ON note, parent_id FROM users;
    COMMENT ON COLUMN users.note IS 'a note';
    GRANT SELECT (note), UPDATE (fee) ON users TO PUBLIC;
    GRANT SELECT ON users TO PUBLIC;
    INSERT INTO users (id, note) VALUES (1, 'one'), (2, 'two'), (3, 'three');
    CREATE FUNCTION ignore() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER watch BEFORE UPDATE OF id ON users FOR EACH ROW EXECUTE FUNCTION ignore();
    ALTER TABLE users ENABLE ROW LEVEL SECURITY;
    CREATE POLICY everyone ON users USING (id > 0);
    CREATE TABLE logs (id int, day int, note text DEFAULT 'x' NOT NULL, PRIMARY KEY (id, day))
        PARTITION BY RANGE (day);
    CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10);
    CREATE INDEX logs_by_note ON logs (note);
    INSERT INTO logs VALUES (1, 1, 'one');
"""
WRITTEN_SINCE = "INSERT INTO users (id, parent_id) VALUES (4, 1)"
LIFE = (
    "UPDATE users SET first = 'z' WHERE id = 1;"
    "INSERT INTO users (id, parent_id, first) VALUES (4, 1, 'x')"
)
HALVES = {"first": "left(note, 1)", "rest": "substr(note, 2)"}
WHOLE = "concat(first, rest)"
PARENT_GONE = "DELETE FROM parents WHERE id = 2"


@dataclass(frozen=True)
class Scenario:
    """What to do to the shop first, and the action that meets the faults.

    One that `goes_on` returns what failed, in place of raising it.
    """

    action: Action
    park: Callable[..., Artifact] | None = None
    target: tuple[str, ...] = ()
    life: str = "SELECT 1"
    goes_on: bool = False


def split_note(connection: sa.Connection, then: str) -> Artifact:
    """Split users.note in two; return what is parked."""
    into = [sa.Column(name, sa.Text) for name in HALVES]
    options: Any = {"into": into, "using": HALVES, "reverse": WHOLE, "then": then}
    report = operations(connection).split_column("users", "note", **options)
    (artifact,) = report.parked
    return cast(Artifact, artifact)


def merge_note(connection: sa.Connection) -> object:
    """Take both parts of users.note back."""
    options: Any = {"into": "note", "using": WHOLE, "reverse": HALVES}
    return operations(connection).merge_columns("users", [*HALVES], **options)


def call(function: Callable[..., object], *arguments: object, **options: object) -> Action:
    """Return an action that calls a recovery function."""
    return lambda connection: function(connection, *arguments, **options)


def _scenarios() -> dict[str, Scenario]:
    found = {}
    for column in ("note", "parent_id", "feeling", "fee"):
        for park in (soft_drop_column, archive_column):
            target, name = ("users", column), f"{park.__name__} {column}"
            found[name] = Scenario(call(park, *target))
            restore = call(restore_column, f"users.{column}")
            found[f"restore of {name}"] = Scenario(restore, park, target)
            if column == "note":
                fill = call(restore_column, "users.note", fill="'x'")
                found[f"fill of {name}"] = Scenario(fill, park, target, WRITTEN_SINCE)
                relax = call(restore_column, "users.note", relax=True)
                found[f"relaxed {name}"] = Scenario(relax, park, target, WRITTEN_SINCE)
            if column == "parent_id":
                found[f"orphans of {name}"] = Scenario(restore, park, target, PARENT_GONE)
    for then in ("soft_drop", "archive"):
        name = f"split_column note, {then}"
        found[name] = Scenario(partial(split_note, then=then))
        found[f"merge after {name}"] = Scenario(
            merge_note, partial(split_note, then=then), (), LIFE
        )
    for table in ("users", "logs", "logs_1"):
        for park_table in (soft_drop_table, archive_table):
            name = f"{park_table.__name__} {table}"
            found[name] = Scenario(call(park_table, table))
            restore = call(restore_table, table)
            found[f"restore of {name}"] = Scenario(restore, park_table, (table,))
    for park in (soft_drop_column, archive_column):
        name = f"{park.__name__} of a partitioned table"
        found[name] = Scenario(call(park, "logs", "note"))
        restore = call(restore_column, "logs.note")
        found[f"restore of {name}"] = Scenario(restore, park, ("logs", "note"))
    parks: dict[Callable[..., Artifact], tuple[str, ...]] = {
        soft_drop_column: ("users", "feeling"),
        archive_column: ("users", "note"),
        soft_drop_table: ("users",),
        archive_table: ("users",),
    }
    for drop, what in parks.items():
        found[f"purge of {drop.__name__}"] = Scenario(call(purge, ".".join(what)), drop, what)
    expired = partial(soft_drop_column, retention_days=0)
    found["cleanup"] = Scenario(call(cleanup), expired, ("users", "note"), goes_on=True)
    return found


SCENARIOS = _scenarios()

# Each says something that none of the others does.
QUICK = [
    "soft_drop_column note",
    "restore of soft_drop_column note",
    "fill of soft_drop_column note",
    "archive_column note",
    "restore of archive_column note",
    "split_column note, archive",
    "merge after split_column note, soft_drop",
    "relaxed archive_column note",
    "orphans of archive_column parent_id",
    "soft_drop_table users",
    "restore of soft_drop_table users",
    "archive_table logs",
    "restore of archive_table logs",
    "purge of archive_column",
    "cleanup",
]


def prepared(database: Database, scenario: Scenario) -> Database:
    """Bring the database to where the action of a scenario begins."""
    database.execute(SHOP)
    if scenario.park is not None:
        database.do(scenario.park, *scenario.target)
    database.execute(scenario.life)
    return database


def is_before_or_after(database: Database, scenario: Scenario, fault: Fault, points: int) -> None:
    """Strike at about that many statements of the action, spread over all of them."""
    before = prepared(database, scenario).dump_of_all()
    twin = database.clone()
    count = strike(twin, scenario.action, fault, None).statements
    after = without_chance(twin.dump_of_all())
    assert after != without_chance(before)
    for at in range(1, count + 1, max(1, count // points)):
        if strike(database, scenario.action, fault, at).finished:
            now = without_chance(database.dump_of_all())
            if scenario.goes_on and now == without_chance(before):
                continue
            assert now == after, f"at statement {at}"
            return
    assert database.dump_of_all() == before


# A relaxed restore leaves out the part that an error strikes, and reports it: that is its purpose.
SOME_FAULTS = [
    (name, fault)
    for name in QUICK
    for fault in Fault
    if not (fault is Fault.ERROR and name.startswith("relaxed"))
]


@pytest.mark.parametrize(("name", "fault"), SOME_FAULTS)
def test_a_fault_at_some_statements(database: Database, name: str, fault: Fault) -> None:
    is_before_or_after(database, SCENARIOS[name], fault, points=5)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fault"), SOME_FAULTS)
def test_a_fault_at_every_statement(database: Database, name: str, fault: Fault) -> None:
    is_before_or_after(database, SCENARIOS[name], fault, points=10_000)


@pytest.mark.slow
@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - set(QUICK)))
def test_a_fault_at_many_statements(database: Database, name: str, fault: Fault) -> None:
    is_before_or_after(database, SCENARIOS[name], fault, points=20)


@pytest.mark.parametrize("name", QUICK)
def test_a_session_that_ends_before_its_commit_has_changed_nothing(
    database: Database, name: str
) -> None:
    before = prepared(database, SCENARIOS[name]).dump_of_all()
    strike_at_commit(database, SCENARIOS[name].action)
    assert database.dump_of_all() == before
