"""Changes of row-level security."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.identifiers import display_name
from alembic_zanith.risk.change import Judgement, Lock, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason

from .tables import TableChange

_MEDIUM = Judgement(Level.MEDIUM, (Reason.RLS_CHANGE,), Lock.ACCESS_EXCLUSIVE)


@kind("enable_rls")
class EnableRowSecurity(TableChange):
    """Row security on, or forced for the owner too. Without a policy nobody sees a row."""

    def judge(self) -> Judgement:
        return _MEDIUM


@kind("disable_rls")
class DisableRowSecurity(TableChange):
    """Row security off, or not forced any more: everybody with a grant sees every row."""

    def judge(self) -> Judgement:
        return _MEDIUM


@dataclass(frozen=True)
class PolicyChange(TableChange):
    """A change of one policy."""

    name: str

    @property
    def subject(self) -> str:
        return f"{self.table}.{display_name(self.name)}"

    def judge(self) -> Judgement:
        return _MEDIUM


@kind("create_policy")
class CreatePolicy(PolicyChange):
    """A new policy."""


@kind("alter_policy")
class AlterPolicy(PolicyChange):
    """Another rule or other roles."""


@kind("drop_policy")
class DropPolicy(PolicyChange):
    """A policy that is gone."""
