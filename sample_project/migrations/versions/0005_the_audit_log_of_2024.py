"""The audit log of 2024

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-22 19:44:58.234634

The table is what autogenerate wrote; moving the rows was added by hand.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_log_2024",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log_2024")),
    )
    op.create_index(op.f("ix_audit_log_2024_action"), "audit_log_2024", ["action"])
    # One statement, so that no row is in both tables or in neither.
    op.execute(
        """
        WITH old AS (DELETE FROM audit_log WHERE at < '2025-01-01 00:00+00' RETURNING *)
        INSERT INTO audit_log_2024 (id, user_id, action, details, at)
        SELECT id, user_id, action, details, at FROM old
        """
    )


def downgrade() -> None:
    # The users of that time may be gone; the foreign key of audit_log wants them or nothing.
    op.execute(
        """
        INSERT INTO audit_log (id, user_id, action, details, at)
        OVERRIDING SYSTEM VALUE
        SELECT old.id, users.id, old.action, old.details, old.at
          FROM audit_log_2024 AS old LEFT JOIN users ON users.id = old.user_id
        """
    )
    op.drop_table("audit_log_2024")
