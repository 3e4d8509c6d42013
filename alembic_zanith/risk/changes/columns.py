"""Changes of columns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from alembic_zanith.identifiers import display_name, fit
from alembic_zanith.risk.change import Change, Cost, Judgement, Lock, TableRef, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.pasting import call, sql_name, sql_table
from alembic_zanith.risk.reasons import Reason
from alembic_zanith.risk.type_fit import Fit
from alembic_zanith.risk.type_fit import fit as type_fit


class Default(Enum):
    """What a new column has in the rows that are there."""

    NONE = "none"
    STABLE = "stable"
    """Worked out once and kept beside the table:
    https://www.postgresql.org/docs/current/ddl-alter.html#DDL-ALTER-ADDING-A-COLUMN"""
    VOLATILE = "volatile"
    """Worked out for each row, which rewrites the table. So are identities and serials."""


@dataclass(frozen=True)
class ColumnChange(Change):
    """A change of one column."""

    table: TableRef
    column: str

    @property
    def subject(self) -> str:
        return f"{self.table}.{display_name(self.column)}"

    @property
    def on(self) -> TableRef | None:
        return self.table

    @property
    def soft_drop(self) -> str:
        """The call that puts the column aside."""
        return call("soft_drop_column", self.table, self.column)


@kind("add_column")
@dataclass(frozen=True)
class AddColumn(ColumnChange):
    """A new column, unless with `if_not_exists` it is there already."""

    nullable: bool = True
    default: Default = Default.NONE
    if_not_exists: bool = False

    def judge(self) -> Judgement:
        if self.default is Default.VOLATILE:
            return Judgement(
                Level.HIGH,
                (Reason.ADDS_COLUMN_WITH_DEFAULT, Reason.REBUILDS_TABLE),
                Lock.ACCESS_EXCLUSIVE,
                Cost.REWRITES,
                "Without the default first; then "
                f"{call('alter_column', self.table, self.column, '…')} with the server_default, "
                "which is for new rows; then the others in batches: UPDATE "
                f"{sql_table(self.table)} SET {sql_name(self.column)} = DEFAULT WHERE "
                f"{sql_name(self.column)} IS NULL AND …",
            )
        if self.default is Default.STABLE:
            return Judgement(Level.LOW, (Reason.ADDS_COLUMN_WITH_DEFAULT,), Lock.ACCESS_EXCLUSIVE)
        if self.nullable:
            return Judgement(Level.SAFE, (Reason.ADDS_NULLABLE_COLUMN,), Lock.ACCESS_EXCLUSIVE)
        return Judgement(
            Level.HIGH,
            (Reason.ADDS_REQUIRED_COLUMN_WITHOUT_DEFAULT, Reason.REQUIRES_BACKFILL),
            Lock.ACCESS_EXCLUSIVE,
            Cost.SCANS,
            "Give it a constant server_default, which writes no row; or add it with nullable=True, "
            "fill the rows in batches, and make it NOT NULL in a later revision.",
        )


@kind("add_generated_column")
@dataclass(frozen=True)
class AddGeneratedColumn(ColumnChange):
    """A new column that is worked out from others: stored, or virtual from PostgreSQL 18 on."""

    stored: bool = True

    def judge(self) -> Judgement:
        if not self.stored:
            return Judgement(Level.MEDIUM, (Reason.ADDS_NULLABLE_COLUMN,), Lock.ACCESS_EXCLUSIVE)
        return Judgement(
            Level.MEDIUM,
            (Reason.ADDS_NULLABLE_COLUMN, Reason.REBUILDS_TABLE),
            Lock.ACCESS_EXCLUSIVE,
            Cost.REWRITES,
            "On a large table add a plain column, fill it in batches, and keep it true with a "
            "trigger; or from PostgreSQL 18 on make it VIRTUAL, which rewrites nothing.",
        )


