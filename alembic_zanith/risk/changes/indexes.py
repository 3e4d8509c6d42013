"""Changes of indexes."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.identifiers import display_name
from alembic_zanith.risk.change import Change, Cost, Judgement, Lock, TableRef, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason

_IN_A_BLOCK = "with op.get_context().autocommit_block():\n    "


@kind("add_index")
@dataclass(frozen=True)
class AddIndex(Change):
    """A new index, unless with `if_not_exists` it is there already."""

    table: TableRef | None
    name: str
    unique: bool = False
    concurrently: bool = False
    if_not_exists: bool = False

    @property
    def subject(self) -> str:
        return display_name(self.name) if self.name else f"an index of {self.table}"

    @property
    def on(self) -> TableRef | None:
        return self.table

    def judge(self) -> Judgement:
        reasons = (Reason.ADDS_INDEX, *([Reason.ADDS_UNIQUE_CONSTRAINT] if self.unique else []))
        if self.concurrently:
            # https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
            return Judgement(Level.LOW, reasons, Lock.SHARE_UPDATE_EXCLUSIVE)
        return Judgement(
            Level.MEDIUM,
            reasons,
            Lock.SHARE,
            Cost.SCANS,
            f"{_IN_A_BLOCK}op.create_index({self.name!r}, …, postgresql_concurrently=True)",
        )


@kind("drop_index")
@dataclass(frozen=True)
class DropIndex(Change):
    """An index that is gone."""

    name: str
    table: TableRef | None = None
    concurrently: bool = False
    schema: str | None = None

    @property
    def subject(self) -> str:
        return display_name(self.name)

    @property
    def on(self) -> TableRef | None:
        return self.table

    def judge(self) -> Judgement:
        if self.concurrently:
            return Judgement(Level.MEDIUM, (Reason.DROPS_INDEX,), Lock.SHARE_UPDATE_EXCLUSIVE)
        return Judgement(
            Level.MEDIUM,
            (Reason.DROPS_INDEX,),
            Lock.ACCESS_EXCLUSIVE,
            instead=f"{_IN_A_BLOCK}op.drop_index({self.name!r}, …, postgresql_concurrently=True)",
        )


@kind("rebuild_index")
@dataclass(frozen=True)
class RebuildIndex(Change):
    """An index, or all of a table, schema or database, built anew: REINDEX."""

    what: str
    name: str
    concurrently: bool = False
    table: TableRef | None = None

    @property
    def subject(self) -> str:
        return f"{self.what} {self.name}".strip()

    @property
    def on(self) -> TableRef | None:
        return self.table

    def judge(self) -> Judgement:
        if self.concurrently:
            return Judgement(Level.LOW, (Reason.REBUILDS_INDEX,), Lock.SHARE_UPDATE_EXCLUSIVE)
        return Judgement(
            Level.MEDIUM,
            (Reason.REBUILDS_INDEX,),
            # On the table; on the index itself ACCESS EXCLUSIVE, which readers meet as well.
            Lock.SHARE,
            Cost.SCANS,
            f"REINDEX {self.what.upper()} CONCURRENTLY {self.name} in an autocommit_block()",
        )
