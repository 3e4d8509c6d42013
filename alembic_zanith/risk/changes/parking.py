"""Changes that leave an artifact, and those that bring it back."""

from __future__ import annotations

from alembic_zanith.risk.change import Judgement, Lock, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason

from .columns import ColumnChange
from .tables import TableChange

_PARKS = Judgement(Level.MEDIUM, (Reason.PARKS_DATA,), Lock.ACCESS_EXCLUSIVE)
_RESTORES = Judgement(Level.SAFE, (), Lock.ACCESS_EXCLUSIVE)


@kind("soft_drop_column")
class SoftDropColumn(ColumnChange):
    """A column that is renamed out of the way."""

    def judge(self) -> Judgement:
        return _PARKS


@kind("archive_column")
class ArchiveColumn(ColumnChange):
    """A column whose values are copied to the archive schema before it is dropped."""

    def judge(self) -> Judgement:
        return _PARKS


@kind("soft_drop_table")
class SoftDropTable(TableChange):
    """A table that is renamed out of the way."""

    def judge(self) -> Judgement:
        return _PARKS


@kind("archive_table")
class ArchiveTable(TableChange):
    """A table that is moved to the archive schema."""

    def judge(self) -> Judgement:
        return _PARKS


@kind("restore_column")
class RestoreColumn(ColumnChange):
    """A column that comes back."""

    def judge(self) -> Judgement:
        return _RESTORES


@kind("restore_table")
class RestoreTable(TableChange):
    """A table that comes back."""

    def judge(self) -> Judgement:
        return _RESTORES
