"""Contract: references become invoice numbers

Revision ID: 0017
Revises: 0016
Create Date: 2026-11-30 21:51:53.319653

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = '0017'
down_revision: Union[str, Sequence[str], None] = '0016'
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    """Upgrade schema."""
    op.unsync_columns(
        'orders',
        'reference',
        'invoice_number',
        forward='reference',
        backward='invoice_number',
    )
    op.soft_drop_column('orders', 'reference')


def downgrade() -> None:
    """Downgrade schema."""
    op.restore_column(
        'orders',
        'reference',
        meanwhile={'column': 'invoice_number', 'forward': 'reference', 'backward': 'invoice_number'},
    )
    op.sync_columns(
        'orders',
        'reference',
        'invoice_number',
        forward='reference',
        backward='invoice_number',
    )