@kind("drop_column")
class DropColumn(ColumnChange):
    """A column that is gone with its values."""

    def judge(self) -> Judgement:
        return Judgement(
            Level.DESTRUCTIVE,
            (Reason.DROPS_COLUMN_WITH_DATA,),
            Lock.ACCESS_EXCLUSIVE,
            Cost.LOSES,
            self.soft_drop,
        )


@kind("alter_column_type")
@dataclass(frozen=True)
class SetType(ColumnChange):
    """Another type. `old` is empty where the script does not say what it was.

    It `loses` the values where USING does not read them.
    """

    new: str
    old: str = ""
    using: bool = False
    loses: bool = False

    def judge(self) -> Judgement:
        if self.loses:
            return Judgement(
                Level.DESTRUCTIVE,
                (Reason.DROPS_COLUMN_WITH_DATA, Reason.CHANGES_COLUMN_TYPE, Reason.REBUILDS_TABLE),
                Lock.ACCESS_EXCLUSIVE,
                Cost.LOSES,
                f"{self.soft_drop}, and add the column anew.",
            )
        how = Fit.UNKNOWN if self.using else type_fit(self.old, self.new)
        if how is Fit.SAME:
            return Judgement(Level.LOW, (Reason.CHANGES_COLUMN_TYPE,), Lock.ACCESS_EXCLUSIVE)
        reasons = [Reason.CHANGES_COLUMN_TYPE]
        if how is Fit.NARROWER:
            reasons.insert(0, Reason.NARROWS_COLUMN_TYPE)
        return Judgement(
            Level.HIGH,
            (*reasons, Reason.REBUILDS_TABLE),
            Lock.ACCESS_EXCLUSIVE,
            Cost.REWRITES,
            "Add a column of the new type, write to both, fill it in batches, and swap the names "
            "in a later revision.",
        )


@kind("alter_column_nullable")
@dataclass(frozen=True)
class SetNullable(ColumnChange):
    """NOT NULL set or dropped."""

    nullable: bool

    def judge(self) -> Judgement:
        if self.nullable:
            return Judgement(Level.SAFE, (), Lock.ACCESS_EXCLUSIVE)
        table, column = sql_table(self.table), sql_name(self.column)
        check = sql_name(fit("", self.column, "_not_null"))
        return Judgement(
            Level.HIGH,
            (Reason.CHANGES_COLUMN_NULLABLE_TO_NOT_NULL,),
            Lock.ACCESS_EXCLUSIVE,
            Cost.SCANS,
            # With a valid check the table is not read:
            # https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL
            f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID; "
            f"then, in a revision of its own, ALTER TABLE {table} VALIDATE CONSTRAINT {check}; "
            f"after that SET NOT NULL does not read the table, and ALTER TABLE {table} DROP "
            f"CONSTRAINT {check} tidies up.",
        )


@kind("alter_column_default")
class SetDefault(ColumnChange):
    """Another default, or none, for the rows to come."""

    def judge(self) -> Judgement:
        return Judgement(Level.SAFE, (), Lock.ACCESS_EXCLUSIVE)


@kind("alter_column_options")
@dataclass(frozen=True)
class SetColumnOptions(ColumnChange):
    """Another comment, identity, storage, compression or statistics target."""

    lock: Lock = Lock.SHARE_UPDATE_EXCLUSIVE

    def judge(self) -> Judgement:
        return Judgement(Level.SAFE, (Reason.CHANGES_SETTINGS,), self.lock)


@kind("rename_column")
@dataclass(frozen=True)
class RenameColumn(ColumnChange):
    """Another name."""

    new_name: str

    def judge(self) -> Judgement:
        return Judgement(
            Level.MEDIUM,
            (Reason.RENAME_COLUMN,),
            Lock.ACCESS_EXCLUSIVE,
            instead=f"Add {self.table}.{display_name(self.new_name)}, write to both, fill it in "
            f"batches, read the new one, and in a later revision {self.soft_drop}",
        )
