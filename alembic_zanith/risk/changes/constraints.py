"""Changes of constraints."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from alembic_zanith.identifiers import display_name
from alembic_zanith.risk.change import Change, Cost, Judgement, Lock, TableRef, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason


class Check(Enum):
    """What adding a constraint does with the rows that are there."""

    SCANS = "scans"
    NOT_VALID = "not valid"
    """Nothing, until VALIDATE CONSTRAINT reads them beside everything else that runs."""
    USING_INDEX = "using index"
    """Nothing: an index that stands already vouches for them."""


@dataclass(frozen=True)
class ConstraintChange(Change):
    """A change of one constraint. The name is empty where PostgreSQL chooses it."""

    table: TableRef
    name: str
    if_not_exists: bool = field(default=False, kw_only=True)
    """Whether the script looks first if it is there."""

    @property
    def subject(self) -> str:
        return f"{self.table}.{display_name(self.name)}" if self.name else str(self.table)

    @property
    def on(self) -> TableRef | None:
        return self.table

    @property
    def shown_name(self) -> str:
        return display_name(self.name) if self.name else "…"


@dataclass(frozen=True)
class IndexedConstraint(ConstraintChange):
    """A constraint that stands on an index."""

    check: Check = Check.SCANS

    def judge_index(self, reason: Reason, instead: str) -> Judgement:
        """Judge by whether the index is to be built under the lock."""
        if self.check is Check.USING_INDEX:
            return Judgement(Level.LOW, (reason,), Lock.ACCESS_EXCLUSIVE)
        return Judgement(Level.MEDIUM, (reason,), Lock.ACCESS_EXCLUSIVE, Cost.SCANS, instead)

    def by_index(self, what: str) -> str:
        """Return the two statements that build the index first."""
        return (
            f"CREATE UNIQUE INDEX CONCURRENTLY {self.shown_name} ON {self.table} (…) in an "
            f"autocommit_block(); then ALTER TABLE {self.table} ADD CONSTRAINT {self.shown_name} "
            f"{what} USING INDEX {self.shown_name}"
        )


@kind("add_unique")
@dataclass(frozen=True)
class AddUnique(IndexedConstraint):
    """A new UNIQUE constraint."""

    def judge(self) -> Judgement:
        return self.judge_index(Reason.ADDS_UNIQUE_CONSTRAINT, self.by_index("UNIQUE"))


@kind("add_primary_key")
@dataclass(frozen=True)
class AddPrimaryKey(IndexedConstraint):
    """A new PRIMARY KEY."""

    def judge(self) -> Judgement:
        return self.judge_index(Reason.ADDS_PRIMARY_KEY, self.by_index("PRIMARY KEY"))


@kind("add_exclusion")
@dataclass(frozen=True)
class AddExclusion(IndexedConstraint):
    """A new EXCLUDE constraint, for which no index can be built beforehand."""

    def judge(self) -> Judgement:
        return self.judge_index(Reason.ADDS_EXCLUSION_CONSTRAINT, "")


@dataclass(frozen=True)
class CheckedConstraint(ConstraintChange):
    """A constraint that can be added first and checked later."""

    check: Check = Check.SCANS

    def judge_check(self, reason: Reason, lock: Lock, definition: str) -> Judgement:
        """Judge by whether the rows are read under the lock."""
        if self.check is Check.NOT_VALID:
            return Judgement(Level.LOW, (reason,), lock)
        return Judgement(
            Level.MEDIUM,
            (reason,),
            lock,
            Cost.SCANS,
            # https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-VALIDATE-CONSTRAINT
            f"ALTER TABLE {self.table} ADD CONSTRAINT {self.shown_name} {definition} NOT VALID; "
            f"then, in a revision of its own, ALTER TABLE {self.table} VALIDATE CONSTRAINT "
            f"{self.shown_name}",
        )


@kind("add_foreign_key")
@dataclass(frozen=True)
class AddForeignKey(CheckedConstraint):
    """A new FOREIGN KEY."""

    parent: TableRef | None = None

    def judge(self) -> Judgement:
        parent = "…" if self.parent is None else self.parent
        return self.judge_check(
            Reason.ADDS_FOREIGN_KEY,
            Lock.SHARE_ROW_EXCLUSIVE,
            f"FOREIGN KEY (…) REFERENCES {parent}",
        )


@kind("add_check")
@dataclass(frozen=True)
class AddCheck(CheckedConstraint):
    """A new CHECK constraint."""

    def judge(self) -> Judgement:
        return self.judge_check(Reason.ADDS_CHECK_CONSTRAINT, Lock.ACCESS_EXCLUSIVE, "CHECK (…)")


@kind("validate_constraint")
@dataclass(frozen=True)
class ValidateConstraint(ConstraintChange):
    """The reading that NOT VALID put off, beside everything else that runs."""

    def judge(self) -> Judgement:
        return Judgement(Level.LOW, (), Lock.SHARE_UPDATE_EXCLUSIVE)


@kind("drop_unique")
@dataclass(frozen=True)
class DropUnique(ConstraintChange):
    """A UNIQUE constraint that is gone."""

    def judge(self) -> Judgement:
        return Judgement(
            Level.MEDIUM,
            (Reason.DROPS_UNIQUE_CONSTRAINT, Reason.DROPS_INDEX),
            Lock.ACCESS_EXCLUSIVE,
        )


@kind("drop_foreign_key")
@dataclass(frozen=True)
class DropForeignKey(ConstraintChange):
    """A FOREIGN KEY that is gone."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.DROPS_FOREIGN_KEY,), Lock.ACCESS_EXCLUSIVE)


@kind("drop_constraint")
@dataclass(frozen=True)
class DropConstraint(ConstraintChange):
    """A constraint that is gone, of another type or of one that the script does not say."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.DROPS_CONSTRAINT,), Lock.ACCESS_EXCLUSIVE)


@kind("alter_constraint")
@dataclass(frozen=True)
class AlterConstraint(ConstraintChange):
    """DEFERRABLE, ENFORCED or INHERIT changed."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.CHANGES_SETTINGS,), Lock.ACCESS_EXCLUSIVE)
