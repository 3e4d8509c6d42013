"""Changes of extensions."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.identifiers import display_name
from alembic_zanith.risk.change import Change, Cost, Judgement, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason


@dataclass(frozen=True)
class ExtensionChange(Change):
    """A change of one extension."""

    name: str

    @property
    def subject(self) -> str:
        return display_name(self.name)


@kind("create_extension")
class CreateExtension(ExtensionChange):
    """A new extension."""

    def judge(self) -> Judgement:
        return Judgement(Level.SAFE, (Reason.ADDS_EXTENSION,))


@kind("alter_extension")
class AlterExtension(ExtensionChange):
    """Another version, or another schema, of an extension."""

    def judge(self) -> Judgement:
        return Judgement(Level.MEDIUM, (Reason.CHANGES_SETTINGS,))


@kind("drop_extension")
@dataclass(frozen=True)
class DropExtension(ExtensionChange):
    """An extension that is gone; with `cascade`, all columns of its types too."""

    cascade: bool = False

    def judge(self) -> Judgement:
        if self.cascade:
            return Judgement(
                Level.DESTRUCTIVE,
                (Reason.DROPS_EXTENSION, Reason.DROPS_COLUMN_WITH_DATA),
                cost=Cost.LOSES,
                instead=f"DROP EXTENSION {self.subject} without CASCADE says what needs it.",
            )
        return Judgement(Level.HIGH, (Reason.DROPS_EXTENSION,))
