"""Orders know their total

Revision ID: 0006
Revises: 0005c
Create Date: 2026-11-22 19:44:58.234646

Written by hand, in the three steps that a required column takes on a table with rows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("total", sa.Numeric(10, 2), nullable=True))
    op.execute(
        """
        UPDATE orders
           SET total = coalesce(
               (SELECT sum(quantity * unit_price) FROM order_items WHERE order_id = orders.id), 0)
        """
    )
    op.alter_column("orders", "total", nullable=False)


def downgrade() -> None:
    # It can be computed again, so there is nothing to keep: a real drop.
    op.drop_column("orders", "total")
