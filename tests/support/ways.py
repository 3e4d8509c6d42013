"""The ways to drop something reversibly, for tests that hold for each of them."""

from __future__ import annotations

import pytest

from alembic_zanith.recovery import (
    archive_column,
    archive_table,
    soft_drop_column,
    soft_drop_table,
)

DROP_COLUMN = {"soft drop": soft_drop_column, "archive": archive_column}
DROP_TABLE = {"soft drop": soft_drop_table, "archive": archive_table}

each_way_to_drop_a_column = pytest.mark.parametrize("drop", DROP_COLUMN.values(), ids=DROP_COLUMN)
each_way_to_drop_a_table = pytest.mark.parametrize("drop", DROP_TABLE.values(), ids=DROP_TABLE)
