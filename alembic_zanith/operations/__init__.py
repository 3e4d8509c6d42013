"""The operations on `op`: importing this package registers them with Alembic."""

from .archive_column import ArchiveColumnOp
from .archive_table import ArchiveTableOp
from .backfill import BackfillOp
from .drops import DropColumnOperation, DropTableOperation
from .registry import OPERATIONS
from .restore_column import RestoreColumnOp
from .restore_table import RestoreTableOp
from .soft_drop_column import SoftDropColumnOp
from .soft_drop_table import SoftDropTableOp
from .sync_columns import SyncColumnsOp
from .unsync_columns import UnsyncColumnsOp

__all__ = [
    "OPERATIONS",
    "ArchiveColumnOp",
    "ArchiveTableOp",
    "BackfillOp",
    "DropColumnOperation",
    "DropTableOperation",
    "RestoreColumnOp",
    "RestoreTableOp",
    "SoftDropColumnOp",
    "SoftDropTableOp",
    "SyncColumnsOp",
    "UnsyncColumnsOp",
]
