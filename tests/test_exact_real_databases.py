"""Two databases of real life come back byte for byte, whatever is dropped in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.postgres import LocalPostgres
from tests.support.database import Database
from tests.support.exact.cycles import Cycle
from tests.support.exact.targets import Target, columns, tables

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
SCRIPTS = {
    "pagila": ("pagila-schema.sql", "pagila-data.sql"),
    "pagila without views": ("pagila-schema.sql", "pagila-data.sql"),
    "chinook": ("chinook.sql",),
}
DROP_VIEWS = """
DO $$ DECLARE one text; BEGIN
  FOREACH one IN ARRAY (SELECT array_agg(concat(CASE relkind WHEN 'm' THEN 'MATERIALIZED ' END,
                                                'VIEW IF EXISTS ', oid::regclass))
                          FROM pg_class WHERE relkind IN ('v', 'm') AND oid >= 16384) LOOP
    EXECUTE concat('DROP ', one, ' CASCADE');
  END LOOP;
END $$
"""

pytestmark = [
    pytest.mark.majors,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no databases to load in {DATA}"),
]


DATABASES = [
    name if name == "chinook" else pytest.param(name, marks=pytest.mark.slow) for name in SCRIPTS
]


@pytest.fixture(scope="session", params=DATABASES)
def loaded(server: LocalPostgres, request: pytest.FixtureRequest) -> Iterator[Database]:
    """One of them, loaded once; tests clone it."""
    database = Database.create(server)
    for name in SCRIPTS[request.param]:
        # PostgreSQL before 17 cannot run three statements of pagila, and goes on after them.
        database.psql((DATA / name).read_text(), "-vON_ERROR_STOP=0", "--output=/dev/null")
    if request.param.endswith("without views"):
        # With them, nearly every column of pagila is one that cannot be dropped.
        database.execute(DROP_VIEWS)
    yield database
    database.drop()


@pytest.fixture(params=["command", pytest.param("psql", marks=pytest.mark.slow)])
def cycle(loaded: Database, request: pytest.FixtureRequest) -> Iterator[Cycle]:
    """A copy of the database, and the way back to test."""
    with Cycle(loaded.clone(), way=request.param) as cycle:
        yield cycle


def test_every_soft_dropped_column_comes_back(cycle: Cycle) -> None:
    all_come_back_or_are_refused(cycle, columns(cycle.database), "soft_drop")
    cycle.nothing_has_changed("soft-dropped columns")


def test_every_archived_column_comes_back(cycle: Cycle) -> None:
    all_come_back_or_are_refused(cycle, columns(cycle.database), "archive")
    cycle.only_column_order_has_changed("archived columns")


@pytest.mark.parametrize("strategy", ["soft_drop", "archive"])
def test_every_table_comes_back(cycle: Cycle, strategy: str) -> None:
    all_come_back_or_are_refused(cycle, tables(cycle.database), strategy)
    cycle.nothing_has_changed(strategy, "of tables")


@pytest.mark.parametrize("strategy", ["soft_drop", "archive"])
def test_all_tables_come_back_after_all_were_parked(cycle: Cycle, strategy: str) -> None:
    parked = []
    while (target := next_droppable_table(cycle)) is not None:
        parked.append((cycle.park(target, strategy), target))
    assert len(parked) > 7
    for artifact, target in reversed(parked):
        cycle.bring_back(artifact, target)
    cycle.nothing_has_changed(strategy, "of all tables at once")


def all_come_back_or_are_refused(cycle: Cycle, targets: list[Target], strategy: str) -> None:
    """Try every target."""
    came_back = [cycle.comes_back_or_is_refused(target, strategy) for target in targets]
    assert any(came_back)


def next_droppable_table(cycle: Cycle) -> Target | None:
    """Return a table that PostgreSQL would drop now; parking one may free others."""
    found = (target for target in tables(cycle.database) if cycle.refusal(target) is None)
    return next(found, None)
