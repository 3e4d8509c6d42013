"""The operations on `op`: importing this package registers them with Alembic."""

from .archive_column import ArchiveColumnOp
from .archive_table import ArchiveTableOp
from .backfill import BackfillOp
from .drops import DropColumnOperation, DropTableOperation
from .rebuild_table import RebuildTableOp
from .registry import OPERATIONS
from .restore_column import RestoreColumnOp
from .restore_table import RestoreTableOp
from .soft_drop_column import SoftDropColumnOp
from .soft_drop_table import SoftDropTableOp

__all__ = [
    "OPERATIONS",
    "ArchiveColumnOp",
    "ArchiveTableOp",
    "BackfillOp",
    "DropColumnOperation",
    "DropTableOperation",
    "RebuildTableOp",
    "RestoreColumnOp",
    "RestoreTableOp",
    "SoftDropColumnOp",
    "SoftDropTableOp",
]
