"""A child by plain inheritance comes back with nothing declared that it did not declare."""

from __future__ import annotations

import pytest

from tests.support.database import Database
from tests.support.exact.cycles import Cycle
from tests.support.exact.targets import Target

pytestmark = pytest.mark.majors

MOOD = "CREATE TYPE mood AS ENUM ('good', 'bad');"
PARENTS = """
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE FUNCTION same(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE TABLE parent (
    id integer NOT NULL, size positive, mood mood, note text COLLATE "C",
    CONSTRAINT short CHECK (length(note) < 9), CONSTRAINT odd CHECK (same(id) <> 2)
);
CREATE TABLE tagged (tag text, id integer NOT NULL);
"""
CHILD = """
CREATE TABLE child (size positive DEFAULT 3, own integer CHECK (own > 0))
    INHERITS (parent, tagged);
INSERT INTO child (id, mood, note, tag, own) VALUES (1, 'bad', 'x', 'y', 7);
"""
TARGET = Target("public", "child")
INHERITED = """
SELECT attname, attislocal, attinhcount FROM pg_attribute
 WHERE attrelid = 'child'::regclass AND attnum > 0 AND NOT attisdropped
 UNION ALL
SELECT conname, conislocal, coninhcount FROM pg_constraint WHERE conrelid = 'child'::regclass
 ORDER BY 1
"""


@pytest.fixture
def family(database: Database) -> Database:
    """A child with two parents, and what it has from both, from one, and of its own."""
    database.execute(MOOD + PARENTS + CHILD)
    return database


@pytest.mark.parametrize("strategy", ["soft_drop", "archive"])
@pytest.mark.parametrize("way", ["command", "psql"])
def test_what_is_inherited_stays_inherited(family: Database, strategy: str, way: str) -> None:
    before = family.rows(INHERITED)
    with Cycle(family, way) as cycle:
        cycle.park_and_bring_back(TARGET, strategy)
        cycle.nothing_has_changed()
    assert family.rows(INHERITED) == before


@pytest.mark.parametrize("strategy", ["soft_drop", "archive"])
def test_parents_may_be_dropped_with_all_that_they_need_and_made_again(
    family: Database, strategy: str
) -> None:
    with Cycle(family) as cycle:
        artifact = cycle.park(TARGET, strategy)
        family.execute("DROP TABLE parent, tagged; DROP FUNCTION same; DROP DOMAIN positive")
        family.execute(PARENTS)
        cycle.bring_back(artifact, TARGET, warnings="another table than the one it went to")
        cycle.nothing_has_changed()


def test_the_rows_of_a_parked_child_are_seen_through_no_parent(family: Database) -> None:
    reader = family.role("reader")
    family.execute(f'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO "{reader}"')
    with Cycle(family) as cycle:
        cycle.park(TARGET, "soft_drop")
    assert family.scalar("SELECT count(*) FROM parent") == 0
    readable = (
        "SELECT relname FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        f" AND relname LIKE '%parents_of%' AND has_table_privilege('{reader}', c.oid, 'SELECT')"
    )
    assert family.rows(readable) == []


def test_a_purge_leaves_nothing_of_the_child_behind(family: Database) -> None:
    with Cycle(family) as cycle:
        cycle.purge(cycle.park(TARGET, "soft_drop"))
    assert family.rows("SELECT relname FROM pg_class WHERE relname LIKE '%zanith_dropped%'") == []
