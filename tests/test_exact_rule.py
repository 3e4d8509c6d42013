"""The exact rule: after a restore, everything is as it was.

pg_dump gives the same text, schema and data, as before a soft drop or archive_table; after
archive_column it does but for the place of the column. Where PostgreSQL would refuse the real
drop, so is the operation, with PostgreSQL's own list of dependents.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from alembic_zanith.errors import NoKeyError, NotDroppableError
from devtools.postgres import LocalPostgres
from tests.support.exact.catalogue import DEPENDENTS, FEATURES, KEYS
from tests.support.exact.cycles import Cycle
from tests.support.exact.kit import Kit
from tests.support.exact.targets import Target, columns, tables
from tests.support.exact.worlds import (
    World,
    inheriting_worlds,
    partitioned_worlds,
    plain_worlds,
    world_of_columns,
    world_of_features,
)

pytestmark = [pytest.mark.majors, pytest.mark.property]

ways_back = st.sampled_from(["command", "psql"])
BOTH_WAYS = pytest.mark.parametrize("way", ["command", "psql"])


@pytest.fixture(scope="module")
def kit(server: LocalPostgres) -> Iterator[Kit]:
    """A database with types, functions, roles and a tablespace for generated tables."""
    with Kit.made_in(server) as kit:
        yield kit


@pytest.mark.slow
@BOTH_WAYS
def test_every_feature_of_a_table_comes_back(kit: Kit, way: str) -> None:
    known = [feature for feature in (*KEYS, *FEATURES, *DEPENDENTS) if feature.since <= kit.major]
    world, targets = world_of_features(kit, known)
    world.build(kit)
    all_come_back(kit, targets, way)


@pytest.mark.slow
@BOTH_WAYS
def test_a_column_of_every_kind_comes_back(kit: Kit, way: str) -> None:
    world_of_columns(kit).build(kit)
    all_come_back(kit, columns(kit.database, "shop"), way)


def test_a_table_comes_back_with_all_its_columns(kit: Kit) -> None:
    @given(plain_worlds(kit), ways_back)
    def holds(world: World, way: str) -> None:
        everything_comes_back(kit, world, way)

    holds()


@pytest.mark.slow
def test_a_partitioned_table_comes_back_with_its_partitions(kit: Kit) -> None:
    @given(partitioned_worlds(kit), ways_back)
    def holds(world: World, way: str) -> None:
        everything_comes_back(kit, world, way)

    holds()


@pytest.mark.slow
def test_tables_that_inherit_come_back_with_their_columns(kit: Kit) -> None:
    @given(inheriting_worlds(kit), ways_back)
    def holds(world: World, way: str) -> None:
        everything_comes_back(kit, world, way)

    holds()


def everything_comes_back(kit: Kit, world: World, way: str) -> None:
    """Make a world, then drop every column and every table in it by every strategy, in turn."""
    note(";\n".join(["", *world.build(kit), ""]))
    all_come_back(kit, columns(kit.database, "shop") + tables(kit.database, "shop"), way)


def all_come_back(kit: Kit, targets: list[Target], way: str) -> None:
    """Drop every target by every strategy and bring it back, and compare the dumps."""
    with Cycle(kit.database, way) as cycle:
        for target in targets:
            cycle.comes_back_or_is_refused(target, "soft_drop")
        cycle.nothing_has_changed("after soft drops")
        for target in targets:
            if target.column is None:
                cycle.comes_back_or_is_refused(target, "archive")
        cycle.nothing_has_changed("after archives of tables")
        for target in targets:
            if target.column is not None:
                cycle.comes_back_or_is_refused(target, "archive")
        cycle.only_column_order_has_changed("after archives of columns")


@pytest.mark.slow
def test_a_column_comes_back_from_an_archive_made_online(kit: Kit) -> None:
    """A column of every kind, and some of those with features, but for what has no batches."""
    known = [feature for feature in (*KEYS, *FEATURES, *DEPENDENTS) if feature.since <= kit.major]
    world, _ = world_of_features(kit, known)
    for each, most in ((world, 40), (world_of_columns(kit), None)):
        each.build(kit)
        targets = columns(kit.database, "shop")
        random.Random(kit.major).shuffle(targets)
        with Cycle(kit.database) as cycle:
            for target in targets[:most]:
                try:
                    cycle.comes_back_or_is_refused(target, "archive_online")
                except (NotDroppableError, NoKeyError) as error:
                    if not re.search("is generated, so|no key to walk by", str(error)):
                        raise
            cycle.only_column_order_has_changed("after archives of columns, online")
