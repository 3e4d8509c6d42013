"""What the plan has made so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from alembic_zanith.risk.change import TableRef

from .names import Names


@dataclass
class NewColumn:
    """A column that the plan has added, and whether it may have values by now."""

    revision: str
    is_filled: bool = False


@dataclass
class Temporary:
    """A temporary table: it hides a lasting one of the same name, until the session ends."""

    revision: str
    ends_with_transaction: bool


@dataclass(frozen=True)
class NewIndex:
    """An index that the plan has built."""

    revision: str
    table: TableRef


@dataclass
class Made:
    """Everything new, each with the revision that made it."""

    names: Names
    tables: dict[TableRef, str] = field(default_factory=dict)
    gone: set[TableRef] = field(default_factory=set)
    temporary: dict[str, Temporary] = field(default_factory=dict)
    columns: dict[TableRef, dict[str, NewColumn]] = field(default_factory=dict)
    indexes: dict[TableRef, NewIndex] = field(default_factory=dict)
    constraints: dict[TableRef, dict[str, str]] = field(default_factory=dict)
    objects: dict[tuple[str, str], str] = field(default_factory=dict)
    routines: dict[TableRef, dict[str, str]] = field(default_factory=dict)
    """By name, then by arguments: those that cannot have been there before."""
    checks: dict[tuple[TableRef, str], str] = field(default_factory=dict)
    """The columns that CHECK constraints of the plan say have values."""
    proven: dict[tuple[TableRef, str], str] = field(default_factory=dict)
    """Those of them whose rows were all read, with the name of the constraint."""
    referenced: set[TableRef] = field(default_factory=set)
    """New tables that rows which were there before point to, and may be deleted with."""

    outer_schema: list[str | None] = field(default_factory=list)
    """The default schema from before SET LOCAL search_path, which comes back with the COMMIT."""

    def end_transaction(self) -> None:
        """Take down a COMMIT: what was for the transaction alone is gone."""
        self.temporary = {
            name: each for name, each in self.temporary.items() if not each.ends_with_transaction
        }
        if self.outer_schema:
            self.set_path(self.outer_schema[0])

    def take_back(self) -> None:
        """Take down that something was rolled back, and nobody knows how much.

        What new tables refer to stays: it is a reason to be careful.
        """
        for known in (self.tables, self.columns, self.indexes, self.constraints, self.routines):
            known.clear()
        for more in (self.temporary, self.objects, self.checks, self.proven):
            more.clear()
        self.gone.clear()
        self.set_path(None)

    def set_path(self, schema: str | None) -> None:
        """Take down where names without a schema are looked up from here on."""
        # What had none so far cannot be told from what has none from here on.
        for known in (self.tables, self.columns, self.constraints, self.indexes, self.routines):
            for key in [key for key in known if key.schema is None]:
                del known[key]
        self.objects = {each: by for each, by in self.objects.items() if "." in each[1]}
        self.names.default_schema = schema
        self.outer_schema.clear()

    def table(self, table: TableRef, revision: str) -> str | None:
        """Return the revision that made a table, as one sees it from another, or None."""
        if (hidden_by := self.temporary_of(table, revision)) is not None:
            return hidden_by.revision
        return self.tables.get(self.names.key(table))

    def temporary_of(self, table: TableRef, revision: str) -> Temporary | None:
        """Return the temporary table that a name means, if it means one."""
        if table.schema not in (None, "pg_temp"):
            return None
        found = self.temporary.get(table.name)
        if found is not None and found.ends_with_transaction and found.revision != revision:
            return None
        return found

    def columns_of(self, table: TableRef) -> dict[str, NewColumn]:
        """Return the columns that the plan has added to a table that was there before."""
        return self.columns.get(self.names.key(table), {})

    def move(self, old: TableRef, new: TableRef) -> None:
        """Take down that a table has another name. What it had before is free."""
        old, new = self.names.key(old), self.names.key(new)
        for known in (self.tables, self.columns, self.constraints):
            value: Any = known.pop(old, None)
            known.pop(new, None)
            if value is not None:
                known[new] = value
        self.forget_proofs(old, new)
        self.gone.add(old)
        self.gone.discard(new)

    def forget_table(self, table: TableRef) -> None:
        """Take down that a table is not there any more, or not the one that the plan made."""
        key = self.names.key(table)
        self.tables.pop(key, None)
        self.columns.pop(key, None)
        self.constraints.pop(key, None)
        self.forget_proofs(key)

    def forget_proofs(self, *tables: TableRef) -> None:
        """Take down that what was proven of tables may be true of others now."""
        for known in (self.checks, self.proven):
            for key in [key for key in known if key[0] in tables]:
                del known[key]
