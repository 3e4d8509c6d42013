"""Items know their price

Revision ID: 0005c
Revises: 0005b
Create Date: 2026-11-22 19:44:58.234643

Written by hand: autogenerate says op.add_column, which is the same but for what it leaves to the server.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005c"
down_revision = "0005b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_generated_column(
        "order_items",
        sa.Column(
            "price",
            sa.Numeric(12, 2),
            sa.Computed("quantity * unit_price", persisted=True),
            nullable=True,
        ),
    )


def downgrade() -> None:
    # It is worked out from the others, so there is nothing to keep: a real drop.
    op.drop_column("order_items", "price")
