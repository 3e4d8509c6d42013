"""Order items in less space

Revision ID: 0015
Revises: 0014
Create Date: 2026-11-29 11:30:47.190334

Written by hand. A quantity is a small number: the table is built anew in another shape, and its old
rows stay in the archive schema, to be looked at.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.rebuild_table(
        "order_items",
        columns=[
            "order_id",
            "product_id",
            sa.Column("quantity", sa.Integer(), nullable=False),
            "unit_price",
            "price",
        ],
    )


def downgrade() -> None:
    # Not op.restore_table, which refuses: orders written since are in the new table alone.
    op.rebuild_table(
        "order_items",
        columns=[
            "order_id",
            "product_id",
            sa.Column("quantity", sa.BigInteger(), nullable=False),
            "unit_price",
            "price",
        ],
    )
