"""A table that is rebuilt as it is comes out as it was: pg_dump gives the same text, byte for byte.

That is the oracle for all that hangs on a table: whatever is not carried over, or not as it was,
shows in the dump. Where objects that know the table by more than its name need it, it is refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import given, note

from alembic_zanith.errors import DependentObjectsError
from alembic_zanith.rebuilding import NewColumn, Rebuild, rebuild_table
from devtools.postgres import LocalPostgres
from tests.support.exact.catalogue import DEPENDENTS, FEATURES, KEYS, Feature
from tests.support.exact.kit import Kit
from tests.support.exact.targets import Target, columns, refusal, tables
from tests.support.exact.worlds import World, plain_worlds, world_of_columns, world_of_features

pytestmark = [pytest.mark.majors, pytest.mark.property]


@pytest.fixture(scope="module")
def kit(server: LocalPostgres) -> Iterator[Kit]:
    """A database with types, functions, roles and a tablespace for generated tables."""
    with Kit.made_in(server) as kit:
        yield kit


def rebuild_as_it_is(connection: sa.Connection, kit: Kit, target: Target) -> None:
    there = columns(kit.database, target.schema)
    names = [each.column for each in there if each.table == target.table]
    wanted = tuple(NewColumn(str(name)) for name in names)
    rebuild_table(connection, Rebuild(target.table, wanted, target.schema))


def known(kit: Kit, features: list[Feature]) -> list[Feature]:
    return [feature for feature in features if feature.since <= kit.major]


def entries(dump: str) -> str:
    """The entries of a dump in the order of their names: pg_dump's own follows what needs what."""
    return "\n--\n-- ".join(sorted(re.split(r"\n--\n-- (?=Name: |Data for )", dump)))


def is_the_same(before: str, after: str) -> None:
    changed = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    assert before == after, "\n".join(changed)


@pytest.mark.slow
def test_every_feature_of_a_table_is_carried_over(kit: Kit) -> None:
    world, _ = world_of_features(kit, known(kit, [*KEYS, *FEATURES]))
    world.build(kit)
    before = kit.database.dump()
    engine = sa.create_engine(kit.database.url("psycopg"))
    for target in tables(kit.database, "shop"):
        with engine.begin() as connection:
            rebuild_as_it_is(connection, kit, target)
    engine.dispose()
    is_the_same(before, kit.database.dump())


def test_a_column_of_every_kind_keeps_its_values(kit: Kit) -> None:
    world_of_columns(kit).build(kit)
    before = kit.database.dump()
    with kit.database.begin("psycopg") as connection:
        rebuild_as_it_is(connection, kit, Target("shop", "t"))
    is_the_same(before, kit.database.dump())


@pytest.mark.slow
def test_what_needs_a_table_by_more_than_its_name_is_in_the_way_with_its_name(kit: Kit) -> None:
    world, _ = world_of_features(kit, known(kit, DEPENDENTS))
    world.build(kit)
    before = kit.database.dump()
    refused = 0
    for target in tables(kit.database, "shop"):
        with kit.database.begin("psycopg") as connection:
            real = refusal(connection, target)
            if real is None or re.search("constraint .* on table|default value", str(real)):
                rebuild_as_it_is(connection, kit, target)
                continue
            with pytest.raises(DependentObjectsError) as error:
                rebuild_as_it_is(connection, kit, target)
            assert set(error.value.dependents) == set(real.dependents)
            refused += 1
    assert refused >= 6
    is_the_same(entries(before), entries(kit.database.dump()))


@pytest.mark.slow
def test_a_generated_table_comes_out_as_it_was(kit: Kit) -> None:
    @given(plain_worlds(kit))
    def holds(world: World) -> None:
        note(";\n".join(["", *world.build(kit), ""]))
        before = kit.database.dump()
        for target in tables(kit.database, "shop"):
            with kit.database.begin("psycopg") as connection:
                real = refusal(connection, target)
                if real is None:
                    rebuild_as_it_is(connection, kit, target)
        is_the_same(before, kit.database.dump())

    holds()
