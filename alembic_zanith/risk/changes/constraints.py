"""Changes of constraints."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from alembic_zanith.identifiers import display_name
from alembic_zanith.risk.change import Change, Cost, Judgement, Lock, TableRef, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.pasting import (
    create_index_concurrently,
    execute,
    sql_name,
    sql_table,
)
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
    def sql(self) -> str:
        """The name as it is pasted into SQL."""
        return sql_name(self.name) if self.name else "…"


@dataclass(frozen=True)
class IndexedConstraint(ConstraintChange):
    """A constraint that stands on an index."""

    check: Check = Check.SCANS
    columns: tuple[str, ...] = field(default=(), kw_only=True)
    """Empty where there is more to say of the constraint than its columns."""

    def judge_index(self, reason: Reason, instead: str) -> Judgement:
        """Judge by whether the index is to be built under the lock."""
        if self.check is Check.USING_INDEX:
            return Judgement(Level.LOW, (reason,), Lock.ACCESS_EXCLUSIVE)
        return Judgement(Level.MEDIUM, (reason,), Lock.ACCESS_EXCLUSIVE, Cost.SCANS, instead)

    def by_index(self, what: str) -> str:
        """Return the two calls that build the index first, while others write."""
        table = sql_table(self.table)
        index = create_index_concurrently(self.name, self.table, self.columns, unique=True)
        add = f"ALTER TABLE {table} ADD CONSTRAINT {self.sql} {what} USING INDEX {self.sql}"
        return f"{index}\n{execute(add)}"


@kind("add_unique")
class AddUnique(IndexedConstraint):
    """A new UNIQUE constraint."""

    def judge(self) -> Judgement:
        return self.judge_index(Reason.ADDS_UNIQUE_CONSTRAINT, self.by_index("UNIQUE"))


@kind("add_primary_key")
class AddPrimaryKey(IndexedConstraint):
    """A new PRIMARY KEY."""

    def judge(self) -> Judgement:
        return self.judge_index(Reason.ADDS_PRIMARY_KEY, self.by_index("PRIMARY KEY"))


@kind("add_exclusion")
class AddExclusion(IndexedConstraint):
    """A new EXCLUDE constraint, for which no index can be built beforehand."""

    def judge(self) -> Judgement:
        return self.judge_index(Reason.ADDS_EXCLUSION_CONSTRAINT, "")


@dataclass(frozen=True)
class CheckedConstraint(ConstraintChange):
    """A constraint that can be added first and checked later."""

    check: Check = Check.SCANS

    def judge_check(self, reason: Reason, lock: Lock) -> Judgement:
        """Judge by whether the rows are read under the lock."""
        if self.check is Check.NOT_VALID:
            return Judgement(Level.LOW, (reason,), lock)
        return Judgement(
            Level.MEDIUM,
            (reason,),
            lock,
            Cost.SCANS,
            # https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-VALIDATE-CONSTRAINT
            "Add it with postgresql_not_valid=True (NOT VALID in SQL); then, in a revision of its "
            "own, which lets others read and write: "
            + execute(f"ALTER TABLE {sql_table(self.table)} VALIDATE CONSTRAINT {self.sql}"),
        )


@kind("add_foreign_key")
@dataclass(frozen=True)
class AddForeignKey(CheckedConstraint):
    """A new FOREIGN KEY."""

    parent: TableRef | None = None

    def judge(self) -> Judgement:
        return self.judge_check(Reason.ADDS_FOREIGN_KEY, Lock.SHARE_ROW_EXCLUSIVE)


@kind("add_check")
@dataclass(frozen=True)
class AddCheck(CheckedConstraint):
    """A new CHECK constraint. `proves` is the column that it says has a value, if that is all."""

    proves: str = field(default="", kw_only=True)

    def judge(self) -> Judgement:
        return self.judge_check(Reason.ADDS_CHECK_CONSTRAINT, Lock.ACCESS_EXCLUSIVE)


@kind("validate_constraint")
class ValidateConstraint(ConstraintChange):
    """The reading that NOT VALID put off, beside everything else that runs."""

    def judge(self) -> Judgement:
        return Judgement(Level.LOW, (), Lock.SHARE_UPDATE_EXCLUSIVE)


@kind("drop_unique")
class DropUnique(ConstraintChange):
    """A UNIQUE constraint that is gone."""

    def judge(self) -> Judgement:
        return Judgement(
            Level.MEDIUM,
            (Reason.DROPS_UNIQUE_CONSTRAINT, Reason.DROPS_INDEX),
            Lock.ACCESS_EXCLUSIVE,
        )


@kind("drop_foreign_key")
class DropForeignKey(ConstraintChange):
    """A FOREIGN KEY that is gone."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.DROPS_FOREIGN_KEY,), Lock.ACCESS_EXCLUSIVE)


@kind("drop_constraint")
class DropConstraint(ConstraintChange):
    """A constraint that is gone, of another type or of one that the script does not say."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.DROPS_CONSTRAINT,), Lock.ACCESS_EXCLUSIVE)


@kind("alter_constraint")
class AlterConstraint(ConstraintChange):
    """DEFERRABLE, ENFORCED or INHERIT changed."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.CHANGES_SETTINGS,), Lock.ACCESS_EXCLUSIVE)
