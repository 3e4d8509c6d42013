"""Changes of indexes."""

from __future__ import annotations

from dataclasses import dataclass, field

from alembic_zanith.identifiers import display_name
from alembic_zanith.risk.change import Change, Cost, Judgement, Lock, TableRef, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.pasting import (
    create_index_concurrently,
    execute,
    named_call,
    outside_transaction,
)
from alembic_zanith.risk.reasons import Reason


@kind("add_index")
@dataclass(frozen=True)
class AddIndex(Change):
    """A new index, unless with `if_not_exists` it is there already."""

    table: TableRef | None
    name: str
    unique: bool = False
    concurrently: bool = False
    if_not_exists: bool = False
    columns: tuple[str, ...] = field(default=(), kw_only=True)
    """Empty where the index is of more than plain columns."""

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
            create_index_concurrently(self.name, self.table, self.columns, self.unique),
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
    def index(self) -> TableRef:
        """The index with the schema that the script names."""
        return TableRef(self.name, self.schema)

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
            instead=outside_transaction(
                named_call(
                    "drop_index", self.name, schema=self.schema, postgresql_concurrently=True
                )
            ),
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
            outside_transaction(
                execute(f"REINDEX {self.what.upper()} CONCURRENTLY {self.name}".strip())
            ),
        )
