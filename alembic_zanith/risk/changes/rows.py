"""Changes of rows: what INSERT, UPDATE, DELETE and their like do."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.identifiers import fit
from alembic_zanith.risk.change import Cost, Judgement, Lock, TableRef, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.pasting import call, execute, outside_transaction, sql_table
from alembic_zanith.risk.reasons import Reason

from .tables import TableChange


def _copy(table: TableRef) -> str:
    kept = TableRef(fit("", table.name, "_before"), table.schema)
    return execute(f"CREATE TABLE {sql_table(kept)} AS TABLE {sql_table(table)}")


@kind("insert_rows")
class InsertRows(TableChange):
    """New rows: INSERT, COPY FROM, op.bulk_insert."""

    def judge(self) -> Judgement:
        return Judgement(Level.SAFE, (), Lock.ROW_EXCLUSIVE)


@kind("update_rows")
@dataclass(frozen=True)
class UpdateRows(TableChange):
    """Other values in rows that are there; with `columns` known, in these alone."""

    some: bool = True
    """Whether a condition says in which rows."""
    columns: tuple[str, ...] = ()

    def judge(self) -> Judgement:
        if self.some:
            return Judgement(Level.MEDIUM, (Reason.OVERWRITES_ROWS,), Lock.ROW_EXCLUSIVE)
        return Judgement(
            Level.DESTRUCTIVE,
            (Reason.OVERWRITES_ROWS,),
            Lock.ROW_EXCLUSIVE,
            Cost.LOSES,
            f"Say which rows with WHERE, or keep a copy first: {_copy(self.table)}",
        )


@kind("backfill")
@dataclass(frozen=True)
class Backfill(TableChange):
    """Values for columns that have none yet; `in_batches` where `op.backfill` gives them."""

    in_batches: bool = False

    def judge(self) -> Judgement:
        advice = call("backfill", self.table, set={"…": "…"}, where="… IS NULL")
        return Judgement(
            Level.MEDIUM,
            (Reason.REQUIRES_BACKFILL,),
            Lock.ROW_EXCLUSIVE,
            instead="" if self.in_batches else outside_transaction(advice),
        )


@kind("delete_rows")
@dataclass(frozen=True)
class DeleteRows(TableChange):
    """Rows that are gone."""

    some: bool = True

    def judge(self) -> Judgement:
        if self.some:
            return Judgement(Level.MEDIUM, (Reason.DELETES_ROWS,), Lock.ROW_EXCLUSIVE)
        return Judgement(
            Level.DESTRUCTIVE,
            (Reason.DELETES_ROWS,),
            Lock.ROW_EXCLUSIVE,
            Cost.LOSES,
            f"Say which rows with WHERE, or keep a copy first: {_copy(self.table)}",
        )


@kind("truncate_table")
@dataclass(frozen=True)
class TruncateTable(TableChange):
    """All rows gone at once; with `cascade`, those of every table with a foreign key to it too."""

    cascade: bool = False

    def judge(self) -> Judgement:
        return Judgement(
            Level.DESTRUCTIVE,
            (Reason.DELETES_ROWS, Reason.DROPS_TABLE_WITH_DATA),
            Lock.ACCESS_EXCLUSIVE,
            Cost.LOSES,
            f"{call('soft_drop_table', self.table)}, and create it anew; or keep a copy first: "
            f"{_copy(self.table)}",
        )
