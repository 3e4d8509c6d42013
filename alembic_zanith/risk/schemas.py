"""Changes of what is in another schema than the script says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from .change import Change, TableRef

Schemas = Mapping[str | None, str | None]


def in_schemas(change: Change, schemas: Schemas) -> Change:
    """Return a change with other schemas in place of those that its tables have.

    >>> from alembic_zanith.risk.changes.tables import DropTable
    >>> in_schemas(DropTable(TableRef("t")), {None: "tenant"}).subject
    'tenant.t'
    """
    values = {each.name: getattr(change, each.name) for each in fields(change)}
    other = {name: _moved(name, value, schemas) for name, value in values.items()}
    return change if other == values else replace(change, **other)


def _moved(name: str, value: Any, schemas: Schemas) -> Any:
    if isinstance(value, TableRef):
        return TableRef(value.name, schemas.get(value.schema, value.schema))
    if isinstance(value, tuple):
        return tuple(_moved("", each, schemas) for each in value)
    if name == "schema":
        return schemas.get(value, value)
    return value
