"""Which table a name means at a place in the plan."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.risk.change import TableRef


@dataclass
class Names:
    """The schema that names without one are looked up in; None where nobody can tell.

    >>> names = Names("public")
    >>> names.key(TableRef("t")) == names.key(TableRef("t", "public"))
    True
    >>> names.default_schema = None  # after SET search_path to who knows where
    >>> names.key(TableRef("t")) == names.key(TableRef("t", "public"))
    False
    """

    default_schema: str | None = "public"

    def key(self, table: TableRef) -> TableRef:
        """Return the table with the schema that it is looked up in."""
        return TableRef(table.name, table.schema or self.default_schema)
