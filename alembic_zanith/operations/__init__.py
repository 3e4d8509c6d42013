"""The operations on `op`: importing this package registers them with Alembic."""

from .add_generated_column import AddGeneratedColumnOp
from .archive_column import ArchiveColumnOp
from .archive_table import ArchiveTableOp
from .backfill import BackfillOp
from .create_extension import CreateExtensionOp
from .create_policy import CreatePolicyOp
from .disable_rls import DisableRlsOp
from .drop_extension import DropExtensionOp
from .drop_policy import DropPolicyOp
from .drops import DropColumnOperation, DropTableOperation
from .enable_rls import EnableRlsOp
from .merge_columns import MergeColumnsOp
from .rebuild_table import RebuildTableOp
from .registry import OPERATIONS
from .reshape import ReshapeOperation
from .restore_column import RestoreColumnOp
from .restore_table import RestoreTableOp
from .soft_drop_column import SoftDropColumnOp
from .soft_drop_table import SoftDropTableOp
from .split_column import SplitColumnOp
from .sync_columns import SyncColumnsOp
from .unsync_columns import UnsyncColumnsOp

__all__ = [
    "OPERATIONS",
    "AddGeneratedColumnOp",
    "ArchiveColumnOp",
    "ArchiveTableOp",
    "BackfillOp",
    "CreateExtensionOp",
    "CreatePolicyOp",
    "DisableRlsOp",
    "DropColumnOperation",
    "DropExtensionOp",
    "DropPolicyOp",
    "DropTableOperation",
    "EnableRlsOp",
    "MergeColumnsOp",
    "RebuildTableOp",
    "ReshapeOperation",
    "RestoreColumnOp",
    "RestoreTableOp",
    "SoftDropColumnOp",
    "SoftDropTableOp",
    "SplitColumnOp",
    "SyncColumnsOp",
    "UnsyncColumnsOp",
]
