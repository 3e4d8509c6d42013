"""Drop orders.total

Revision ID: 0019
Revises: 0018
Create Date: 2026-11-30 21:52:26.853192

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = '0019'
down_revision: Union[str, Sequence[str], None] = '0018'
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    """Upgrade schema."""
    # By hand: `online=True`, and the block that it needs.
    with op.get_context().autocommit_block():
        op.archive_column('orders', 'total', online=True)


def downgrade() -> None:
    """Downgrade schema."""
    # Written by hand: an order that was placed since has no total in the archive.
    op.restore_column('orders',
    sa.Column('total', sa.NUMERIC(precision=10, scale=2), autoincrement=False, nullable=False),
    relax=True
    )
    op.execute(
        """
        UPDATE orders
           SET total = coalesce(
               (SELECT sum(price) FROM order_items WHERE order_id = orders.id), 0)
         WHERE total IS NULL
        """
    )
    op.alter_column('orders', 'total', nullable=False)
