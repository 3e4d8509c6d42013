"""Alembic's own comparison of the shadow with the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import produce_migrations
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op_text
from alembic.operations.ops import MigrateOperation, ModifyTableOps

from .quiet import warnings_only

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext


def has_models(context: MigrationContext) -> bool:
    """Whether env.py has said what the database is to look like."""
    metadata: Any = context.opts.get("target_metadata")
    return metadata is not None and metadata != []


def drift(context: MigrationContext) -> tuple[str, ...]:
    """Return the operations that `alembic revision --autogenerate` would write, none if equal.

    Types and server defaults are compared whatever env.py says of them, by its own functions where
    it has some: https://alembic.sqlalchemy.org/en/latest/autogenerate.html
    """
    for option in ("compare_type", "compare_server_default"):
        if not callable(context.opts.get(option)):
            setattr(context, f"_user_{option}", True)
            context.opts[option] = True
    metadata = context.opts["target_metadata"]
    # What Alembic logs of each difference is in the report.
    with warnings_only("alembic.autogenerate", "alembic.runtime.plugins"):
        produced = produce_migrations(context, metadata)
        found = [] if produced.upgrade_ops is None else produced.upgrade_ops.ops
        autogen = AutogenContext(context, metadata=metadata, opts=context.opts)
        return tuple(render_op_text(autogen, each).strip() for each in _each(found))


def _each(operations: list[MigrateOperation]) -> Iterator[MigrateOperation]:
    for operation in operations:
        if isinstance(operation, ModifyTableOps):
            yield from _each(operation.ops)
        else:
            yield operation
