"""Changes of row-level security."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.identifiers import display_name
from alembic_zanith.risk.change import Judgement, Lock, TableRef, kind
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.pasting import named_call, sql_name, sql_table
from alembic_zanith.risk.reasons import Reason

from .tables import TableChange


def _medium(instead: str = "") -> Judgement:
    return Judgement(Level.MEDIUM, (Reason.RLS_CHANGE,), Lock.ACCESS_EXCLUSIVE, instead=instead)


def _create_policy(table: TableRef, **options: object) -> str:
    """Return the call that makes a policy of a name that is yet to be given."""
    return named_call("create_policy", "…", table.name, schema=table.schema, **options)


@kind("enable_rls")
class EnableRowSecurity(TableChange):
    """Row security on, or forced for the owner too. Without a policy nobody sees a row."""

    def judge(self) -> Judgement:
        return _medium(
            "Where no policy lets them pass, nobody but the owner sees rows. Policies first, in "
            f"the same revision: {_create_policy(self.table, using='…')}"
        )


@kind("disable_rls")
class DisableRowSecurity(TableChange):
    """Row security off, or not forced any more: everybody with a grant sees every row."""

    def judge(self) -> Judgement:
        all_rows = _create_policy(self.table, roles=["…"], using="true")
        return _medium(
            f"Everybody with a grant sees and writes every row of {self.table} from here on. Leave "
            f"it on, and let in those who may: {all_rows}"
        )


@dataclass(frozen=True)
class PolicyChange(TableChange):
    """A change of one policy."""

    name: str

    @property
    def subject(self) -> str:
        return f"{self.table}.{display_name(self.name)}"

    def judge(self) -> Judgement:
        return _medium()


@kind("create_policy")
class CreatePolicy(PolicyChange):
    """A new policy."""


@kind("alter_policy")
class AlterPolicy(PolicyChange):
    """Another rule or other roles."""


@kind("drop_policy")
class DropPolicy(PolicyChange):
    """A policy that is gone."""

    def judge(self) -> Judgement:
        alter = f"ALTER POLICY {sql_name(self.name)} ON {sql_table(self.table)} …"
        return _medium(
            "Rows that only this one let pass are seen by nobody any more, and those that only it "
            f"held back, if it was restrictive, are seen. Change it in its place: {alter}; or make "
            f"another before, in the same revision: {_create_policy(self.table, using='…')}"
        )
