"""Python text of the operations, made from the pieces that Alembic renders its own with.

Alembic documents how a renderer is registered, but not how to render a column or a constraint
inside it. The functions that its own renderers use have been the same for years; taking them
keeps `render_item`, naming conventions, module prefixes and type imports right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.autogenerate import render

from alembic_zanith.config import DEFAULT_RETENTION_DAYS

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.schema import SchemaItem

    from .drops import DropColumnOperation, DropTableOperation


def drop_column_call(context: AutogenContext, operation: DropColumnOperation) -> str:
    """Render `op.soft_drop_column('users', 'legacy_uuid')` or its like."""
    names = [name_literal(operation.table_name), name_literal(operation.column_name)]
    keywords = {**_retention(operation), **operation.options}
    if context._has_batch:
        return call(context, operation.kind, names[1:], keywords)
    return call(context, operation.kind, names, {**_schema(operation), **keywords})


def drop_table_call(context: AutogenContext, operation: DropTableOperation) -> str:
    """Render `op.soft_drop_table('audit_log')` or its like."""
    keywords = {**_schema(operation), **_retention(operation)}
    return call(context, operation.kind, [name_literal(operation.table_name)], keywords)


def name_literal(name: str) -> str:
    """Render a name, which may be SQLAlchemy's `quoted_name`, as a plain string."""
    return repr(str(name))


def call(
    context: AutogenContext,
    name: str,
    arguments: Iterable[str],
    keywords: Mapping[str, object],
    *,
    one_per_line: bool = False,
) -> str:
    """Render a call of arguments that are Python text already, and of keywords with plain values.

    `one_per_line` lays it out as Alembic does for `op.create_table`.
    """
    parts = [*arguments, *(f"{key}={value!r}" for key, value in keywords.items())]
    inside = ",\n".join(parts) + "\n" if one_per_line else ", ".join(parts)
    return f"{render._alembic_autogenerate_prefix(context)}{name}({inside})"


def rendered_elements(
    context: AutogenContext, elements: Iterable[SchemaItem], namespace: sa.MetaData | None = None
) -> list[str]:
    """Render columns as they come, then constraints and indexes sorted by their text."""
    columns: list[str] = []
    others: list[str] = []
    indexes: list[str] = []
    for element in elements:
        if isinstance(element, sa.Column):
            columns.append(render._render_column(element, context))
        elif isinstance(element, sa.Index):
            indexes.append(_index(context, element))
        elif isinstance(element, sa.Constraint):
            others.append(render._render_constraint(element, context, namespace) or "")
    return [text for text in (*columns, *sorted(others), *sorted(indexes)) if text]


def _index(context: AutogenContext, index: sa.Index) -> str:
    arguments = [repr(render._render_gen_name(context, index.name))]
    arguments += render._get_index_rendered_expressions(index, context)
    arguments.append(f"unique={bool(index.unique)!r}")
    arguments += render._render_dialect_kwargs_items(context, index.dialect_kwargs)
    prefix = render._sqlalchemy_autogenerate_prefix(context)
    return f"{prefix}Index({', '.join(arguments)})"


def _schema(operation: Any) -> dict[str, object]:
    return {"schema": str(operation.schema)} if operation.schema else {}


def _retention(operation: DropColumnOperation | DropTableOperation) -> dict[str, object]:
    days = operation.retention_days
    return {} if days == DEFAULT_RETENTION_DAYS else {"retention_days": days}


def given_options(operation: object, *names: str) -> dict[str, object]:
    """Return those options of an operation that are set, for rendering."""
    given = {name: getattr(operation, name) for name in names}
    return {
        name: str(value) if isinstance(value, str) else value
        for name, value in given.items()
        if value
    }
