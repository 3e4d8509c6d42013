"""An expression that fails on row 1,000,001: what is kept, what is undone, and which row it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from alembic_zanith.errors import BatchFailedError, ExpressionError, RebuildError, ZanithError
from devtools.postgres import LocalPostgres
from tests.support.database import Database
from tests.support.rebuilds import autocommit
from tests.support.splitting import operations

pytestmark = pytest.mark.slow

ROWS = 1_050_000
BAD = 1_000_001
SETUP = f"""
CREATE TABLE t (id bigint PRIMARY KEY, word text NOT NULL, "left" text, "right" text, n integer);
INSERT INTO t SELECT g, CASE WHEN g = {BAD} THEN 'none' ELSE g::text END, 'l', g::text, NULL
  FROM generate_series(1, {ROWS}) AS g;
UPDATE t SET "right" = 'none' WHERE id = {BAD};
ANALYZE t;
"""
DONE = "SELECT count(*) FROM t WHERE n IS NOT NULL"


@dataclass(frozen=True)
class Case:
    """One way of giving rows values that the bad one has none for."""

    call: Callable[[Any], object]
    error: type[ZanithError]
    in_batches: bool = False
    keeps: int = 0
    """How many rows stay done."""

    def run(self, database: Database) -> None:
        """Do it in a transaction, or with each statement committed by itself."""
        if self.in_batches:
            with autocommit(database) as op:
                self.call(op)
        else:
            with database.begin() as connection:
                self.call(operations(connection))


def backfill(op: Any) -> None:
    op.backfill("t", set={"n": "word::integer"}, where="n IS NULL")


def split(op: Any) -> None:
    into = [sa.Column("half", sa.Integer), sa.Column("rest", sa.Text)]
    using = {"half": "word::integer / 2", "rest": "word"}
    op.split_column("t", "word", into=into, using=using, reverse="rest")


def merge(op: Any) -> None:
    op.merge_columns(
        "t",
        ["left", "right"],
        into=sa.Column("both", sa.Integer),
        using='"right"::integer',
        reverse={"left": "'l'", "right": "both::text"},
    )


def rebuild(op: Any) -> None:
    columns = ["id", sa.Column("word", sa.Integer(), nullable=False), "left"]
    op.rebuild_table("t", columns=columns, select={"word": "word::integer"})


CASES = {
    "backfill": Case(backfill, BatchFailedError),
    "backfill in batches": Case(backfill, BatchFailedError, in_batches=True, keeps=1_000_000),
    "split": Case(split, ExpressionError),
    "merge": Case(merge, ExpressionError),
    "rebuild": Case(rebuild, RebuildError),
    "rebuild in batches": Case(rebuild, RebuildError, in_batches=True),
}


@pytest.fixture(scope="module")
def million(server: LocalPostgres) -> Iterator[Database]:
    database = Database.create(server)
    database.execute(SETUP)
    yield database
    database.drop()


@pytest.mark.parametrize("name", CASES)
def test_the_row_is_shown_and_the_rest_is_as_documented(million: Database, name: str) -> None:
    case = CASES[name]
    database = million.clone()
    columns = "SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0"
    before = database.rows(columns)
    with pytest.raises(case.error) as failed:
        case.run(database)
    message = str(failed.value)
    assert 'invalid input syntax for type integer: "none"' in message
    assert re.search(rf'\bid(?: =|":) {BAD}\b', message)
    assert database.rows(columns) == before
    assert database.scalar(DONE) == case.keeps
    database.execute(f"UPDATE t SET word = '0', \"right\" = '0' WHERE id = {BAD}")
    case.run(database)
    assert database.scalar("SELECT count(*) FROM t") == ROWS
