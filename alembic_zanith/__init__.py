"""Reversible drops for Alembic on PostgreSQL.

Importing this package in env.py switches it on for the project: the operations are on `op`,
and autogenerate parks what it would have dropped.
"""

from . import autogenerate, enforcement, hooks, operations
from .errors import ZanithError
from .recovery import (
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
from .workspace import Workspace

hooks.install(enforcement.around_run)
autogenerate.register()

__all__ = [
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
