"""References of old orders

Revision ID: 0012
Revises: 0011
Create Date: 2026-11-23 09:14:02.551870

Written by hand. The application gives new orders their reference since 0011; the old ones get theirs
here, in batches that are committed one by one.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.backfill(
            "orders",
            set={"reference": "to_char(placed_at AT TIME ZONE 'UTC', 'YYYYMM-') || id"},
            where="reference IS NULL",
            batch_size=5_000,
        )


def downgrade() -> None:
    # The downgrade of 0011 takes the column along.
    pass
