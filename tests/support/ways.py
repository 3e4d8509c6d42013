"""The ways to drop something reversibly, for tests that hold for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    restore_column,
    restore_table,
    soft_drop_column,
    soft_drop_table,
)

DROP_COLUMN = {"soft drop": soft_drop_column, "archive": archive_column}
DROP_TABLE = {"soft drop": soft_drop_table, "archive": archive_table}

each_way_to_drop_a_column = pytest.mark.parametrize("drop", DROP_COLUMN.values(), ids=DROP_COLUMN)
each_way_to_drop_a_table = pytest.mark.parametrize("drop", DROP_TABLE.values(), ids=DROP_TABLE)

PARK: dict[str, tuple[Callable[..., Any], tuple[str, ...], Callable[..., Any]]] = {
    "soft_drop_column": (soft_drop_column, ("t", "v"), restore_column),
    "archive_column": (archive_column, ("t", "v"), restore_column),
    "soft_drop_table": (soft_drop_table, ("t",), restore_table),
    "archive_table": (archive_table, ("t",), restore_table),
}
"""The column `v` of a table `t`, or all of it: what parks it, its arguments, what restores it."""

all_four = pytest.mark.parametrize("way", PARK)
