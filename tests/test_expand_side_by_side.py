"""Old and new versions of an application write in every phase, and no value of any row is lost."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import Project
from tests.support.writers import Version, Writers

pytestmark = pytest.mark.majors

LONG = pytest.param(20_000, 6, 4.0, marks=pytest.mark.slow, id="long")
QUICK = pytest.param(600, 3, 0.4, id="quick")
HOW_LONG = pytest.mark.parametrize(("rows", "threads", "seconds"), [QUICK, LONG])


def in_small_batches(path: Path) -> None:
    """Have the backfill take its time, so that writers come in between."""
    source = path.read_text(encoding="utf-8")
    path.write_text(
        source.replace("op.backfill(", "op.backfill(batch_size=40, pause=0.01, table_name=")
    )


def write_pair(project: Project, *arguments: str) -> None:
    project.alembic(
        "zanith-expand", *arguments, "--rev-id", "expand", "--contract-rev-id", "contract"
    ).succeeded()
    (path,) = project.versions.glob("expand_*.py")
    in_small_batches(path)


def word(chosen: random.Random) -> str:
    return f"n{chosen.randrange(10**6)}"


def same(value: Any) -> tuple[Any, Any]:
    return value, value


@HOW_LONG
@pytest.mark.parametrize(
    "nullable", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["nullable", "not null"]
)
def test_a_column_gets_another_name(
    project: Project, nullable: bool, rows: int, threads: int, seconds: float
) -> None:
    database = project.database
    null = "" if nullable else " NOT NULL"
    database.execute(
        f"CREATE TABLE users (id int PRIMARY KEY, full_name text{null} DEFAULT 'none');"
        "CREATE INDEX ix_users_full_name ON users (full_name);"
        f"INSERT INTO users SELECT g * 100 + g % {threads}, 'old ' || g FROM generate_series(1, {rows}) g"
    )
    write_pair(project, "rename", "users.full_name", "name")
    old, new = Version("full_name", word, same), Version("name", word, same, careful=True)
    writers = Writers(database, "users", [old, new], nullable)
    writers.rows = {key: (name, name) for key, name in database.rows("TABLE users")}
    with writers.writing(threads):
        writers.wait_for(seconds)  # before: there is no new column, so that nothing new is written
        assert "name" not in writers.writes
        project.upgrade("expand")
        assert "name" in writers.writes
    new.careful = False
    with writers.writing(threads):
        writers.wait_for(seconds)
    assert written(writers) == stored(project, "full_name, name")
    with writers.writing(threads):
        project.upgrade("contract")
        writers.wait_for(seconds)
        in_the_end = dict(writers.writes)
        writers.wait_for(seconds)
        assert writers.writes["full_name"] == in_the_end["full_name"]
        assert writers.writes["name"] > in_the_end["name"]
    assert {key: pair[1] for key, pair in writers.rows.items()} == dict(
        database.rows("SELECT id, name FROM users")
    )
    with writers.writing(threads):
        project.downgrade("expand")
        writers.wait_for(seconds)
        assert writers.writes["full_name"] > in_the_end["full_name"]
    assert written(writers) == stored(project, "full_name, name")
    new.is_running = False
    with writers.writing(threads):
        project.downgrade("base")
        writers.wait_for(seconds)
    assert {key: pair[0] for key, pair in writers.rows.items()} == dict(
        database.rows("SELECT id, full_name FROM users")
    )


def cents(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def exact(chosen: random.Random) -> Decimal:
    return Decimal(chosen.randrange(10**7)).scaleb(-3)


def rounded(chosen: random.Random) -> Decimal:
    return Decimal(chosen.randrange(10**6)).scaleb(-2)


@HOW_LONG
def test_a_column_gets_another_type(
    project: Project, rows: int, threads: int, seconds: float
) -> None:
    database = project.database
    database.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, total numeric);"
        f"INSERT INTO orders SELECT g * 100 + g % {threads}, g / 1000.0 FROM generate_series(1, {rows}) g;"
        "INSERT INTO orders VALUES (199, 1.234), (299, 1.235)"
    )
    write_pair(project, "type", "orders.total", "numeric(14,2)")
    old = Version("total", exact, lambda value: (value, cents(value)))
    new = Version("total_new", rounded, same, careful=True)
    writers = Writers(database, "orders", [old, new])
    writers.rows = {key: (total, cents(total)) for key, total in database.rows("TABLE orders")}
    with writers.writing(threads):
        writers.wait_for(seconds)
        project.upgrade("expand")
    new.careful = False
    with writers.writing(threads):
        writers.wait_for(seconds)
    assert written(writers) == stored(project, "total, total_new", "orders")
    # From here on it is not known if a write meets the old column or the new one of that name.
    old.values = rounded
    with writers.writing(threads):
        project.upgrade("contract")
        writers.wait_for(seconds)
    assert {key: pair[1] for key, pair in writers.rows.items()} == dict(
        database.rows("SELECT id, total FROM orders")
    )
    with writers.writing(threads):
        project.downgrade("expand")
        writers.wait_for(seconds)
    assert written(writers) == stored(project, "total, total_new", "orders")
    # Rows that nobody has touched have the digits that the new type could not hold.
    exactly = (Decimal("1.234"), Decimal("1.23")), (Decimal("1.235"), Decimal("1.24"))
    assert (writers.rows[199], writers.rows[299]) == exactly


def written(writers: Writers) -> dict[int, tuple[Any, Any]]:
    return writers.rows


def stored(project: Project, columns: str, table: str = "users") -> dict[int, tuple[Any, Any]]:
    found = project.database.rows(f"SELECT id, {columns} FROM {table}")
    return {key: (old, new) for key, old, new in found}
