"""Columns that are kept the same as another: neither is dropped while a version needs it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from alembic_zanith.sync.catalog import SyncedColumn, synced_columns

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


class SyncedColumns:
    """A name filter that hides a column of `op.sync_columns` that the models do not have.

    Models of either version, or of both, are in agreement with the database then. What hangs on a
    hidden column, its indexes and constraints, is hidden with it.
    """

    def __init__(self, context: AutogenContext) -> None:
        self.context = context

    def __call__(self, name: str | None, type_: str, parents: dict[str, Any]) -> bool:
        table = parents.get("table_name")
        if table is None or name is None:
            return True
        hidden = self._hidden.get((parents.get("schema_name") or self._default_schema, table), [])
        if type_ == "column":
            return name not in {each.column for each in hidden}
        return not any(name in each.parts for each in hidden)

    @cached_property
    def _default_schema(self) -> str:
        return self.context.dialect.default_schema_name or "public"

    @cached_property
    def _hidden(self) -> dict[tuple[str, str], list[SyncedColumn]]:
        assert self.context.connection is not None
        tables = {
            (table.schema or self._default_schema, str(table.name)): table
            for table in self.context.sorted_tables
        }
        hidden: dict[tuple[str, str], list[SyncedColumn]] = {}
        for each in synced_columns(self.context.connection):
            table = tables.get((each.schema, each.table))
            if table is not None and each.column not in {str(c.name) for c in table.columns}:
                hidden.setdefault((each.schema, each.table), []).append(each)
        return hidden
