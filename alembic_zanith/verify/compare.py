"""Alembic's own comparison of the shadow with the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations.ops import MigrateOperation, ModifyTableOps, UpgradeOps

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
    produced = produce_migrations(context, context.opts["target_metadata"])
    found = [] if produced.upgrade_ops is None else produced.upgrade_ops.ops
    return tuple(_rendered(each, context) for each in _each(found))


def _each(operations: list[MigrateOperation]) -> Iterator[MigrateOperation]:
    for operation in operations:
        if isinstance(operation, ModifyTableOps):
            yield from _each(operation.ops)
        else:
            yield operation


def _rendered(operation: MigrateOperation, context: MigrationContext) -> str:
    text = render_python_code(UpgradeOps([operation]), migration_context=context)
    lines = (line for line in text.splitlines() if not line.strip().startswith("#"))
    return "\n".join(lines).strip()
