"""Changes that move values: from one column to several, from several to one, to a new table."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.identifiers import display_name
from alembic_zanith.risk.change import Cost, Judgement, Lock, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason

from .tables import TableChange

# All rows are written under the lock that the new columns and the parked ones need.
_MOVES_VALUES = Judgement(
    Level.MEDIUM,
    (Reason.REQUIRES_BACKFILL,),
    Lock.ACCESS_EXCLUSIVE,
    Cost.REWRITES,
    "On a large table in steps of their own: op.add_column, op.backfill in batches while "
    "the application writes old and new columns, op.soft_drop_column in a later revision",
)


@kind("split_column")
@dataclass(frozen=True)
class SplitColumn(TableChange):
    """A column whose values go into several new ones."""

    column: str
    into: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return f"{self.table}.{display_name(self.column)}"

    def judge(self) -> Judgement:
        return _MOVES_VALUES


@kind("merge_columns")
@dataclass(frozen=True)
class MergeColumns(TableChange):
    """Several columns whose values go into a new one."""

    columns: tuple[str, ...]
    into: str

    @property
    def subject(self) -> str:
        return f"{self.table}.{display_name(self.into)}"

    def judge(self) -> Judgement:
        return _MOVES_VALUES


@dataclass(frozen=True)
class SyncChange(TableChange):
    """A change of what keeps two columns of a table the same."""

    old: str
    new: str

    @property
    def subject(self) -> str:
        return f"{self.table}.{display_name(self.old)}"


@kind("sync_columns")
class SyncColumns(SyncChange):
    """Triggers that keep two columns the same from now on."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.ADDS_TRIGGER,), Lock.SHARE_ROW_EXCLUSIVE)


@kind("unsync_columns")
class UnsyncColumns(SyncChange):
    """Two columns that are no longer kept the same."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.DROPS_OBJECT,), Lock.ACCESS_EXCLUSIVE)


@kind("rebuild_table")
class RebuildTable(TableChange):
    """A table that is built anew in another shape and put in the place of the old one."""

    def judge(self) -> Judgement:
        return Judgement(Level.HIGH, (Reason.REBUILDS_TABLE,), Lock.ACCESS_EXCLUSIVE, Cost.REWRITES)
