"""Reversible drops for Alembic on PostgreSQL.

Importing this package in env.py switches it on for the project: the operations are on `op`,
and autogenerate parks what it would have dropped.
"""

from typing import TYPE_CHECKING, Any

from . import autogenerate, enforcement, hooks, operations
from .declarations import Extension, Policy, RowSecurity
from .errors import ZanithError
from .workspace import Workspace

if TYPE_CHECKING:
    # mypy knows two of them as modules of that package as well.
    from .recovery import (  # type: ignore[no-redef]
        archive_column,
        archive_table,
        cleanup,
        export_artifact,
        inspect_artifact,
        list_artifacts,
        purge,
        restore_column,
        restore_table,
        soft_drop_column,
        soft_drop_table,
    )

hooks.install(enforcement.around_run)
autogenerate.register()

__all__ = [
    "Extension",
    "Policy",
    "RowSecurity",
    "Workspace",
    "ZanithError",
    "archive_column",
    "archive_table",
    "cleanup",
    "export_artifact",
    "inspect_artifact",
    "list_artifacts",
    "operations",
    "purge",
    "restore_column",
    "restore_table",
    "soft_drop_column",
    "soft_drop_table",
]


def __getattr__(name: str) -> Any:
    """Import the functions of `recovery` when one is asked for: upgrades seldom need any."""
    if name in __all__:
        from . import recovery

        return getattr(recovery, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
