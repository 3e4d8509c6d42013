"""VALIDATE CONSTRAINT: what the constraint says is in the catalog."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from alembic_zanith.identifiers import display_name, quote
from alembic_zanith.sql import rows

from .probe import NotApplicable, Probe, sql_name

_DEFINITION = """
SELECT pg_catalog.pg_get_constraintdef(oid)::text, convalidated
  FROM pg_catalog.pg_constraint
 WHERE conrelid = pg_catalog.to_regclass(:table) AND conname = :name
"""


@dataclass(frozen=True)
class Validation(Probe):
    """Rows that were there when a constraint was added NOT VALID."""

    kind = "violations"

    name: str

    @property
    def promise(self) -> str:
        return f"every row of {self.table} passes {display_name(self.name)}"

    def query(self, connection: Connection) -> str:
        from .reading import probes_in

        found = rows(connection, _DEFINITION, table=sql_name(self.table), name=self.name)
        if not found:
            raise NotApplicable(f"{self.table} has no constraint {display_name(self.name)}")
        definition, is_valid = found[0]
        if is_valid:
            raise NotApplicable(f"{display_name(self.name)} is valid already")
        added = str(definition).removesuffix(" NOT VALID")
        probes = probes_in(
            f"ALTER TABLE {sql_name(self.table)} ADD CONSTRAINT {quote(self.name)} {added}"
        )
        if len(probes) != 1:
            raise NotApplicable(f"no probe knows {added}")
        return probes[0].query(connection)
