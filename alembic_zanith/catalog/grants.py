"""Privileges of others on what is parked: one would keep its role from being dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alembic_zanith.identifiers import QualifiedName, literal, quote

from .online import Online
from .parts import Part


@dataclass(frozen=True)
class GrantEntry:
    """Privileges that one role gave to another; names are quoted. `grantor` None is the owner."""

    grantee: str
    privileges: tuple[str, ...]
    grantable: bool
    grantor: str | None = None

    def run(self, statement: str) -> str:
        """Return SQL that runs a GRANT or REVOKE as the grantor: nobody else can.

        https://www.postgresql.org/docs/current/sql-grant.html
        """
        if self.grantor is None:
            return statement
        body = (
            "DECLARE before text := pg_catalog.current_setting('role');"
            f" BEGIN SET LOCAL ROLE {self.grantor}; {statement};"
            " PERFORM pg_catalog.set_config('role', before, true); END"
        )
        return f"DO {literal(body)}"


def _entry(value: GrantEntry | dict[str, Any]) -> GrantEntry:
    """Turn what JSON gave back into an entry."""
    if isinstance(value, GrantEntry):
        return value
    return GrantEntry(**{**value, "privileges": tuple(value["privileges"])})


@dataclass(frozen=True)
class Grants(Part):
    """Privileges on a table, or on the sequence `name`, each after the one that allowed it."""

    kind = "grants"
    order = 70
    needs_final_name = True
    on: str
    name: str | None
    column: str | None
    entries: tuple[GrantEntry, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", tuple(map(_entry, self.entries)))

    def park(self, relation: QualifiedName) -> list[str]:
        return [
            entry.run(f"REVOKE {self._what(entry, relation)} FROM {entry.grantee}")
            for entry in reversed(self.entries)
        ]

    def restore(self, relation: QualifiedName) -> list[str]:
        return [
            entry.run(
                f"GRANT {self._what(entry, relation)} TO {entry.grantee}"
                + (" WITH GRANT OPTION" if entry.grantable else "")
            )
            for entry in self.entries
        ]

    def online(self, relation: QualifiedName) -> Online | str:
        return Online(first=tuple(self.restore(relation)))

    def _what(self, entry: GrantEntry, relation: QualifiedName) -> str:
        columns = "" if self.column is None else f" ({quote(self.column)})"
        privileges = ", ".join(f"{privilege}{columns}" for privilege in entry.privileges)
        target = relation if self.name is None else relation.renamed(self.name)
        return f"{privileges} ON {self.on} {target}"


@dataclass(frozen=True)
class ColumnGrants(Grants):
    """Privileges on a column, which one on the whole table may have allowed to give."""

    kind = "column_grants"
    order = 71
