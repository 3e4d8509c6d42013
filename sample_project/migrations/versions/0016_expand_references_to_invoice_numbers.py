"""Expand: references become invoice numbers

Revision ID: 0016
Revises: 0015
Create Date: 2026-11-30 21:51:53.298092

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = '0016'
down_revision: Union[str, Sequence[str], None] = '0015'
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    """Upgrade schema."""
    op.execute(
        'ALTER TABLE orders ADD COLUMN IF NOT EXISTS invoice_number character varying(16)',
    )
    op.sync_columns(
        'orders',
        'reference',
        'invoice_number',
        forward='reference',
        backward='invoice_number',
    )
    with op.get_context().autocommit_block():
        op.backfill('orders', set={'invoice_number': 'reference'}, where='invoice_number IS NULL')


def downgrade() -> None:
    """Downgrade schema."""
    op.unsync_columns(
        'orders',
        'reference',
        'invoice_number',
        forward='reference',
        backward='invoice_number',
    )
    op.soft_drop_column('orders', 'invoice_number')
