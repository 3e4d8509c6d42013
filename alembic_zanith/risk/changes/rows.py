"""Changes of rows: what INSERT, UPDATE, DELETE and their like do."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.risk.change import Cost, Judgement, Lock, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason

from .tables import TableChange

_IN_BATCHES = "Do it in batches, each in a transaction of its own."


@kind("insert_rows")
@dataclass(frozen=True)
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
            "Keep the values first: CREATE TABLE … AS SELECT key, columns; or say which rows with "
            "WHERE.",
        )


@kind("backfill")
@dataclass(frozen=True)
class Backfill(TableChange):
    """Values for columns that have none yet."""

    def judge(self) -> Judgement:
        return Judgement(
            Level.MEDIUM, (Reason.REQUIRES_BACKFILL,), Lock.ROW_EXCLUSIVE, instead=_IN_BATCHES
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
            "Say which rows with WHERE, or keep them: op.soft_drop_table(…) and create it anew.",
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
            "op.soft_drop_table(…), and create it anew.",
        )
