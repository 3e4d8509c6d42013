"""The operations on `op`: importing this package registers them with Alembic."""

from .archive_column import ArchiveColumnOp
from .archive_table import ArchiveTableOp
from .backfill import BackfillOp
from .drops import DropColumnOperation, DropTableOperation
from .merge_columns import MergeColumnsOp
from .registry import OPERATIONS
from .reshape import ReshapeOperation
from .restore_column import RestoreColumnOp
from .restore_table import RestoreTableOp
from .soft_drop_column import SoftDropColumnOp
from .soft_drop_table import SoftDropTableOp
from .split_column import SplitColumnOp

__all__ = [
    "OPERATIONS",
    "ArchiveColumnOp",
    "ArchiveTableOp",
    "BackfillOp",
    "DropColumnOperation",
    "DropTableOperation",
    "MergeColumnsOp",
    "ReshapeOperation",
    "RestoreColumnOp",
    "RestoreTableOp",
    "SoftDropColumnOp",
    "SoftDropTableOp",
    "SplitColumnOp",
]
