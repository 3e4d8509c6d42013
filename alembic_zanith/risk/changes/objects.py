"""Changes of everything that is neither table, column, index, constraint nor policy."""

from __future__ import annotations

from dataclasses import dataclass, field

from alembic_zanith.risk.change import Change, Cost, Judgement, Lock, TableRef, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason

from .defined import Routine, Trigger


@dataclass(frozen=True)
class ObjectChange(Change):
    """A change of one object: `what` is its type in PostgreSQL's words, `name` as written.

    `table` is the one that it belongs to, and `lock` what is taken on that. `defines` is what
    statements that come later can make run.
    """

    what: str
    name: str
    table: TableRef | None = field(default=None, kw_only=True)
    lock: Lock = field(default=Lock.NONE, kw_only=True)
    defines: Routine | Trigger | None = field(default=None, kw_only=True)

    @property
    def subject(self) -> str:
        return f"{self.what} {self.name}".strip()

    @property
    def on(self) -> TableRef | None:
        return self.table


@kind("create_object")
@dataclass(frozen=True)
class CreateObject(ObjectChange):
    """A new view, function, type, sequence, schema…; `if_not_exists`, it may be there already."""

    if_not_exists: bool = field(default=False, kw_only=True)

    def judge(self) -> Judgement:
        return Judgement(Level.SAFE, (), self.lock)


@kind("replace_object")
class ReplaceObject(ObjectChange):
    """A view, function or procedure in place of the one that may be there."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.REPLACES_OBJECT,), self.lock)


@kind("add_trigger")
class AddTrigger(ObjectChange):
    """A trigger or a rule that runs from now on: made, put in place of another, or enabled."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.ADDS_TRIGGER,), self.lock)


@kind("add_enum_value")
class AddEnumValue(ObjectChange):
    """One more value of an enum."""

    def judge(self) -> Judgement:
        return Judgement(Level.LOW, (Reason.ADDS_ENUM_VALUE,), self.lock)


@kind("alter_object")
class AlterObject(ObjectChange):
    """Another definition, owner, option or comment."""

    def judge(self) -> Judgement:
        return Judgement(Level.LOW, (Reason.CHANGES_SETTINGS,), self.lock)


@kind("rename_object")
@dataclass(frozen=True)
class RenameObject(ObjectChange):
    """Another name or another schema: of a view, a function, a type, a label, a schema…

    Of an index, `index` and `renamed` are what it is called before and after.
    """

    index: TableRef | None = field(default=None, kw_only=True)
    renamed: TableRef | None = field(default=None, kw_only=True)

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.RENAMES_OBJECT,), self.lock)


@kind("drop_object")
@dataclass(frozen=True)
class DropObject(ObjectChange):
    """An object that is gone. With `cascade` go columns and tables that are made of it."""

    cascade: bool = False

    def judge(self) -> Judgement:
        if self.cascade:
            return Judgement(
                Level.DESTRUCTIVE,
                (Reason.DROPS_OBJECT,),
                self.lock,
                Cost.LOSES,
                "Without CASCADE PostgreSQL says what depends on it. Drop that by name.",
            )
        return Judgement(Level.MEDIUM, (Reason.DROPS_OBJECT,), self.lock)


@kind("drop_large_object")
class DropLargeObject(ObjectChange):
    """Large objects that are gone, or cut: lo_unlink, lo_truncate."""

    def judge(self) -> Judgement:
        return Judgement(
            Level.DESTRUCTIVE,
            (Reason.DELETES_ROWS,),
            cost=Cost.LOSES,
            # https://www.postgresql.org/docs/current/lo-funcs.html
            instead="Keep them first: CREATE TABLE kept AS SELECT oid, lo_get(oid) AS content "
            "FROM pg_largeobject_metadata WHERE …",
        )


@kind("drop_container")
class DropContainer(ObjectChange):
    """Many objects gone at once, rows included: a schema, a database, what a role owns…"""

    def judge(self) -> Judgement:
        return Judgement(
            Level.DESTRUCTIVE,
            (Reason.DROPS_OBJECT, Reason.DROPS_TABLE_WITH_DATA),
            cost=Cost.LOSES,
            instead="Drop what is in it by name, with op.soft_drop_table for tables.",
        )


@kind("change_privileges")
class ChangePrivileges(ObjectChange):
    """GRANT, REVOKE, another owner, roles."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.CHANGES_PRIVILEGES,), self.lock)


@kind("disable_protection")
class DisableProtection(ObjectChange):
    """Triggers or rules that no longer run, foreign keys among them."""

    def judge(self) -> Judgement:
        return Judgement(Level.HIGH, (Reason.DISABLES_PROTECTION,), self.lock)


@kind("lock_table")
class LockTable(ObjectChange):
    """A lock that is taken by name and kept until the transaction ends."""

    def judge(self) -> Judgement:
        return Judgement(Level.LOW, (Reason.LOCKS_TABLE,), self.lock)


@kind("refresh_view")
class RefreshView(ObjectChange):
    """The rows of a materialized view worked out anew."""

    def judge(self) -> Judgement:
        if self.lock is not Lock.ACCESS_EXCLUSIVE:
            return Judgement(Level.LOW, (), self.lock)
        return Judgement(
            Level.LOW,
            (Reason.REBUILDS_TABLE,),
            self.lock,
            Cost.REWRITES,
            # https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html
            f"REFRESH MATERIALIZED VIEW CONCURRENTLY {self.name}, which needs a unique index on "
            "columns of the view and lets others go on reading it.",
        )


@kind("alter_catalog")
class AlterCatalog(ObjectChange):
    """Rows of PostgreSQL's own tables changed as if they were a user's."""

    def judge(self) -> Judgement:
        return Judgement(
            Level.HIGH,
            (Reason.CHANGES_CATALOG,),
            instead="The statement that PostgreSQL has for it: ALTER TABLE, ALTER TYPE … ADD VALUE "
            "or RENAME VALUE, COMMENT ON.",
        )


@kind("alter_server")
class AlterServer(ObjectChange):
    """Something outside the database: settings of the server, its files, a program it runs."""

    def judge(self) -> Judgement:
        return Judgement(Level.HIGH, (Reason.CHANGES_SERVER,))
