"""Changes of whole tables."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.risk.change import Change, Cost, Judgement, Lock, TableRef, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.pasting import call, execute, sql_table
from alembic_zanith.risk.reasons import Reason


@dataclass(frozen=True)
class TableChange(Change):
    """A change of one table."""

    table: TableRef

    @property
    def subject(self) -> str:
        return str(self.table)

    @property
    def on(self) -> TableRef | None:
        return self.table


@kind("create_table")
@dataclass(frozen=True)
class CreateTable(TableChange):
    """A new table, unless with `if_not_exists` it is there already.

    What it stands on is locked for a moment: `parents` by foreign keys, and the table that it is a
    partition or a child of.
    """

    if_not_exists: bool = False
    parents: tuple[TableRef, ...] = ()
    partition_of: TableRef | None = None
    inherits: tuple[TableRef, ...] = ()
    is_temporary: bool = False
    ends_with_transaction: bool = False
    is_foreign: bool = False
    types: tuple[str, ...] = ()
    """Enums that are made along with it."""

    def judge(self) -> Judgement:
        if self.partition_of is not None:
            made, whole = sql_table(self.table), sql_table(self.partition_of)
            return Judgement(
                Level.SAFE,
                (),
                Lock.ACCESS_EXCLUSIVE,
                # https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
                instead=f"CREATE TABLE {made} (LIKE {whole} INCLUDING DEFAULTS INCLUDING "
                f"CONSTRAINTS); then ALTER TABLE {whole} ATTACH PARTITION {made} …, which lets "
                "others go on reading and writing.",
            )
        return Judgement(Level.SAFE, (), self.lock)

    @property
    def lock(self) -> Lock:
        """What is taken on the tables that it stands on, or nothing."""
        if self.partition_of is not None:
            return Lock.ACCESS_EXCLUSIVE
        if self.parents:
            return Lock.SHARE_ROW_EXCLUSIVE
        return Lock.SHARE_UPDATE_EXCLUSIVE if self.inherits else Lock.NONE


@kind("drop_table")
@dataclass(frozen=True)
class DropTable(TableChange):
    """A table that is gone with its rows; with `cascade`, all views and keys on it too."""

    cascade: bool = False

    def judge(self) -> Judgement:
        return Judgement(
            Level.DESTRUCTIVE,
            (Reason.DROPS_TABLE_WITH_DATA, *([Reason.DROPS_OBJECT] if self.cascade else [])),
            Lock.ACCESS_EXCLUSIVE,
            Cost.LOSES,
            call("soft_drop_table", self.table),
        )


@kind("rename_table")
@dataclass(frozen=True)
class RenameTable(TableChange):
    """Another name."""

    new_name: str

    def judge(self) -> Judgement:
        old, new = sql_table(self.table), sql_table(TableRef(self.new_name, self.table.schema))
        return Judgement(
            Level.MEDIUM,
            (Reason.RENAME_TABLE,),
            Lock.ACCESS_EXCLUSIVE,
            instead="Leave the old name to what still runs, in the same revision: "
            + execute(f"CREATE VIEW {old} AS TABLE {new}"),
        )


@kind("move_table")
@dataclass(frozen=True)
class MoveTable(TableChange):
    """Another schema: the name is another one to whoever writes the schema."""

    new_schema: str

    def judge(self) -> Judgement:
        new = TableRef(self.table.name, self.new_schema)
        return Judgement(
            Level.MEDIUM,
            (Reason.RENAME_TABLE,),
            Lock.ACCESS_EXCLUSIVE,
            instead="Leave the old name to what still runs, in the same revision: "
            + execute(f"CREATE VIEW {sql_table(self.table)} AS TABLE {sql_table(new)}"),
        )


@kind("rewrite_table")
@dataclass(frozen=True)
class RewriteTable(TableChange):
    """A table that is written anew as it is: CLUSTER, VACUUM FULL, SET LOGGED, SET TABLESPACE…"""

    by: str

    def judge(self) -> Judgement:
        return Judgement(Level.HIGH, (Reason.REBUILDS_TABLE,), Lock.ACCESS_EXCLUSIVE, Cost.REWRITES)


@kind("alter_table_options")
@dataclass(frozen=True)
class SetTableOptions(TableChange):
    """Another comment, storage parameter, replica identity and the like."""

    lock: Lock = Lock.SHARE_UPDATE_EXCLUSIVE

    def judge(self) -> Judgement:
        return Judgement(Level.SAFE, (Reason.CHANGES_SETTINGS,), self.lock)


@kind("attach_partition")
@dataclass(frozen=True)
class AttachPartition(TableChange):
    """A table that becomes a partition, or the child of another."""

    child: TableRef
    is_partition: bool = True

    @property
    def on(self) -> TableRef | None:
        return self.child

    def judge(self) -> Judgement:
        if not self.is_partition:
            return Judgement(Level.MEDIUM, (Reason.CHANGES_SETTINGS,), Lock.ACCESS_EXCLUSIVE)
        child = sql_table(self.child)
        return Judgement(
            Level.MEDIUM,
            (Reason.ADDS_CHECK_CONSTRAINT,),
            # On the child; the parent goes on with SHARE UPDATE EXCLUSIVE.
            Lock.ACCESS_EXCLUSIVE,
            Cost.SCANS,
            # https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
            f"ALTER TABLE {child} ADD CONSTRAINT bounds CHECK (…) NOT VALID; then, in a revision "
            f"of its own, ALTER TABLE {child} VALIDATE CONSTRAINT bounds: with a valid CHECK that "
            "says the same as the bounds ATTACH PARTITION reads no row.",
        )


@kind("detach_partition")
@dataclass(frozen=True)
class DetachPartition(TableChange):
    """A partition that its table loses: its rows are no longer found there."""

    child: TableRef
    concurrently: bool = False

    @property
    def on(self) -> TableRef | None:
        return self.child

    def judge(self) -> Judgement:
        return Judgement(
            Level.DESTRUCTIVE,
            (Reason.DROPS_TABLE_WITH_DATA,),
            # DETACH CONCURRENTLY takes it on the partition too, when nobody reads it any more.
            Lock.ACCESS_EXCLUSIVE,
            Cost.LOSES,
            f"{call('soft_drop_table', self.child)}, which restore attaches again.",
        )
