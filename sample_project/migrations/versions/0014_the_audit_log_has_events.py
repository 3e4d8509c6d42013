"""The audit log has events

Revision ID: 0014
Revises: 0013
Create Date: 2026-11-29 10:40:51.918230

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision: str = '0014'
down_revision: Union[str, Sequence[str], None] = '0013'
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None

EVENT = "jsonb_build_object('action', action, 'details', details)"
PARTS = {"action": "event ->> 'action'", "details": "event -> 'details'"}


def upgrade() -> None:
    """Upgrade schema."""
    op.merge_columns(
        "audit_log",
        ["action", "details"],
        into=sa.Column("event", postgresql.JSONB(), nullable=False),
        using=EVENT,
        reverse=PARTS,
    )


def downgrade() -> None:
    """Downgrade schema."""
    op.split_column(
        "audit_log",
        "event",
        into=["action", "details"],
        using=PARTS,
        reverse=EVENT,
    )
