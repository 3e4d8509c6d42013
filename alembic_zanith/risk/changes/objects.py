"""Changes of everything that is neither table, column, index, constraint nor policy."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.risk.change import Change, Cost, Judgement, Lock, TableRef, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason


@dataclass(frozen=True)
class ObjectChange(Change):
    """A change of one object: `what` is its type in PostgreSQL's words, `name` as written."""

    what: str
    name: str

    @property
    def subject(self) -> str:
        return f"{self.what} {self.name}".strip()


@kind("create_object")
@dataclass(frozen=True)
class CreateObject(ObjectChange):
    """A new view, function, type, sequence, schema, trigger…"""

    def judge(self) -> Judgement:
        return Judgement(Level.SAFE, ())


@kind("replace_object")
@dataclass(frozen=True)
class ReplaceObject(ObjectChange):
    """A view, function, trigger or rule in place of the one that may be there."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.CHANGES_SETTINGS,))


@kind("alter_object")
@dataclass(frozen=True)
class AlterObject(ObjectChange):
    """Another definition, owner, option or comment."""

    def judge(self) -> Judgement:
        return Judgement(Level.LOW, (Reason.CHANGES_SETTINGS,))


@kind("rename_object")
@dataclass(frozen=True)
class RenameObject(ObjectChange):
    """Another name or another schema: of a view, a function, a type, a label, a schema…"""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.RENAMES_OBJECT,))


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
                cost=Cost.LOSES,
                instead="Without CASCADE PostgreSQL says what depends on it. Drop that by name.",
            )
        return Judgement(Level.MEDIUM, (Reason.DROPS_OBJECT,))


@kind("drop_container")
@dataclass(frozen=True)
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
@dataclass(frozen=True)
class ChangePrivileges(ObjectChange):
    """GRANT, REVOKE, another owner, roles."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.CHANGES_PRIVILEGES,))


@kind("disable_protection")
@dataclass(frozen=True)
class DisableProtection(ObjectChange):
    """Triggers or rules that no longer run, foreign keys among them."""

    table: TableRef | None = None

    @property
    def on(self) -> TableRef | None:
        return self.table

    def judge(self) -> Judgement:
        return Judgement(Level.HIGH, (Reason.DISABLES_PROTECTION,), Lock.SHARE_ROW_EXCLUSIVE)


@kind("alter_server")
@dataclass(frozen=True)
class AlterServer(ObjectChange):
    """Something outside the database: settings of the server, its files, a program it runs."""

    def judge(self) -> Judgement:
        return Judgement(Level.HIGH, (Reason.CHANGES_SETTINGS,))
