"""What the operations of row security have in common: they are on one table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from alembic_zanith.catalog import known_names
from alembic_zanith.catalog.known_names import relation
from alembic_zanith.errors import UnknownObjectError, ZanithError, did_you_mean
from alembic_zanith.risk.change import TableRef
from alembic_zanith.sql import translated_schema

from .naming import check_names
from .plain_sql import PlainSqlOperation

if TYPE_CHECKING:
    from sqlalchemy import Connection

_QUOTED = re.compile(r'"([^"]+)"')


class RowSecurityOperation(PlainSqlOperation):
    """A change of the row security of one table."""

    def __init__(self, table_name: str, *, schema: str | None = None) -> None:
        check_names(self.kind, table_name=table_name)
        self.table_name = table_name
        self.schema = schema

    def __str__(self) -> str:
        return f"{self.kind}({str(self.table_name)!r})"

    @property
    def table(self) -> TableRef:
        """The table as the script names it."""
        return TableRef(str(self.table_name), None if self.schema is None else str(self.schema))

    def explain(self, connection: Connection, state: str, reason: str) -> ZanithError | None:
        """Say that there is no such table or schema, and which ones there are."""
        schema = translated_schema(connection, self.schema)
        name = relation(self.table_name, schema)
        if state == "3F000" and schema not in (None, *(known := known_names.schemas(connection))):
            hint = did_you_mean(str(schema), known)
            return UnknownObjectError(
                f"{self} changed nothing: there is no schema {schema!r}.{hint}"
            )
        if state == "42P01" and not known_names.relation_exists(connection, name):
            hint = did_you_mean(self.table_name, known_names.tables(connection, schema))
            table = TableRef(self.table_name, schema)
            return UnknownObjectError(f"{self} changed nothing: there is no table {table}.{hint}")
        return self.explain_on(connection, name, state, reason)

    def explain_on(
        self, connection: Connection, table: str, state: str, reason: str
    ) -> ZanithError | None:
        """Return the error for what was refused on the table, where more can be said."""
        return None

    def unknown(self, what: str, name: str, hint: str) -> UnknownObjectError:
        """Return the error for a name that nothing has."""
        return UnknownObjectError(f"{self} changed nothing: there is no {what} {name!r}.{hint}")


def name_in(reason: str) -> str:
    """Return the first name that the server has quoted, or nothing.

    >>> name_in('column "tenant" does not exist')
    'tenant'
    """
    found = _QUOTED.search(reason)
    return found[1] if found else ""


def diff_tuple(operation: Any, *values: object) -> tuple[object, ...]:
    """Return the difference for `alembic check`: the kind, where it is, and what it is about."""
    return (operation.kind, operation.schema, operation.table_name, *values)
